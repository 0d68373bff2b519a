"""Verbs on nothing: a folder that is not there is a mistake, and nothing done is not called a success."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from redrop.cli import main
from redrop.layout import EMPTY, ONE_STUDY, OWN, PUBLISHED, ResultsLayout

ROOT = Path(__file__).resolve().parents[2]
CONFIG = {
    "results": "own",
    "only": ["translation"],
    "studies": {
        "translation": [
            {"protocols": ["small"], "configs": ["ce"], "seeds": [1, 2], "tasks": ["multi30k_de_en"]}
        ]
    },
}
READERS = {
    "collect": ["--out", "out.csv"],
    "table": ["--study", "translation", "--out", "tables"],
    "figure": ["--study", "translation", "--out", "figures"],
    "claims": ["--study", "translation"],
    "report": ["--out", "page.html"],
    "publish": ["translation", "--to", "published"],
    "build": [],
    "status": [],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(verb: str, *more: str) -> list[str]:
    return [verb, *READERS[verb], *more, "--config", json.dumps(CONFIG), "--project", str(ROOT)]


def own_runs(place: Path) -> Path:
    """A results folder, where the config says it is, with two finished runs."""
    for run in (ROOT / "results/published/translation/runs").glob("small-ce-multi30k_de_en-s*"):
        shutil.copytree(run, place / "own/runs/translation" / run.name)
    return place / "own"


@pytest.mark.parametrize("verb", READERS)
def test_a_mistyped_folder_is_refused_and_nothing_is_written(verb: str, place: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(words_of(verb, "--results", "resluts"))
    assert "--results: resluts is no folder" in str(end.value.code)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("verb", READERS)
def test_without_a_word_it_is_the_folder_of_the_config(
    verb: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words_of(verb))
    assert "--results: own is no folder" in str(end.value.code)
    own_runs(place)
    main(words_of(verb))
    if verb == "collect":
        assert "out.csv: 2 runs" in capsys.readouterr().out
    if verb == "build":
        assert (place / "own/report.html").exists()
        assert len((place / "own/translation/runs.csv").read_text().splitlines()) > 2
        assert not (place / "results").exists()


def test_publishing_nothing_is_no_success(place: Path) -> None:
    (place / "own").mkdir()
    with pytest.raises(SystemExit) as end:
        main(words_of("publish"))
    assert "none of the 2 runs that the config asks for is finished there" in str(end.value.code)
    assert [path.name for path in place.iterdir()] == ["own"]


def test_restoring_nothing_is_no_success(place: Path) -> None:
    with pytest.raises(SystemExit) as end:
        main(["restore", "translation", "--published", "nowhere"])
    assert "holds no published runs" in str(end.value.code)


def test_status_finds_published_runs(capsys: pytest.CaptureFixture[str], place: Path) -> None:
    for folder in (ROOT / "results/published", ROOT / "results/published/translation"):
        main(words_of("status", "--results", str(folder)))
        assert "2 runs asked for, 2 done" in capsys.readouterr().out


def test_what_kind_of_folder_it_is(place: Path) -> None:
    published = ROOT / "results/published"
    found = [
        ResultsLayout(folder) for folder in (published, published / "glue", own_runs(place), place / "x")
    ]
    assert [layout.kind for layout in found] == [PUBLISHED, ONE_STUDY, OWN, EMPTY]
    assert [layout.runs("glue").path for layout in found] == [
        published / "glue/runs", published / "glue/runs", place / "own/runs/glue", place / "x/runs/glue",
    ]  # fmt: skip
    assert len(list(found[0].run_folders())) > len(list(found[1].run_folders())) > 50
