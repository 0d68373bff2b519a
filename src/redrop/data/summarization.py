"""Documents with summaries: CNN/DailyMail, DialogSum and a generated set, and a tokenizer for each.

CNN/DailyMail is version 3.0.0 of the hub's abisee/cnn_dailymail at a pinned revision. `cnn_dailymail_sample`
is 1,000 of its validation articles, parted into train, valid and test by us: a data set of its own, which
never stands in for the whole. DialogSum is the authors' repository at a pinned commit; a mirror may hold
other editions of its files, and then the edition names them.

Cleaning. White space at the ends of documents and summaries is removed; inside nothing is changed (CNN/
DailyMail has a highlight a line). A document that is empty then is dropped with its summaries; an empty
summary is dropped, and its document where none is left. `counts` says how many of each. Anything else is
refused: a key or column that is missing or not text, a row with too few fields, broken JSON, bytes that
are not UTF-8, and a number of rows that is not the official one.

A prepared folder holds a parquet file a split (`id`, `document`, `summaries`), tokenizer.json, which was
learned on the train split, and, written last, meta.json.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redrop.data.files import atomic_path, sha256_file, write_json
from redrop.data.prepared import META_FILE, prepare_again, read_meta
from redrop.data.provenance import SourceRecord, complete_record, read_source, recorded_file, write_source
from redrop.data.sources import Check, RemoteFile, fetch_file
from redrop.data.summarization_sets import SETS, SPLITS, Files, SummarySet
from redrop.errors import ConfigError, DataError

TOKENIZER_FILE = "tokenizer.json"
FORMAT = "summaries 1"

Row = tuple[str, str, list[str]]
"""Identifier, document and reference summaries."""


@dataclass(frozen=True, eq=False)
class SummarySplit:
    """The examples of one split, in the order of the file."""

    ids: list[str] = field(repr=False)
    """n identifiers, as the data set has them."""
    documents: list[str] = field(repr=False)
    """n documents."""
    summaries: list[list[str]] = field(repr=False)
    """One or several references of each document."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Iterable[int]) -> SummarySplit:
        """Some of the examples, in the order given."""
        rows = list(rows)
        columns = (self.ids, self.documents, self.summaries)
        return SummarySplit(*([column[row] for row in rows] for column in columns))

    def rows(self) -> Iterator[Row]:
        """The examples, one by one."""
        return zip(self.ids, self.documents, self.summaries, strict=True)


@dataclass(frozen=True, eq=False)
class SummaryData:
    """A prepared data set."""

    name: str
    splits: dict[str, SummarySplit]
    """`train`, `valid`, `test`."""
    origin: str
    """Where the raw files came from: `mirror`, `download`, `generated`, ..."""
    edition: str
    """Revision or commit, with the files that are of another edition; `sample: ...`, or `toy ...`."""
    sha256: str
    """Of the rows of all splits (see `fingerprint`)."""
    folder: Path
    """Where it stands."""
    counts: dict[str, dict[str, int]]
    """Raw split -> `read`, `empty_document`, `empty_summary` (references), `without_summary` (documents)."""

    @property
    def tokenizer_file(self) -> Path:
        """tokenizer.json, as `tokenizers.Tokenizer.from_file` reads it."""
        return self.folder / TOKENIZER_FILE

    @property
    def summary(self) -> str:
        """Its size in words, with what cleaning dropped."""
        sizes = ", ".join(f"{len(split):,} {name} examples" for name, split in self.splits.items())
        dropped = [
            f"{n:,} {reason.replace('_', ' ')} in {split}"
            for split, reasons in self.counts.items()
            for reason, n in reasons.items()
            if n and reason != "read"
        ]
        return f"{sizes} ({self.edition}; dropped: {', '.join(dropped) or 'nothing'})"


