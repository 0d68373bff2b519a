"""Locks of a killed Snakemake are removed, those of a living one are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from redrop.runtime import alive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A .snakemake in which one process has been and died, leaving its lock."""
    held = alive.hold(tmp_path, main=True)
    assert held is not None
    held.close()
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks/0.output.lock").write_text("results/runs.csv\n")
    return tmp_path


def locked(folder: Path) -> bool:
    return (folder / "locks/0.output.lock").exists()


def test_a_dead_ones_lock_is_removed(folder: Path) -> None:
    with alive.hold(folder, main=True):
        assert not locked(folder)


def test_a_living_ones_lock_stays_until_it_is_killed(folder: Path) -> None:
    code = "import sys, pathlib; from redrop.runtime.alive import hold; "
    code += "held = hold(pathlib.Path(sys.argv[1]), main=False); print('held', flush=True); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with alive.hold(folder, main=True):
        assert locked(folder)
    other.kill()
    other.communicate()
    with alive.hold(folder, main=True):
        assert not locked(folder)


def test_two_may_hold_a_folder(folder: Path) -> None:
    with alive.hold(folder, main=True):
        (folder / "locks").mkdir()
        (folder / "locks/0.output.lock").touch()
        with alive.hold(folder, main=True):
            assert locked(folder)


def test_a_jobs_own_snakemake_removes_nothing(folder: Path) -> None:
    with alive.hold(folder, main=False):
        assert locked(folder)


def test_nor_does_one_on_another_host(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alive.platform, "node", lambda: "elsewhere")
    with alive.hold(folder, main=True):
        assert locked(folder)


def test_where_files_cannot_be_locked_nothing_is_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(alive.fcntl, "flock", refuse)
    assert alive.hold(folder, main=True) is None
    assert locked(folder)
