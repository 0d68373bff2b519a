"""source.json: which raw files a data set was made from, and where each came from.

Written last by `fetch`, so its presence says that the raw files are complete; read again by
`prepare`, which refuses raw files that changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redrop.atomic import replacing
from redrop.data.files import sha256_file, write_json
from redrop.errors import DataError

SOURCE_FILE = "source.json"
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RecursionError)
"""What a record that is missing or damaged raises."""


@dataclass(frozen=True)
class FetchedFile:
    """A raw file that is in place and has been checked."""

    path: Path
    sha256: str
    """Of its bytes, in hex."""
    origin: str
    """`mirror`, `download`, `interpreter`, `generated`, or `found`: it was in the folder already, with the
    pinned sum, and no record says how it came there."""
    bytes: int
    address: str
    """The URL, the path inside the mirror, or what of the interpreter it was made from."""


@dataclass(frozen=True)
class SourceRecord:
    """Where one data set's raw files came from: the content of source.json."""

    name: str
    edition: str
    """Which of several texts of that name it is, such as `public` or a Python version."""
    files: tuple[FetchedFile, ...]

    @property
    def origin(self) -> str:
        """The files' origin; where they differ, all of them, joined by `+`."""
        return "+".join(sorted({file.origin for file in self.files}))

    @property
    def sha256(self) -> dict[str, str]:
        """File name -> sha256."""
        return {file.path.name: file.sha256 for file in self.files}


def write_source(folder: Path, record: SourceRecord) -> SourceRecord:
    """Write source.json into `folder` and return the record."""
    files = [_entry(file) for file in record.files]
    write_json(folder / SOURCE_FILE, vars(record) | {"files": files})
    for file in record.files:
        _note(file.path).unlink(missing_ok=True)
    return record


def note_file(file: FetchedFile) -> FetchedFile:
    """Write beside a file that is about to stand there where it came from; returns it.

    A fetch that is killed before source.json is written would not know it any more.
    """
    write_json(_note(file.path), _entry(file))
    return file


def _note(path: Path) -> Path:
    return path.with_name(f".{path.name}.fetched.json")


def _entry(file: FetchedFile) -> dict[str, str | int]:
    return {"file": file.path.name} | {key: value for key, value in vars(file).items() if key != "path"}


def _file(entry: Mapping[str, object], folder: Path) -> FetchedFile:
    sha256, origin, address = (str(entry[key]) for key in ("sha256", "origin", "address"))
    place = folder / Path(str(entry["file"])).name
    return FetchedFile(place, sha256, origin, int(str(entry["bytes"])), address)


def write_made(
    folder: Path, name: str, edition: str, files: Mapping[str, bytes], origin: str, by: str
) -> SourceRecord:
    """Write files that were made here `by` a program, and source.json; `origin`: generated or interpreter."""
    made = []
    for file_name, raw in files.items():
        path = folder / file_name
        with replacing(path) as temporary:
            temporary.write_bytes(raw)
        made.append(FetchedFile(path, hashlib.sha256(raw).hexdigest(), origin, len(raw), by))
    return write_source(folder, SourceRecord(name, edition, tuple(made)))


def read_source(folder: Path, name: str, files: Sequence[str]) -> SourceRecord:
    """The record in `folder`, after checking that all of `files` are there and unchanged; raises DataError.

    Paths are made from `files`, which the data set's module names, never from the record's text.
    """
    again = f"Run `redrop fetch {name}` again."
    record, place = _read(folder), folder / SOURCE_FILE
    if record is None:
        raise DataError(f"{place} is missing or damaged. {again}")
    if record.name != name:
        said = f"{place} belongs to data set {record.name!r}, not {name!r}"
        raise DataError(f"{said}: give the raw folder of {name}, or make it with `redrop fetch {name}`.")
    listed = {file.path.name: file for file in record.files}
    for wanted in files:
        path = folder / wanted
        if wanted not in listed:
            raise DataError(f"{place} does not list {wanted}. {again}")
        if not path.is_file():
            raise DataError(f"{path} is missing. {again}")
        actual = sha256_file(path)
        if actual != listed[wanted].sha256:
            sums = f"sha256 {listed[wanted].sha256} recorded, {actual} found"
            raise DataError(f"{path} changed since it was fetched: {sums}. {again}")
    return SourceRecord(record.name, record.edition, tuple(listed[wanted] for wanted in files))


def recorded_file(folder: Path, file_name: str) -> FetchedFile | None:
    """What an earlier fetch recorded of `file_name`; None without a readable record of it."""
    record = _read(folder)
    return next((file for file in record.files if file.path.name == file_name), None) if record else None


def noted_file(folder: Path, file_name: str) -> FetchedFile | None:
    """What a fetch that was killed noted of `file_name`; None without a readable note of it."""
    with suppress(*UNREADABLE):
        return _file(json.loads(_note(folder / file_name).read_text(encoding="utf-8")), folder)
    return None


def complete_record(folder: Path, name: str, files: Sequence[str]) -> SourceRecord | None:
    """The complete, verified record of an earlier fetch, or None when there is none."""
    with suppress(DataError):
        return read_source(folder, name, files)
    return None


def _read(folder: Path) -> SourceRecord | None:
    with suppress(*UNREADABLE):
        content = json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8"))
        files = tuple(_file(entry, folder) for entry in content["files"])
        return SourceRecord(str(content["name"]), str(content["edition"]), files)
    return None
