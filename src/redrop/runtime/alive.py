"""Whether another Snakemake works in a folder: its own lock does not say, since it outlives a killed process.

Every Snakemake holds a shared lock (flock) on a file in .snakemake/ as long as it lives, and whoever finds
that nobody else does may remove what dead ones left in .snakemake/locks/, as ``snakemake --unlock`` would.
Standard library only: read by the Snakefile.
"""

from __future__ import annotations

import fcntl
import platform
import shutil
from pathlib import Path
from typing import IO

FILE, LOCKS = "redrop.alive", "locks"


def hold(folder: Path, main: bool) -> IO[str] | None:
    """Say that this process works in ``folder`` (.snakemake), and remove the locks of dead ones.

    Keep what is returned: the lock goes with it. ``main``: this is not a job's own Snakemake; only then are
    locks removed, and only those of this host, because a lock may not reach others. None where files
    cannot be locked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / FILE).open("a+", encoding="utf-8")
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_SH)
            return file
        file.seek(0)
        here = platform.node()
        if main and file.read() == here:
            shutil.rmtree(folder / LOCKS, ignore_errors=True)
        if main:
            file.truncate(0)
            file.write(here)
            file.flush()
        fcntl.flock(file, fcntl.LOCK_SH)
    except OSError:
        file.close()
        return None
    return file