class SummaryDataSet:
    """One set of documents with summaries as a data set of `redrop.data`."""

    def __init__(self, summary_set: SummarySet) -> None:
        self.summary_set = summary_set
        self.NAME = summary_set.name
        self.DESCRIPTION = summary_set.about
        self.LICENSE = summary_set.license

    def fetch(self, folder: Path, mirror: Path | None) -> SourceRecord:
        """Leave the raw files and source.json in `folder`.

        An earlier, complete fetch is kept; then the first edition that a mirror has in full is taken;
        then the last one is got, file by file, from a mirror or its address. Raises DataError when the
        files cannot be had or are not what they should be.
        """
        if self.summary_set.generated:
            from redrop.data import summarization_toy

            return summarization_toy.fetch(self.NAME, folder)
        editions = self.summary_set.editions
        for edition, files in editions.items():
            kept = complete_record(folder, self.NAME, [file.name for file in _flat(files)])
            if kept is not None and kept.edition.startswith(edition):
                return kept
        mirrored = (
            item for item in editions.items() if all(_in_mirror(file, mirror) for file in _flat(item[1]))
        )
        edition, files = next(mirrored, list(editions.items())[-1])
        try:
            return self._fetch(edition, files, folder, mirror)
        except DataError as error:
            smaller = self.summary_set.smaller
            hint = f" There is a smaller data set: `redrop fetch {smaller}`." if smaller else ""
            raise DataError(f"{error}{hint}") from error

    def prepare(self, raw_folder: Path, folder: Path) -> SummaryData:
        """Write the raw files' rows, cleaned, and a tokenizer to `folder`; returns them, verified.

        Raises DataError when a raw file changed or cannot be read, and when the number of rows is not
        the official one.
        """
        files = _raw_files(self.summary_set, raw_folder)
        source = read_source(raw_folder, self.NAME, [name for names in files.values() for name in names])
        splits, counts = {}, {}
        for split, names in files.items():
            expected = self.summary_set.rows[split]
            rows = itertools.chain.from_iterable(
                read_rows(raw_folder / name, self.summary_set, split) for name in names
            )
            if self.summary_set.held_out:
                rows = itertools.islice(rows, expected)
            splits[split], counts[split] = clean(rows)
            found = counts[split]["read"]
            if found != expected:
                raise DataError(
                    f"{raw_folder}: {self.NAME} has a wrong number of {split} rows: expected {expected}, "
                    f"found {found}. It is not the official data: delete {raw_folder}, correct the mirror "
                    f"(or unset REDROP_MIRROR to download) and run `redrop fetch {self.NAME}` again."
                )
        if self.summary_set.held_out:
            (whole,) = splits.values()
            splits = part(whole, self.summary_set.held_out)
        return _write(self.summary_set, splits, counts, source, folder)

    def _fetch(self, edition: str, files: Files, folder: Path, mirror: Path | None) -> SourceRecord:
        fetched, others = [], []
        for split, remotes in files.items():
            for remote in remotes:
                check = self._check(remote, split, mirror) if remote.sha256 is None else None
                fetched.append(fetch_file(remote, folder, mirror, check))
                if not self._is_pinned(remote, fetched[-1].path, fetched[-1].sha256):
                    others.append(remote.name)
        if others:
            edition += f", but for other editions of {', '.join(others)}"
        return write_source(folder, SourceRecord(self.NAME, edition, tuple(fetched)))

    def _check(self, remote: RemoteFile, split: str, mirror: Path | None) -> Check:
        """For a file without a pinned sha256: it must read and, downloaded, have the pinned git id."""

        def check(path: Path) -> None:
            for _ in read_rows(path, self.summary_set, split, remote.name):
                pass
            if not _in_mirror(remote, mirror) and not self._is_pinned(remote, path, ""):
                raise DataError(
                    f"{remote.name}: expected git blob {self.summary_set.git_blobs[remote.name]}, "
                    f"actual {git_blob(path)}"
                )

        return check

    def _is_pinned(self, remote: RemoteFile, path: Path, sha256: str) -> bool:
        """Whether the file at `path` is the pinned one; a file that nothing is known of passes."""
        if remote.sha256 is not None:
            return sha256 == remote.sha256
        blob = self.summary_set.git_blobs.get(remote.name)
        return blob is None or git_blob(path) == blob


