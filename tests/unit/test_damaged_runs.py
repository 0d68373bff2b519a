"""One damaged run is left out and named; it takes no table, no page and no other run with it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from redrop.cli import main
from redrop.errors import RecordError
from redrop.record import is_recorded, read_record, read_whole

PUBLISHED = Path(__file__).resolve().parents[2] / "results/published"


def cut(run: Path) -> None:
    path = run / "metrics.json"
    path.write_bytes(path.read_bytes()[:200])


def edited(run: Path) -> None:
    path = run / "metrics.json"
    path.write_text(path.read_text().replace('"updates": 4000', '"updates": 4001'))


def binary(run: Path) -> None:
    (run / "metrics.json").write_bytes(b"\xff\xfe\x00")


def no_curve(run: Path) -> None:
    (run / "curve.jsonl").unlink()


def short_curve(run: Path) -> None:
    path = run / "curve.jsonl"
    path.write_bytes(path.read_bytes()[:-30])


def changed_curve(run: Path) -> None:
    path = run / "curve.jsonl"
    path.write_text(path.read_text().replace("val_loss", "val_lose", 1))


DAMAGES = [cut, edited, binary, no_curve, short_curve, changed_curve]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for run in (PUBLISHED / "translation/runs").glob("small-*-multi30k_de_en-s*"):
        shutil.copytree(run, tmp_path / "mine/runs/translation" / run.name)
    return tmp_path / "mine"


def victim(results: Path) -> Path:
    return next((results / "runs/translation").glob("small-rdrop-*-s2-*"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_others_are_collected(
    damage: Callable[[Path], None], results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = victim(results)
    damage(run)
    main(["collect", "--results", str(results), "--out", str(tmp_path / "runs.csv")])
    printed = capsys.readouterr()
    assert f"left out: {run}" in printed.err
    assert len(printed.err.splitlines()) == 1
    with (tmp_path / "runs.csv").open() as file:
        found = {row["run"] for row in csv.DictReader(file)}
    assert found == {path.name for path in run.parent.iterdir()} - {run.name}


def test_the_page_names_what_it_leaves_out(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = victim(results), next((results / "runs/translation").glob("small-ce-*-s1-*"))
    cut(run)
    no_curve(other)
    main(["report", "--results", str(results), "--out", str(tmp_path / "page.html")])
    assert "2 damaged ones are left out" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text()
    assert 'data-faults="2"' in page
    assert run.name in page
    assert f"{other.name}/curve.jsonl: no such file" in page


def test_where_all_are_damaged_nothing_is_made(results: Path, tmp_path: Path) -> None:
    for run in (results / "runs/translation").iterdir():
        cut(run)
    with pytest.raises(SystemExit, match=r"all \d+ runs are damaged; the first"):
        main(["collect", "--results", str(results), "--out", str(tmp_path / "runs.csv")])
    assert not (tmp_path / "runs.csv").exists()


@pytest.mark.parametrize("damage", [no_curve, short_curve, changed_curve, cut])
def test_it_does_not_count_as_done(
    damage: Callable[[Path], None], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = victim(results)
    spec = read_record(run).spec
    assert is_recorded(run, spec)
    damage(run)
    with pytest.raises(RecordError, match="run the run again"):
        read_whole(run)
    with pytest.raises(SystemExit, match="run the run again"):
        main(["train", "--spec", spec.to_json(), "--out", str(run)])
    if damage in (no_curve, cut):  # status does not read 5,000 curves
        config = {"only": ["translation"], "studies": {"translation": [
            {"protocols": ["small"], "configs": ["rdrop"], "seeds": [2], "tasks": ["multi30k_de_en"]}
        ]}}  # fmt: skip
        main(["status", "--results", str(results), "--config", json.dumps(config), "--json"])
        found = json.loads(capsys.readouterr().out)
        assert "damaged" in json.dumps(found)
