"""Files at the edges: nothing half-written ever stands under its final name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from redrop.atomic import replacing as atomic_path

__all__ = ["CHUNK_BYTES", "atomic_path", "sha256_file", "write_json"]

CHUNK_BYTES = 1 << 20


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
