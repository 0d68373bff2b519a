"""Which runs are being trained: whose lock in the pool is held, found out without touching it.

Trying a lock, even for a shared one and even for a moment, would make a job that claims the run in that
moment believe that somebody trains it. So the kernel's own list is read, /proc/locks, and no file is opened.
It shows the locks of this machine, as far as this process may see the processes that hold them: those of
another machine (a cluster's node), or of another container, are not in it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

LIST = Path("/proc/locks")
HELD = re.compile(r"\d+: FLOCK +\w+ +\w+ (\d+) ([0-9a-f]+):([0-9a-f]+):(\d+) ")
"""``1: FLOCK  ADVISORY  WRITE 13763 fe:00:2181700 0 EOF``; behind ``1: ->`` are those that wait."""


def held_locks(folder: Path, listing: Path = LIST) -> dict[str, int] | None:
    """Run -> process that holds the run's lock in a pool folder; None where the kernel has no such list."""
    try:
        lines = listing.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    held = {}
    for pid, major, minor, inode in (found.groups() for found in map(HELD.match, lines) if found):
        held[_place(int(major, 16), int(minor, 16), int(inode))] = int(pid)
    runs = {}
    for path in folder.glob("*.lock"):
        try:
            status = path.stat()
        except FileNotFoundError:  # collected meanwhile
            continue
        pid = held.get(_place(os.major(status.st_dev), os.minor(status.st_dev), status.st_ino))
        if pid is not None:
            runs[path.stem] = pid
    return runs


def _place(major: int, minor: int, inode: int) -> tuple[int, int, int]:
    """A device without a number of its own (major 0: btrfs, overlays) may have another minor in the list."""
    return major, minor if major else 0, inode
