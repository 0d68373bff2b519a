"""Locks of a killed Snakemake are removed, those of a living one are not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import IO

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


@pytest.fixture
def local_locks(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A shared disk on which a lock reaches no further than its host; ``node`` is the host one is on."""
    here, held = {"node": "a"}, {}
    real = alive.fcntl.flock

    def flock(file: IO[str], kind: int) -> None:
        holder = held.get(file.name)
        if holder is not None and holder[0] != here["node"] and not holder[1].closed:
            return  # held on another host: this one does not notice
        real(file, kind)
        if kind == alive.fcntl.LOCK_EX and not file.name.endswith(alive.GUARD):
            held[file.name] = (here["node"], file)

    monkeypatch.setattr(alive.fcntl, "flock", flock)
    monkeypatch.setattr(alive.platform, "node", lambda: here["node"])
    return here


def test_where_locks_do_not_reach_other_hosts_a_living_workflow_there_keeps_its_lock(
    tmp_path: Path, local_locks: dict[str, str]
) -> None:
    with alive.hold(tmp_path, main=True) as living:
        (tmp_path / "locks").mkdir()
        (tmp_path / "locks/0.output.lock").touch()
        local_locks["node"] = "b"
        for _ in range(3):  # each is killed, and the next one finds that it is dead
            killed = alive.hold(tmp_path, main=True)
            assert locked(tmp_path)
            killed.close()
        local_locks["node"] = "a"
        Path(living.name).unlink()  # it ends by itself
    local_locks["node"] = "b"
    with alive.hold(tmp_path, main=True):
        assert not locked(tmp_path)


def test_unlocking_by_hand_forgets_a_dead_workflow_of_another_host(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alive.platform, "node", lambda: "elsewhere")
    monkeypatch.setattr(alive.sys, "argv", ["snakemake", "--unlock"])
    with alive.hold(folder, main=True):
        assert not locked(folder)


def test_a_job_that_was_killed_on_another_host_is_in_nobodys_way(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as there:
        there.setattr(alive.platform, "node", lambda: "elsewhere")
        alive.hold(folder, main=False).close()
    with alive.hold(folder, main=True):
        assert not locked(folder)


def test_a_process_that_ends_by_itself_leaves_no_record(tmp_path: Path) -> None:
    code = "import sys, pathlib; from redrop.runtime.alive import hold; "
    code += "held = hold(pathlib.Path(sys.argv[1]), main=True)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert [path.name for path in (tmp_path / alive.PROCESSES).iterdir()] == [alive.GUARD]


def test_where_files_cannot_be_locked_nothing_is_removed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(alive.fcntl, "flock", refuse)
    assert alive.hold(folder, main=True) is None
    assert locked(folder)
