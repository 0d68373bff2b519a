"""Which runs are being trained: whose lock in the pool is held, found out without touching it.

Trying a lock, even for a shared one and even for a moment, would make a job that claims the run in that
moment believe that somebody trains it. So the kernel's own list is read, /proc/locks, and no file is opened.
It shows the locks of this machine, as far as this process may see the processes that hold them: those of
another machine (a cluster's node), or of another container, are not in it.
"""

from __future__ import annotations

import os
from pathlib import Path

LIST = Path("/proc/locks")
SUFFIX = ".lock"

Place = tuple[int, int, int]
"""Major and minor number of a device, and an inode on it."""


def held_locks(folder: Path, listing: Path = LIST) -> dict[str, int] | None:
    """Run -> process that holds the run's lock in a pool folder; None where the kernel has no such list."""
    try:
        lines = listing.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    holders = dict(filter(None, map(_parse, lines)))
    found = {}
    for entry in _lock_files(folder):
        try:
            status = entry.stat()
        except FileNotFoundError:  # collected meanwhile
            continue
        pid = holders.get(_place(os.major(status.st_dev), os.minor(status.st_dev), status.st_ino))
        if pid is not None:
            found[entry.name.removesuffix(SUFFIX)] = pid
    return found


def _lock_files(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []


def _place(major: int, minor: int, inode: int) -> Place:
    """A device without a number of its own (major 0: btrfs, overlays) may have another minor in the list."""
    return major, minor if major else 0, inode


def _parse(line: str) -> tuple[Place, int] | None:
    """``1: FLOCK  ADVISORY  WRITE 13763 fe:00:2181700 0 EOF``; None for another kind, or one that waits."""
    words = line.split()
    if len(words) < 6 or words[1] != "FLOCK":
        return None
    major, minor, inode = words[5].split(":")
    return _place(int(major, 16), int(minor, 16), int(inode)), int(words[4])
