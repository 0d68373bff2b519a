"""Files at the edges: nothing half-written ever stands under its final name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from redrop.atomic import replacing

CHUNK_BYTES = 1 << 20


def write_json(path: Path, value: object) -> None:
    """Write `value` atomically as JSON whose bytes depend on nothing but `value` (pure ASCII)."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True)
        temporary.write_bytes(text.encode("ascii") + b"\n")


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
