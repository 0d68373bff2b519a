"""Which checkout speaks: the one that --project names, wherever the command is run and installed from."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from redrop.cli import main

PUBLISHED = Path(__file__).resolve().parents[2] / "results/published"


@pytest.fixture
def other(project: Path, tmp_path: Path) -> Path:
    """A second checkout, whose claims say something else."""
    for name in ("config", "workflow/schemas"):
        shutil.copytree(project / name, tmp_path / "other" / name)
    claims = tmp_path / "other/config/claims.yaml"
    text = claims.read_text()
    assert "LR-Drop translates better than plain training" in text
    claims.write_text(text.replace("LR-Drop translates better than plain training", "Theirs, not ours"))
    return tmp_path / "other"


@pytest.mark.parametrize("here", ["the first checkout", "the second checkout", "neither"])
def test_project_decides_whose_claims_are_judged(
    here: str, other: Path, project: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    places = {"the first checkout": project, "the second checkout": other, "neither": tmp_path}
    monkeypatch.chdir(places[here])
    words = ["--study", "translation", "--results", str(PUBLISHED / "translation"), "--all-runs"]
    for named, theirs in ((project, False), (other, True)):
        main(["claims", *words, "--project", str(named)])
        assert ("Theirs, not ours" in capsys.readouterr().out) is theirs
        out = tmp_path / f"tables-{theirs}"
        main(["table", *words, "--project", str(named), "--out", str(out), "claims"])
        with (out / "claims.csv").open() as file:
            assert ("Theirs, not ours" in {row["text"] for row in csv.DictReader(file)}) is theirs


def test_a_page_is_made_anywhere(other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As from a wheel, which has no checkout around it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("redrop.study.__file__", str(tmp_path / "site-packages/redrop/study.py"))
    run = next((PUBLISHED / "translation/runs").glob("small-ce-*"))
    shutil.copytree(run, tmp_path / "mine/runs/translation" / run.name)
    main(["report", "--results", "mine", "--out", "page.html", "--project", "other"])
    assert "Theirs, not ours" in (tmp_path / "page.html").read_text()
    with pytest.raises(SystemExit) as end:
        main(["report", "--results", "mine", "--out", "page.html"])
    assert "pass --project" in str(end.value.code)


def test_a_wheel_has_what_verbs_read_of_the_project(project: Path, tmp_path: Path) -> None:
    """Unpacked, with no checkout around it, it knows the studies; and it is the wheel that answers."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=project, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = (
        "import redrop.study, sys; from redrop.cli import main; main(); print(redrop.study.project_folder())"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-P", "-c", code, "plan", "--names"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    *studies, place = done.stdout.split()
    assert {"residual", "glue", "translation", "summarization"} <= set(studies)
    assert Path(place) == tmp_path / "site/redrop/project"
    assert (Path(place) / "config/claims.yaml").read_bytes() == (project / "config/claims.yaml").read_bytes()
