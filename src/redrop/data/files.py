"""Files at the edges: nothing half-written stands under its final name, and what cannot be read is named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from redrop.atomic import replacing
from redrop.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_BYTES = 1 << 20
Writer = Callable[[Path], object]
"""Writes a file to the path that it is given."""


def write_json(path: Path, value: object) -> None:
    """Write `value` atomically as JSON whose bytes depend on nothing but `value` (pure ASCII)."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=True)
        temporary.write_bytes(text.encode("ascii") + b"\n")


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def text_writer(text: str) -> Writer:
    """Writes text as UTF-8 with its newlines as they are."""
    return lambda path: path.write_bytes(text.encode("utf-8"))


@contextmanager
def reading(path: Path, again: str, *damage: type[Exception], fault: str = "is damaged") -> Iterator[None]:
    """What a file that is missing, or has a `fault`, raises in the block becomes a DataError.

    `damage`: the exceptions that tell of the fault, besides the system's; `again` ends the message.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. {again}") from error
    except (OSError, *damage) as error:
        raise DataError(f"{path} {fault} ({error}). {again}") from error


def read_parquet(path: Path, columns: Sequence[str], again: str) -> pa.Table:
    """Those columns of a parquet file; raises DataError, ended by `again`, when it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(path, again, pa.ArrowException, fault="cannot be read as parquet"):
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [name for name in columns if name not in names]
            if missing:
                raise DataError(f"{path} has no column {missing[0]!r}, only {', '.join(names)}. {again}")
            table = file.read(columns=list(columns))
        table.validate(full=True)
    return table


def read_utf8(path: Path, again: str) -> str:
    """The text of a prepared file; raises DataError when it is missing or damaged."""
    with reading(path, again, UnicodeDecodeError):
        return path.read_bytes().decode("utf-8")


def utf8_lines(raw: bytes, what: str, refuse: Callable[[str], Exception]) -> list[str]:
    """The lines of UTF-8 text without byte-order mark; only a newline ends one. `refuse` makes the error."""
    lines = decoded(raw, what, refuse).split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def decoded(raw: bytes, what: str, refuse: Callable[[str], Exception]) -> str:
    """UTF-8 text, likewise, as one. A NUL, which no text has, is refused as well."""
    try:
        text = raw.decode("utf-8-sig")
        if (place := raw.find(0)) >= 0:
            raise UnicodeDecodeError("utf-8", raw, place, place + 1, "a NUL, as in a damaged or UTF-16 file")
        return text
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        raise refuse(f"{what}, line {line}: byte 0x{byte:02x} is not UTF-8 ({error.reason})") from error


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of parquet holds text."""
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
