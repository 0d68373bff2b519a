"""A folder's files as one tar.gz in pieces, none of them above a limit, and back."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

NAME = "trained.tar.gz"
PIECE = 15 * 2**20
"""Bytes a piece: below 16 MB, also where that is 16,000,000."""
MARGIN = 64 * 1024
"""For tar's own blocks, and for what gzip holds back."""


class _Pieces(io.RawIOBase):
    """A file that is written in pieces ``trained.tar.gz.00``, ``.01``, ..."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size, self.written = folder, size, 0

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:
        """Append, over as many pieces as it takes."""
        rest = memoryview(content)
        while rest:
            number, used = divmod(self.written, self.size)
            part = rest[: self.size - used]
            with (self.folder / f"{NAME}.{number:02d}").open("ab") as file:
                file.write(part)
            self.written += len(part)
            rest = rest[len(part) :]
        return len(content)


def pack(root: Path, files: Iterable[Path], folder: Path, *, piece: int, limit: int) -> list[Path]:
    """Write ``files`` of ``root`` to pieces in ``folder``, in their order; those that had no room.

    ``limit``: bytes of all pieces together. Pieces of an earlier time are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{NAME}.*"):
        old.unlink()
    left_out = []
    sink = _Pieces(folder, piece)
    zipped = gzip.GzipFile(fileobj=sink, mode="wb", compresslevel=1)  # random digits hardly get smaller
    with zipped, tarfile.open(fileobj=zipped, mode="w|") as archive:
        for path in files:
            if sink.written + path.stat().st_size * 1.001 + MARGIN > limit:
                left_out.append(path)
            else:
                archive.add(path, path.relative_to(root).as_posix(), recursive=False)
    return left_out


def unpack(folder: Path, root: Path) -> int:
    """Put the files of the pieces in ``folder`` below ``root``; how many. Raises ``FileNotFoundError``."""
    found = sorted(folder.glob(f"{NAME}.*"))
    if not found or [path.suffix for path in found] != [f".{number:02d}" for number in range(len(found))]:
        raise FileNotFoundError(f"{folder}: not all pieces of {NAME} are there; copy every one of them here")
    with tempfile.TemporaryFile() as whole:
        for path in found:
            with path.open("rb") as part:
                shutil.copyfileobj(part, whole)
        whole.seek(0)
        with tarfile.open(fileobj=whole, mode="r:gz") as archive:
            names = archive.getnames()
            archive.extractall(root, filter="data")
    return len(names)
