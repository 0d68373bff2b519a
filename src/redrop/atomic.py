"""Files are written whole or not at all. Standard library only."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redrop.errors import naming


def part_of(path: Path) -> Path:
    """Where ``path`` is written before it takes its name: always the same, so that nothing piles up."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; it takes the final name only if the block succeeds.

    What a killed process left under the temporary name is written over. Of two processes that write one
    file at the same time, the second waits. A link stays, and the file that it leads to is replaced. What is
    no file, such as a device or a pipe, cannot be replaced: it is written to when the block has succeeded.
    Raises ``StorageError`` naming ``path`` where the system refuses: then what stood there still does.
    """
    if is_stream(path):
        with naming(path), tempfile.TemporaryDirectory() as folder:
            whole = Path(folder) / path.name
            yield whole
            with whole.open("rb") as file, path.open("wb") as stream:
                shutil.copyfileobj(file, stream)
        return
    path = Path(os.path.realpath(path))
    part = part_of(path)
    with naming(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = _locked(part)
        try:
            os.ftruncate(handle, 0)
            yield part
            with part.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(handle)


def is_stream(path: Path) -> bool:
    """Whether ``path`` is a device, a pipe or a socket, or an open file of a process, as /dev/stdout is."""
    if str(path).startswith(("/dev/", "/proc/")):
        return not path.is_dir()
    return path.exists() and not (path.is_file() or path.is_dir())


def check_writable(folder: Path) -> None:
    """Raise ``StorageError`` now where a run could not leave its record in the end."""
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")


def _locked(part: Path) -> int:
    """An open file under that name which no other process has; where files cannot be locked, any."""
    while True:
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX)
            if part.exists() and os.path.samestat(os.fstat(handle), part.stat()):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)  # the other process gave the file its final name meanwhile
