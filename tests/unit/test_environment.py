"""What a person's machine has set: a verb must draw, print and end whatever it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import warm
from redrop import __version__

PUBLISHED = Path(__file__).resolve().parents[2] / "results/published"


def redrop(
    *words: str, python: tuple[str, ...] = (sys.executable,), **environment: str
) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [*python, "-m", "redrop", *words],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=os.environ | environment,
        cwd=PUBLISHED.parents[1],
    )


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "TkAgg", "no-such-thing"])
def test_figures_are_drawn_whatever_the_backend_variable_says(backend: str, tmp_path: Path) -> None:
    words = ["figure", "--study", "translation", "--results", str(PUBLISHED / "translation"), "--all-runs"]
    done = redrop(*words, "--out", str(tmp_path), "small-gain", MPLBACKEND=backend)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "small-gain.png").stat().st_size > 1000


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some of paper B's published runs."""
    folder = tmp_path_factory.mktemp("few")
    for run in (PUBLISHED / "residual/runs").glob("notebook-res1-*"):
        shutil.copytree(run, folder / "runs/residual" / run.name)
    return folder


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "utf-8"])
def test_any_terminal_shows_numbers(encoding: str, few: Path) -> None:
    """A minus sign and the blocks of a curve are not in every encoding."""
    run = next((PUBLISHED / "residual/runs").glob("notebook-res1-0-*"))
    warmed = {"python": (warm.python(),), "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = redrop("show", str(run), **warmed)
    assert done.returncode == 0, done.stderr
    assert "val_loss_last" in done.stdout
    done = redrop("claims", "--study", "residual", "--results", str(few), "--all-runs", **warmed)
    assert done.returncode == 0, done.stderr
    assert "as published" in done.stdout


@pytest.mark.parametrize("verb", [["show"], ["claims", "--study", "residual", "--all-runs", "--results"]])
def test_a_reader_that_stops_reading_ends_it_quietly(verb: list[str]) -> None:
    folder = PUBLISHED / "residual"
    place = next((folder / "runs").glob("notebook-res1-0-*")) if verb == ["show"] else folder
    with subprocess.Popen(
        [sys.executable, "-m", "redrop", *verb, str(place)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder.parents[2],
    ) as process:
        process.stdout.close()
        complaint = process.stderr.read().decode()
    assert (process.returncode, complaint) == (141, "")


@pytest.mark.parametrize("flag", ["-O", "-OO"])
def test_help_needs_no_docstrings(flag: str) -> None:
    for words in (["--help"], ["train", "--help"]):
        done = redrop(*words, python=(sys.executable, flag))
        assert done.returncode == 0, done.stderr
        assert "usage: redrop" in done.stdout


def test_it_says_its_version() -> None:
    assert redrop("--version").stdout == f"redrop {__version__}\n"