def data_set(name: str) -> SummaryDataSet:
    """The data set called `name`, such as `dialogsum`; raises ConfigError when there is none."""
    if name not in SETS:
        raise ConfigError(f"{name!r} is no set of summaries. Known: {', '.join(SETS)}.")
    return SummaryDataSet(SETS[name])


def git_blob(path: Path) -> str:
    """The id that git gives a file: the sha1, in hex, of `blob`, its size, a zero byte and its bytes."""
    raw = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(raw) + raw, usedforsecurity=False).hexdigest()


def clean(rows: Iterable[Row]) -> tuple[SummarySplit, dict[str, int]]:
    """The rows without white space at the ends and without empty texts, and how many were dropped."""
    kept = SummarySplit([], [], [])
    counts = {"read": 0, "empty_document": 0, "empty_summary": 0, "without_summary": 0}
    for identifier, document, summaries in rows:
        counts["read"] += 1
        filled = [summary.strip() for summary in summaries if summary.strip()]
        if not document.strip():
            counts["empty_document"] += 1
            continue
        counts["empty_summary"] += len(summaries) - len(filled)
        if not filled:
            counts["without_summary"] += 1
            continue
        kept.ids.append(identifier)
        kept.documents.append(document.strip())
        kept.summaries.append(filled)
    return kept, counts


def part(split: SummarySplit, held_out: Mapping[str, int]) -> dict[str, SummarySplit]:
    """`train` and the parts held out of it; each keeps the order of the rows.

    The rows are ranked by the sha256 of their identifiers (chosen: it depends on nothing else); the parts
    take the first ones in turn. Raises DataError when that leaves nothing to train on.
    """
    if sum(held_out.values()) >= len(split):
        raise DataError(f"holding out {sum(held_out.values())} of {len(split)} rows leaves none to train on")
    ranked = sorted(range(len(split)), key=lambda row: hashlib.sha256(split.ids[row].encode()).digest())
    parts, first = {}, 0
    for name, count in held_out.items():
        parts[name] = ranked[first : first + count]
        first += count
    parts["train"] = ranked[first:]
    return {name: split.take(sorted(parts[name])) for name in SPLITS}


def fingerprint(splits: Mapping[str, SummarySplit]) -> str:
    """sha256, in hex, of a line `["train",N]` for each split and a line of JSON for each row.

    A row is `[id, document, [summary, ...]]`, so the sum does not depend on the version of the parquet
    writer.
    """
    digest = hashlib.sha256()
    for name, split in splits.items():
        digest.update(_line([name, len(split)]))
        for row in split.rows():
            digest.update(_line(row))
    return digest.hexdigest()


def read_rows(path: Path, summary_set: SummarySet, split: str, what: str | None = None) -> Iterator[Row]:
    """The rows of a raw file of `summary_set`, as they are: parquet, JSON lines or csv by its name.

    A csv file has a header, and quotes around fields with line breaks. Raises DataError naming the file
    (or `what`), the line or row, the bad value and the command to get the file again.
    """
    what = str(path) if what is None else what
    keys = (*summary_set.keys, *summary_set.reference_keys(split))
    try:
        # A file is checked under a temporary name; `what` has the suffix all the same.
        for identifier, document, *summaries in _READERS[Path(what).suffix](path, what, keys):
            yield identifier, document, summaries
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. Run `redrop fetch {summary_set.name}` again.") from error
    except _BadFileError as error:
        raise DataError(
            f"{error}. Put the official file in its place and run `redrop fetch {summary_set.name}` again."
        ) from error


