"""Files at the edges: nothing half-written ever stands under its final name."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK_BYTES = 1 << 20


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`, moved over it when the block ends without an exception.

    The temporary file stands in the same folder, so that the move is one rename; it is removed
    when the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write `value` atomically as JSON whose bytes depend on nothing but `value` (pure ASCII)."""
    with atomic_path(path) as temporary:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True)
        temporary.write_bytes(text.encode("ascii") + b"\n")


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
