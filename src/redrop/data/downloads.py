"""What getting a data set would transfer, from the addresses that are pinned beside its sums."""

from __future__ import annotations

from pathlib import Path

from redrop.data.discovery import get
from redrop.data.sources import RemoteFile, has_all


def editions(name: str) -> list[tuple[RemoteFile, ...]]:
    """The files of each edition of data set `name`, in the order in which `fetch` looks for them in a mirror.

    The last one is what is downloaded. Empty for what is generated, or read from the Python that runs.
    """
    return [files for files in get(name).editions.values() if files]


def downloaded(name: str) -> tuple[RemoteFile, ...]:
    """The files that are asked for at their addresses where no mirror has them."""
    found = editions(name)
    return found[-1] if found else ()


def in_mirror(name: str, mirror: Path | None) -> bool:
    """Whether the mirror has every file of one of the editions."""
    return any(has_all(files, mirror) for files in editions(name))


def size_of(file: RemoteFile) -> int | None:
    """Bytes of a download, or None: a size without a pinned sum is only the most that is let through."""
    return file.size if file.sha256 is not None else None