def load_summaries(folder: str | Path) -> SummaryData:
    """The data set prepared in `folder`, verified against its meta.json.

    Raises DataError naming the file and the command that makes it again when a file is missing or
    damaged, or when rows or tokenizer are not those that were prepared.
    """
    folder = Path(folder)
    meta = _read_meta(folder)
    again = f"Run `redrop prepare {meta['name']}` again."
    splits = {split: _read_split(folder / f"{split}.parquet", again) for split in SPLITS}
    tokenizer = folder / TOKENIZER_FILE
    if not tokenizer.is_file():
        raise DataError(f"{tokenizer} is missing. {again}")
    found = _describe(meta["name"], splits) | {"tokenizer_sha256": sha256_file(tokenizer)}
    for key, actual in found.items():
        if meta.get(key) != actual:
            raise DataError(
                f"{folder}: the files do not match {META_FILE}: its {key} is {meta.get(key)!r}, "
                f"theirs {actual!r}. {again}"
            )
    return SummaryData(
        meta["name"], splits, meta["origin"], meta["edition"], meta["sha256"], folder, meta["counts"]
    )


class _BadFileError(Exception):
    """A raw file is not what it should be: file, place and value, without the remedy."""


def _flat(files: Files) -> list[RemoteFile]:
    return [file for remotes in files.values() for file in remotes]


def _in_mirror(remote: RemoteFile, mirror: Path | None) -> bool:
    return mirror is not None and any((mirror / path).is_file() for path in remote.mirror)


def _raw_files(summary_set: SummarySet, raw_folder: Path) -> dict[str, list[str]]:
    """Split -> names of its raw files: those of the edition that is in the folder."""
    if summary_set.generated:
        return {split: [f"{split}.jsonl"] for split in SPLITS}
    for files in summary_set.editions.values():
        if recorded_file(raw_folder, _flat(files)[0].name) is not None:
            break
    return {split: [remote.name for remote in remotes] for split, remotes in files.items()}


def _decoded(path: Path, what: str) -> str:
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        raise _BadFileError(
            f"{what}, line {line}: byte 0x{byte:02x} is not UTF-8 ({error.reason})"
        ) from error


def _json_rows(path: Path, what: str, keys: Sequence[str]) -> Iterator[list[str]]:
    # Only a newline ends a line: text may hold other separators.
    lines = _decoded(path, what).split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, 1):
        where = f"{what}, line {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _BadFileError(f"{where}: {_short(line)} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise _BadFileError(f"{where}: {_short(line)} is not an object with keys")
        for key in keys:
            if key not in row:
                raise _BadFileError(f"{where}: no key {key!r}, only {', '.join(row)}")
            if not isinstance(row[key], str):
                raise _BadFileError(f"{where}: the {key} is {_short(row[key])}, not text")
            if not _is_unicode(row[key]):
                raise _BadFileError(f"{where}: the {key} has half a character, {_short(row[key])}")
        yield [row[key] for key in keys]


def _csv_rows(path: Path, what: str, keys: Sequence[str]) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(_decoded(path, what), newline=""), strict=True)
    line = 1
    try:
        header = next(reader, [])
        for key in keys:
            if key not in header:
                names = ", ".join(header) or "nothing"
                raise _BadFileError(f"{what}, line 1: no column {key!r}, only {names}")
        places = [header.index(key) for key in keys]
        line = reader.line_num + 1
        for fields in reader:
            if len(fields) != len(header):
                names = ", ".join(header)
                raise _BadFileError(
                    f"{what}, line {line}: {len(fields)} fields, expected {len(header)} ({names})"
                )
            yield [fields[place] for place in places]
            line = reader.line_num + 1
    except csv.Error as error:
        raise _BadFileError(f"{what}, row from line {line} on: not csv ({error})") from error


