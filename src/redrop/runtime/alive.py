"""Whether another Snakemake works in a folder: its own lock does not say, since it outlives a killed process.

Every Snakemake leaves a record in .snakemake/redrop.processes, named after its host and process, and holds a
lock (flock) on it as long as it lives. Of this host the locks say who is dead. Of another host they need not
(NFS, Lustre): a workflow there counts as alive until it removes its record, or `snakemake --unlock` is run.
Only where nobody else is alive, what the dead left in .snakemake/locks/ is removed.
Standard library only: read by the Snakefile.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import platform
import shutil
import sys
import time
from pathlib import Path
from typing import IO

PROCESSES, LOCKS = "redrop.processes", "locks"
GUARD = ".guard"
"""Locked by whoever looks for the dead: one process of a host at a time."""


def hold(folder: Path, main: bool) -> IO[str] | None:
    """Say that this process works in ``folder`` (.snakemake), and remove the locks of dead ones.

    Keep what is returned: the lock goes with it. ``main``: this is not a job's own Snakemake; only then are
    locks removed. None where files cannot be locked.
    """
    records = folder / PROCESSES
    records.mkdir(parents=True, exist_ok=True)
    with (records / GUARD).open("a", encoding="utf-8") as guard:
        mine = _new(records, main)
        try:
            fcntl.flock(guard, fcntl.LOCK_EX)
            fcntl.flock(mine, fcntl.LOCK_EX)
            if main:  # having left its record: of two that start at once on two hosts, one sees the other
                _remove_dead(folder, Path(mine.name))
        except OSError:
            mine.close()
            Path(mine.name).unlink(missing_ok=True)
            return None
    return mine


def _new(records: Path, main: bool) -> IO[str]:
    """A record that no other process has; it goes when this process ends by itself."""
    kind = "main" if main else "job"
    path = records / f"{kind}@{platform.node()}:{os.getpid()}.{time.time_ns()}"
    atexit.register(path.unlink, missing_ok=True)
    return path.open("x", encoding="utf-8")


def _remove_dead(folder: Path, mine: Path) -> None:
    others = [path for path in mine.parent.iterdir() if path.name not in (GUARD, mine.name)]
    dead = [path for path in others if _is_dead(path)]
    if dead and len(dead) == len(others):
        shutil.rmtree(folder / LOCKS, ignore_errors=True)
    for path in dead:
        path.unlink(missing_ok=True)


def _is_dead(path: Path) -> bool:
    """Whether a record is nobody's: not locked on this host; or a job's (which locks nothing) on another."""
    kind, _, process = path.name.partition("@")
    if not process.startswith(f"{platform.node()}:"):
        return kind == "job" or "--unlock" in sys.argv
    try:
        with path.open(encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except FileNotFoundError:  # it ended meanwhile, by itself
        return True
    return True
