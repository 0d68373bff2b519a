"""Errors that a person can act on: each names the thing, the bad value and the next step."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RedropError(Exception):
    """Base of every error that redrop raises on purpose; the command line prints it without a traceback."""


class ConfigError(RedropError):
    """A configuration is refused: unknown key, value out of range, unknown name."""


class DataError(RedropError):
    """A data file is missing, cannot be reached, or is not what it should be."""


class RecordError(RedropError):
    """A file that a run left (spec, metrics, curve, checkpoint) is missing, damaged or of another run."""


class StorageError(RedropError):
    """A file or folder cannot be read or written: no room, no permission, something else in its place."""


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENOTEMPTY)
REMEDIES = {
    FULL: "make room there (`df -h`, `ulimit -f`) and run the same command again; nothing is lost",
    DENIED: "allow it (`ls -ld`), or choose another folder, and run the same command again",
    IN_THE_WAY: "something else stands where a file or folder is needed: move it away, or choose another",
    (errno.ENOENT,): "give one that is there",
    (errno.ENAMETOOLONG,): "give a shorter name",
}


def storage_error(error: OSError, path: Path | str | None = None) -> StorageError:
    """What the system refused, with the file and what to do; ``path``: the file where it is known better."""
    place = path or error.filename or "a file"
    last = "see that the disk works and run the same command again"
    remedy = next((remedy for kinds, remedy in REMEDIES.items() if error.errno in kinds), last)
    return StorageError(f"{place}: {error.strerror or error}; {remedy}")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What the system refuses in the block becomes a ``StorageError``, of ``path`` where it names no file.

    A write that fails does not, and the name of a temporary file says nothing to anybody.
    """
    try:
        yield
    except OSError as error:
        known = error.filename is not None and not str(error.filename).endswith(".part")
        raise storage_error(error, None if known else path) from error