def _parquet_rows(path: Path, what: str, keys: Sequence[str]) -> Iterator[list[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = 0
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            for key in keys:
                if key not in names:
                    raise _BadFileError(f"{what}: no column {key!r}, only {', '.join(names)}")
            for batch in file.iter_batches(batch_size=1000, columns=list(keys)):
                for key in keys:
                    column = batch.column(key)
                    if column.null_count or not _is_text(column.type):
                        raise _BadFileError(
                            f"{what}, from row {first} on: the column {key!r} is {column.type} with "
                            f"{column.null_count} missing values, not text"
                        )
                columns = [batch.column(key).to_pylist() for key in keys]
                yield from map(list, zip(*columns, strict=True))
                first += len(batch)
    except FileNotFoundError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise _BadFileError(f"{what}, from row {first} on: cannot be read as parquet ({error})") from error


_READERS = {".parquet": _parquet_rows, ".jsonl": _json_rows, ".csv": _csv_rows}


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_unicode(text: str) -> bool:
    """Whether it can be written; JSON can name a half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _line(value: Sequence[Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _describe(name: str, splits: Mapping[str, SummarySplit]) -> dict[str, Any]:
    """What meta.json says of the rows, so that `load_summaries` can compare it."""
    return {
        "name": name,
        "rows": {split: len(rows) for split, rows in splits.items()},
        "sha256": fingerprint(splits),
    }


def _write(
    summary_set: SummarySet,
    splits: Mapping[str, SummarySplit],
    counts: Mapping[str, Mapping[str, int]],
    source: SourceRecord,
    folder: Path,
) -> SummaryData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from redrop.data.summarization_tokenizer import learn_tokenizer

    text = pa.string()
    schema = pa.schema([("id", text), ("document", text), ("summaries", pa.list_(text))])
    folder.mkdir(parents=True, exist_ok=True)
    # An older meta.json must not vouch for new rows if this is interrupted.
    (folder / META_FILE).unlink(missing_ok=True)
    for name, split in splits.items():
        columns = {"id": split.ids, "document": split.documents, "summaries": split.summaries}
        with atomic_path(folder / f"{name}.parquet") as temporary:
            pq.write_table(pa.table(columns, schema=schema), temporary, row_group_size=10_000)
    train = splits["train"]
    train = train.take(range(0, len(train), math.ceil(len(train) / summary_set.learned_on)))
    texts = itertools.chain(train.documents, itertools.chain.from_iterable(train.summaries))
    tokenizer = learn_tokenizer(texts, summary_set.vocabulary)
    with atomic_path(folder / TOKENIZER_FILE) as temporary:
        temporary.write_text(tokenizer.to_str(), encoding="utf-8", newline="\n")
    meta = {
        "format": FORMAT,
        "origin": source.origin,
        "edition": source.edition,
        "raw_sha256": source.sha256,
        "counts": counts,
        "vocabulary": tokenizer.get_vocab_size(),
        "tokenizer_sha256": sha256_file(folder / TOKENIZER_FILE),
        **_describe(summary_set.name, splits),
    }
    write_json(folder / META_FILE, meta)
    return load_summaries(folder)


def _read_split(path: Path, again: str) -> SummarySplit:
    """The rows of a prepared parquet file; their content is checked by the fingerprint."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read(columns=["id", "document", "summaries"])
        columns = table.to_pydict()
        return SummarySplit(columns["id"], columns["document"], columns["summaries"])
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. {again}") from error
    except (pa.ArrowException, OSError, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a split ({error}). {again}") from error


def _read_meta(folder: Path) -> dict[str, Any]:
    kinds = dict.fromkeys(("name", "origin", "edition", "sha256"), str) | {"counts": dict}
    meta = read_meta(folder, FORMAT, "set of summaries", kinds)
    if meta["name"] not in SETS:
        known = ", ".join(SETS)
        raise DataError(
            f"{folder / META_FILE}: {meta['name']!r} is no set of summaries. Known: {known}. "
            f"{prepare_again(folder)}"
        )
    return meta
