"""Reading the released files of documents with summaries: parquet, JSON lines or csv."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from redrop.data.files import decoded, is_text, utf8_lines
from redrop.errors import DataError

if TYPE_CHECKING:
    from redrop.data.summarization import SummarySet

_HALF = re.compile("[\ud800-\udfff]")
"""What cannot be written: JSON can name a half of a surrogate pair."""
Row = tuple[str, str, list[str]]
"""Identifier, document and reference summaries."""
Refuse = Callable[[str], DataError]
"""Makes the error of a message that names file, place and value."""


def read_rows(path: Path, summary_set: SummarySet, split: str, what: str | None = None) -> Iterator[Row]:
    """The rows of a raw file, as they are: parquet, JSON lines or csv by its name, or `what` errors call it.

    A csv file has a header, and quotes around fields with line breaks. Raises DataError.
    """
    what = str(path) if what is None else what
    keys = (*summary_set.keys, *(summary_set.references.get(split) or summary_set.references[""]))
    read = _READERS[Path(what).suffix]  # a file is checked under a temporary name; `what` has the ending
    try:
        for identifier, document, *summaries in read(path, what, keys, summary_set.refusal):
            yield identifier, document, summaries
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. Run `redrop fetch {summary_set.name}` again.") from error


def _json_rows(path: Path, what: str, keys: Sequence[str], refuse: Refuse) -> Iterator[list[str]]:
    for number, line in enumerate(utf8_lines(path.read_bytes(), what, refuse), 1):
        where = f"{what}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise refuse(f"{where}: {_short(line)} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise refuse(f"{where}: {_short(line)} is not an object with keys")
        for key in keys:
            if key not in row:
                raise refuse(f"{where}: no key {key!r}, only {', '.join(row)}")
            if not isinstance(row[key], str):
                raise refuse(f"{where}: the {key} is {_short(row[key])}, not text")
            if _HALF.search(row[key]):
                raise refuse(f"{where}: the {key} has half a character, {_short(row[key])}")
        yield [row[key] for key in keys]


def _csv_rows(path: Path, what: str, keys: Sequence[str], refuse: Refuse) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(decoded(path.read_bytes(), what, refuse), newline=""), strict=True)
    line = 1
    try:
        header = next(reader, [])
        for key in keys:
            if key not in header:
                names = ", ".join(header) or "nothing"
                raise refuse(f"{what}, line 1: no column {key!r}, only {names}")
        places = [header.index(key) for key in keys]
        line = reader.line_num + 1
        for fields in reader:
            if len(fields) != len(header):
                names = ", ".join(header)
                raise refuse(f"{what}, line {line}: {len(fields)} fields, expected {len(header)} ({names})")
            yield [fields[place] for place in places]
            line = reader.line_num + 1
    except csv.Error as error:
        raise refuse(f"{what}, row from line {line} on: not csv ({error})") from error


def _parquet_rows(path: Path, what: str, keys: Sequence[str], refuse: Refuse) -> Iterator[list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for key in keys:
                if key not in names:
                    raise refuse(f"{what}: no column {key!r}, only {', '.join(names)}")
            for batch in file.iter_batches(batch_size=1000, columns=list(keys)):
                for key in keys:
                    column = batch.column(key)
                    if column.null_count or not is_text(column.type):
                        said = f"{column.type} with {column.null_count} missing values, not text"
                        raise refuse(f"{what}, from row {first} on: the column {key!r} is {said}")
                columns = [batch.column(key).to_pylist() for key in keys]
                yield from map(list, zip(*columns, strict=True))
                first += len(batch)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise refuse(f"{what}, from row {first} on: cannot be read as parquet ({error})") from error


_READERS = {".parquet": _parquet_rows, ".jsonl": _json_rows, ".csv": _csv_rows}


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
