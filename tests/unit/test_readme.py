"""The documents' generated blocks say what is published; what keeps them from being made is named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from readme import all_answers, documents, fill, write
from redrop.errors import ConfigError, RecordError, RedropError, StorageError
from redrop.record import read_json
from redrop.report.answers import disagreements
from redrop.study import Study
from support import PROJECT

KILLS = "<!-- begin kills -->\n<!-- end kills -->\n"


def test_the_documents_say_what_is_published(project: Path, residual: Study) -> None:
    for page in documents(project):
        text = page.read_text(encoding="utf-8")
        assert fill(text, project / "results/published", residual) == text, "run `python tools/readme.py`"


def test_the_answers_are_those_of_the_published_runs(project: Path) -> None:
    published = project / "results/published"
    made, kept = all_answers(published), read_json(published / "answers.json")
    assert disagreements(made, kept) == [], "run `python tools/readme.py`"
    assert made["claims"].keys() == kept["claims"].keys()
    for name, claim in kept["claims"].items():
        for question, numbers in claim["comparisons"].items():
            same = made["claims"][name]["comparisons"][question]
            assert same["difference"] == pytest.approx(numbers["difference"], rel=1e-4, abs=1e-9)
            assert (same["interval"] or []) == pytest.approx(numbers["interval"] or [], rel=1e-4, abs=1e-9)


def test_an_unknown_or_open_block_is_refused(project: Path, residual: Study) -> None:
    for text in ("<!-- begin nothing -->\n<!-- end nothing -->", "<!-- begin kills -->\n"):
        with pytest.raises(RecordError, match=r"block '(nothing|kills)'"):
            fill(text, project / "results/published", residual)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A project without a README and without results."""
    for part in ("config", "workflow/schemas"):
        shutil.copytree(PROJECT / part, tmp_path / part)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"<!-- begin kills -->\n", RecordError, ("'kills'", "add <!-- end kills -->")),
        (b"<!-- begin kils -->\n<!-- end kils -->\n", RecordError, ("'kils'", "did you mean 'kills'")),
        (KILLS.encode(), RecordError, ("kills.json", "no such file", "copy its folder anew")),
        (None, StorageError, ("README.md", "No such file", "give one that is there")),
        ("x".encode("utf-16"), ConfigError, ("README.md", "UTF-8", "save it")),
    ],
)
def test_what_is_wrong_with_a_readme_is_named(
    content: bytes | None, kind: type[RedropError], words: tuple[str, ...], copy: Path
) -> None:
    if content is not None:
        (copy / "README.md").write_bytes(content)
    with pytest.raises(kind) as raised:
        write(copy)
    assert all(word in str(raised.value) for word in words)


def test_numbers_that_lack_one_are_named_on_the_command_line(copy: Path) -> None:
    (copy / "README.md").write_text(KILLS)
    (copy / "results/published/soak").mkdir(parents=True)
    (copy / "results/published/soak/kills.json").write_text("{}")
    done = subprocess.run(
        [sys.executable, str(PROJECT / "tools/readme.py"), "--project", str(copy)],
        env=os.environ | {"PYTHONPATH": str(PROJECT / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "'kills'" in done.stderr
    assert "damaged" in done.stderr
    assert "git checkout" in done.stderr
    assert "Traceback" not in done.stderr
    assert (copy / "README.md").read_text() == KILLS


def test_a_readme_is_written_anew(copy: Path) -> None:
    (copy / "README.md").write_text(f"before\n{KILLS}after\n")
    shutil.copytree(PROJECT / "results/published/soak", copy / "results/published/soak")
    write(copy)
    text = (copy / "README.md").read_text()
    assert text.startswith("before\n<!-- begin kills -->\n| killed | kills |")
    assert text.endswith("<!-- end kills -->\nafter\n")
