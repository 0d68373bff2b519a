"""What every data set has in common: fetch and check raw files, write, read and describe prepared ones.

A data set is a record of its addresses and rules: one file in `redrop.data.sets`. The families (character
corpora, GLUE tasks, parallel texts, documents with summaries) are subclasses of `DataSet` that say how rows
are read and encoded. A prepared folder has meta.json, written last: its presence says that all is there.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from redrop.atomic import replacing
from redrop.data import source_record
from redrop.data.files import Writer, reading, write_json
from redrop.data.source_record import FetchedFile, SourceRecord
from redrop.data.sources import RemoteFile, fetch_file, has_all
from redrop.errors import DataError

META_FILE = "meta.json"
IDENTITY = ("name", "origin", "edition", "sha256")


@dataclass(frozen=True, eq=False, kw_only=True)
class Prepared:
    """A prepared data set; every family adds its content: `splits`, or what is as good."""

    name: str
    origin: str
    """Where the raw files came from: `mirror`, `download`, `interpreter`, `generated`, ..."""
    edition: str
    """Which of several releases, or which version of the generator."""
    sha256: str
    """Fingerprint of everything that is read."""

    @property
    def sizes(self) -> dict[str, Any]:
        """How much there is, for metrics.json."""
        return {"examples": {name: len(split) for name, split in self.splits.items()}}

    @property
    def content(self) -> dict[str, Any]:
        """What metrics.json says of it: the same wherever it came from."""
        return {"name": self.name, "sha256": self.sha256, "edition": self.edition, **self.sizes}

    @property
    def source(self) -> dict[str, Any]:
        """What provenance.json says of it: where it came from."""
        return {"name": self.name, "origin": self.origin, "edition": self.edition}


@dataclass(frozen=True)
class PairLengths:
    """Mean lengths of a parallel text, or of documents and summaries, for `redrop plan`."""

    source: float
    """Tokens of an input, uncut."""
    target: float
    """Tokens of an output."""
    valid: int
    """Pairs of the validation set."""
    tests: int
    """Pairs of all test sets together."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A data set: what it is and where its files are. Standard library only, until it is prepared."""

    family: ClassVar[str]
    """`corpus`, `glue`, `translation` or `summarization`."""
    noun: ClassVar[str]
    """What a prepared one is called in errors."""
    format: ClassVar[object]
    """Of meta.json; changes when older prepared folders can no longer be read."""
    meta_types: ClassVar[Mapping[str, type]] = dict.fromkeys(IDENTITY, str)
    """Type of each entry of meta.json that is relied on."""

    name: str
    """Also that of its file in `redrop.data.sets`."""
    about: str
    license: str
    editions: Mapping[str, tuple[RemoteFile, ...]] = field(default_factory=dict, hash=False)
    """Edition -> its files. The first that a mirror has in full is taken, else the last is downloaded.

    A generated data set has one edition without files, which changes with anything that changes a row.
    """
    generate: Callable[[], Mapping[str, bytes]] | None = field(default=None, repr=False)
    """Makes the raw files of a generated data set, `<split>.<ending>`; always the same bytes."""

    @property
    def generated(self) -> bool:
        """Whether it is a toy: generated, never to be shown as real data."""
        return self.generate is not None

    @property
    def downloads(self) -> tuple[RemoteFile, ...]:
        """What is asked for at its address where no mirror has it; nothing for what is made here."""
        return next((files for files in reversed(self.editions.values()) if files), ())

    def in_mirror(self, mirror: Path | None) -> bool:
        """Whether the mirror has every file of one of the editions."""
        return any(files and has_all(files, mirror) for files in self.editions.values())

    @property
    def prepare_again(self) -> str:
        """What to type when a prepared folder is not what it should be."""
        return f"Run `redrop prepare {self.name}` again."

    @property
    def remedy(self) -> str:
        """What to do about a raw file that is not what it should be."""
        return f"Put the official file in its place and run `redrop fetch {self.name}` again."

    def refusal(self, message: str) -> DataError:
        """The error for a raw file that is not what it should be."""
        return DataError(f"{message}. {self.remedy}")

    def fetch(self, folder: Path, mirror: Path | None) -> SourceRecord:
        """Leave the raw files and, last, source.json in `folder`, unless they are there; raises DataError."""
        if self.generate is not None:
            (edition,) = self.editions
            files, by = self.generate(), f"{self.name}, {edition}"
            return source_record.write_made(folder, self.name, edition, files, "generated", by)
        for edition, files in self.editions.items():
            kept = source_record.complete_record(folder, self.name, [file.name for file in files])
            if kept is not None and kept.edition.startswith(edition) and not self._strangers(kept):
                return kept
        whole = [edition for edition, files in self.editions.items() if has_all(files, mirror)]
        edition = (whole or list(self.editions)[-1:])[0]
        fetched = []
        try:
            for file in self.editions[edition]:
                check = functools.partial(self._check, file, mirror) if file.sha256 is None else None
                fetched.append(fetch_file(file, folder, mirror, check))
        except DataError as error:
            raise DataError(" ".join(filter(None, (str(error), self._advice(edition, mirror))))) from error
        record = SourceRecord(self.name, self._edition(edition, fetched), tuple(fetched))
        return source_record.write_source(folder, record)

    def read_raw(self, raw_folder: Path, names: Collection[str]) -> SourceRecord:
        """The record of these raw files; raises DataError where one changed, or is not a pinned one."""
        source = source_record.read_source(raw_folder, self.name, list(names))
        if strangers := self._strangers(source):
            path = raw_folder / strangers[0]
            raise self.refusal(f"{path} has none of the checksums that are pinned for {self.name}")
        return source

    def _strangers(self, source: SourceRecord) -> list[str]:
        """Names of files with another sum than the pinned ones."""
        pinned = {file.name: file for files in self.editions.values() for file in files}
        named = ((got.path.name, got) for got in source.files)
        return [name for name, got in named if name in pinned and not pinned[name].may_be(got)]

    def prepare(self, raw_folder: Path, folder: Path) -> Prepared:
        """Encode the raw files into `folder`; returns the data, read back and verified. Raises DataError."""
        names = self._raw_names(raw_folder)
        source = self.read_raw(raw_folder, names)
        paths: dict[str, list[Path]] = {}
        for name, split in names.items():
            paths.setdefault(split, []).append(raw_folder / name)
        files, facts = self._encode(paths)
        origin = {"name": self.name, "origin": source.origin, "edition": source.edition}
        write_prepared(folder, files, {"format": self.format, **origin, "raw_sha256": source.sha256, **facts})
        return self.load(folder)

    def load(self, folder: Path) -> Prepared:
        """The data prepared in `folder`, verified against its meta.json; raises DataError for any fault."""
        meta = self.read_meta(folder)
        if meta["name"] != self.name:
            found = f"holds {meta['name']!r}, not {self.name!r}"
            raise DataError(f"{folder}: {found}; delete it and prepare again (`redrop prepare {self.name}`)")
        return self._decode(folder, meta)

    @classmethod
    def read_meta(cls, folder: Path) -> dict[str, Any]:
        """The description in `folder`, of this family's format; raises DataError, with the folder's name."""
        path, again = folder / META_FILE, f"Run `redrop prepare {folder.name}`."
        if not path.exists():
            raise DataError(f"{path} is missing: no prepared {cls.noun} is there. {again}")
        with reading(path, again, ValueError, RecursionError):
            meta = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(meta, dict) or meta.get("format") != cls.format:
            raise DataError(f"{path} is not a {cls.noun} description of format {cls.format!r}. {again}")
        wrong = [key for key, kind in cls.meta_types.items() if not isinstance(meta.get(key), kind)]
        if wrong:
            raise DataError(f"{path}: {', '.join(wrong)} missing or of the wrong kind. {again}")
        return meta

    @staticmethod
    def identity(meta: Mapping[str, Any]) -> dict[str, str]:
        """The fields of `Prepared`, of a meta.json."""
        return {key: meta[key] for key in IDENTITY}

    def verify(self, folder: Path, meta: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Raises DataError when meta.json says other than what was `found` in the folder."""
        for key, actual in found.items():
            if meta.get(key) != actual:
                said = f"its {key} is {meta.get(key)!r}, theirs {actual!r}"
                why = f"they were changed, or prepared by another version. {self.prepare_again}"
                raise DataError(f"{folder}: the files do not match {META_FILE}: {said}: {why}")

    def wrong_count(self, where: object, what: str, expected: object, found: object) -> DataError:
        """The error for raw files that are not the official data."""
        return DataError(
            f"{where}: {self.name} has a wrong number of {what}: expected {expected}, found {found}. It is "
            f"not the official data: delete {where}, correct the mirror (or unset REDROP_MIRROR to download) "
            f"and run `redrop fetch {self.name}` again."
        )

    def _raw_names(self, raw_folder: Path) -> dict[str, str]:
        """Names of the raw files -> their splits: those of the edition that is in the folder."""
        if self.generate is not None:
            return {name: Path(name).stem for name in self.generate()}
        editions = list(self.editions.values())
        there = (files for files in editions if source_record.recorded_file(raw_folder, files[0].name))
        return {file.name: file.split for file in next(there, editions[-1])}

    # What a family says of its own.

    def _encode(self, paths: Mapping[str, Sequence[Path]]) -> tuple[dict[str, Writer], dict[str, Any]]:
        """The prepared files, by name, and what meta.json says of them; `paths`: of raw files, by split."""
        raise NotImplementedError

    def _decode(self, folder: Path, meta: Mapping[str, Any]) -> Prepared:
        """The content of a prepared folder, verified."""
        raise NotImplementedError

    def _check(self, file: RemoteFile, mirror: Path | None, path: Path) -> None:
        """Raises DataError when what stands at `path`, got for a `file` without a sum, is malformed."""
        raise NotImplementedError

    def _edition(self, edition: str, fetched: Sequence[FetchedFile]) -> str:
        """The edition as it is recorded."""
        return edition

    def _advice(self, edition: str, mirror: Path | None) -> str:
        """What else could be done where an edition cannot be had."""
        return ""


def fingerprint(splits: Mapping[str, Any], *others: object) -> str:
    """sha256, in hex, of a line of JSON `["train",N]` for each split, one for each row, one for each other.

    So it does not depend on the version of the parquet writer. A split's `columns()` are its rows by column
    of the prepared file, as plain values.
    """
    digest = hashlib.sha256()
    for name, split in splits.items():
        digest.update(_line([name, len(split)]))
        for row in zip(*split.columns().values(), strict=True):
            digest.update(_line(row))
    for other in others:
        digest.update(_line(other))
    return digest.hexdigest()


def facts_of(splits: Mapping[str, Any], *others: object) -> dict[str, Any]:
    """What meta.json says of the content of every family's files: rows of each split, and the fingerprint."""
    rows = {name: len(split) for name, split in splits.items()}
    return {"rows": rows, "sha256": fingerprint(splits, *others)}


def _line(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def write_prepared(folder: Path, files: Mapping[str, Writer], meta: Mapping[str, Any]) -> None:
    """Write the prepared files and, last, meta.json."""
    folder.mkdir(parents=True, exist_ok=True)
    # An older meta.json must not vouch for new rows if this is interrupted.
    (folder / META_FILE).unlink(missing_ok=True)
    for name, write in files.items():
        with replacing(folder / name) as temporary:
            write(temporary)
    write_json(folder / META_FILE, meta)


def parquet_files(splits: Mapping[str, Any], types: Mapping[str, Any], **options: Any) -> dict[str, Writer]:
    """A parquet file a split; `types`: of columns that are not text, or names of pyarrow for them."""

    def write(split: Any, path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = split.columns()
        schema = pa.schema([(name, types.get(name, pa.string())) for name in columns])
        pq.write_table(pa.table(columns, schema=schema), path, **options)

    return {f"{name}.parquet": functools.partial(write, split) for name, split in splits.items()}


def in_words(splits: Mapping[str, Any], noun: str) -> str:
    """Sizes of splits, such as `8,551 train examples, 1,043 dev examples`."""
    return ", ".join(f"{len(split):,} {name} {noun}" for name, split in splits.items())
