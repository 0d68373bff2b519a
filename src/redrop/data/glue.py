"""GLUE tasks: sentences or sentence pairs with a class or a score (Wang et al. 2019, arXiv 1804.07461).

A task is read from one of two editions, never from a mixture. `tsv`: the official TSV files, which
only mirrors have. `hub ...`: the parquet files of nyu-mll/glue at a pinned revision, which anyone can
download. Both give the same rows (a test compares RTE's), except that the hub's MRPC is tokenised
(`brother , whom`) and the mirror's need not be; the edition in use is recorded with the data.

Sentences are kept as they are: nothing is stripped, so SST-2's keep their space at the end. A TSV
file is UTF-8, with or without a byte-order mark; a newline, or a carriage return and a newline, ends
a row, every tab separates and a quote is a character like any other (csv.QUOTE_NONE). `idx` counts
the file's rows from 0, as on the hub. A score is the float32 nearest to what is written, as on the hub.

A prepared folder holds train.parquet, one parquet file a dev split and, written last, meta.json. Test
splits have no public labels and are left out.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop.data.files import atomic_path, write_json
from redrop.data.glue_tasks import FILES, HELD_OUT, TASKS, GlueTask
from redrop.data.prepared import META_FILE, prepare_again, read_meta
from redrop.data.provenance import SourceRecord, complete_record, read_source, recorded_file, write_source
from redrop.data.sources import RemoteFile, fetch_file
from redrop.errors import ConfigError, DataError

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

FORMAT = "glue 1"
MAX_SCORE = 5
REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
TSV_EDITION = "tsv"
HUB_EDITION = f"hub {REVISION[:12]}"


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of one split, in the order of the file. The arrays are read-only."""

    sentence1: list[str] = field(repr=False)
    """n sentences."""
    sentence2: list[str] | None = field(repr=False)
    """Their partners; None where the task has one sentence."""
    labels: np.ndarray = field(repr=False)
    """int64 class numbers or float32 scores, shape [n]."""
    idx: np.ndarray = field(repr=False)
    """int32, shape [n]: the row's number in the original file."""

    def __len__(self) -> int:
        return len(self.sentence1)

    def take(self, rows: Sequence[int] | np.ndarray) -> Split:
        """Some of the rows, in the order given."""
        return _split(
            [self.sentence1[i] for i in rows],
            None if self.sentence2 is None else [self.sentence2[i] for i in rows],
            self.labels[rows],
            self.idx[rows],
        )


@dataclass(frozen=True, eq=False)
class TaskData:
    """A prepared task."""

    task: GlueTask
    splits: dict[str, Split]
    """`train` and each dev split."""
    origin: str
    """Where the raw files came from: `mirror`, `download`, `generated`, ..."""
    edition: str
    """`tsv`, `hub ...`, or the version of the generator."""
    sha256: str
    """Of the rows of all splits (see `fingerprint`)."""
    folder: Path
    """Where it stands."""

    @property
    def summary(self) -> str:
        """Its size in words."""
        return ", ".join(f"{len(split):,} {name} examples" for name, split in self.splits.items())


class GlueDataSet:
    """One task as a data set of `redrop.data`."""

    def __init__(self, task: GlueTask) -> None:
        source = FILES[task.name]
        self.task = task
        self.NAME = task.data_set
        self.DESCRIPTION = source.about
        self.LICENSE = source.license

    def fetch(self, folder: Path, mirror: Path | None) -> SourceRecord:
        """Leave the task's raw files and source.json in `folder`.

        An earlier, complete fetch is kept; then a mirror with all TSV files is taken, then the
        hub's files. Raises DataError when the files cannot be had or are not what they should be.
        """
        task = self.task
        if task.generated:
            from redrop.data import glue_toy

            return glue_toy.fetch(task, folder)
        editions = {TSV_EDITION: tsv_files(task), HUB_EDITION: hub_files(task)}
        for edition, files in editions.items():
            kept = complete_record(folder, self.NAME, [file.name for file in files])
            if kept is not None and kept.edition == edition:
                return kept
        if mirror is not None and not _missing(editions[TSV_EDITION], mirror):
            return self._fetch(TSV_EDITION, editions[TSV_EDITION], folder, mirror)
        try:
            return self._fetch(HUB_EDITION, editions[HUB_EDITION], folder, mirror)
        except DataError as error:
            raise DataError(f"{error} {_or_tsv(editions[TSV_EDITION], mirror)}") from error

    def prepare(self, raw_folder: Path, folder: Path) -> TaskData:
        """Write the raw files' rows to `folder`; returns the task, read back and verified.

        Raises DataError when a raw file changed or cannot be read, and when the number of rows, or
        of a class, is not the official one.
        """
        task = self.task
        tsv, hub = tsv_files(task), hub_files(task)
        is_tsv = task.generated or recorded_file(raw_folder, tsv[0].name) is not None
        files, read = (tsv, read_tsv) if is_tsv else (hub, read_hub)
        source = read_source(raw_folder, self.NAME, [file.name for file in files])
        splits = {
            split: read(raw_folder / file.name, task) for split, file in zip(task.splits, files, strict=True)
        }
        _check_official(task, splits, raw_folder)
        return _write(task, splits, source, folder)

    def _fetch(
        self, edition: str, files: Sequence[RemoteFile], folder: Path, mirror: Path | None
    ) -> SourceRecord:
        fetched = []
        for file in files:
            check = functools.partial(read_tsv, task=self.task, what=file.name)
            fetched.append(fetch_file(file, folder, mirror, check if file.sha256 is None else None))
        return write_source(folder, SourceRecord(self.NAME, edition, tuple(fetched)))


def data_set(name: str) -> GlueDataSet:
    """The data set called `name`, such as `glue_cola`; raises ConfigError when there is none."""
    for task in TASKS.values():
        if task.data_set == name:
            return GlueDataSet(task)
    known = ", ".join(task.data_set for task in TASKS.values())
    raise ConfigError(f"{name!r} is no GLUE task. Known: {known}.")


def hold_out(split: Split, fraction: float = HELD_OUT, seed: int = 0) -> tuple[Split, Split]:
    """`split` without a random part of its rows, and that part, for tuning without the dev split.

    The part has round(fraction * n) rows, at least one: the first numbers of a permutation by
    PCG64(seed). Both keep the order of the rows. The same (n, fraction, seed) takes the same rows.
    """
    import numpy as np

    if not 0 < fraction < 1:
        raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
    n = len(split)
    n_held = max(1, round(fraction * n))
    if n_held >= n:
        raise ValueError(f"holding out {n_held} of {n} rows leaves none to train on")
    held = np.zeros(n, dtype=bool)
    held[np.random.Generator(np.random.PCG64(seed)).permutation(n)[:n_held]] = True
    return split.take(np.flatnonzero(~held)), split.take(np.flatnonzero(held))


def fingerprint(splits: Mapping[str, Split]) -> str:
    """sha256, in hex, of a line `["train",N]` for each split and a line of JSON for each row.

    A row is `[idx, sentence1, label]` or `[idx, sentence1, sentence2, label]`, so the sum does not
    depend on the version of the parquet writer.
    """
    digest = hashlib.sha256()
    for name, split in splits.items():
        digest.update(_line([name, len(split)]))
        for row in zip(*_columns(split).values(), strict=True):
            digest.update(_line(row))
    return digest.hexdigest()


def read_tsv(path: Path, task: GlueTask, what: str | None = None) -> Split:
    """The rows of a TSV file in the official layout of `task`.

    Raises DataError naming the file (or `what`), the line, the bad value and what is allowed.
    """
    source = FILES[task.name]
    what = str(path) if what is None else what
    table = [line.split("\t") for line in _lines(path.read_bytes(), what, task)]
    header = source.header or (tuple(table[0]) if table else ())
    first = 0 if source.header else 1
    if len(table) <= first:
        raise _refusal(f"{what} has no rows", task)
    missing = [name for name in (*source.text, source.label) if name not in header]
    if missing:
        raise _refusal(f"{what}, line 1: no column {missing[0]!r}, only {', '.join(header)}", task)
    text, label = [header.index(name) for name in source.text], header.index(source.label)

    idx, sentences, labels = [], [], []
    for number, fields in enumerate(table[first:]):
        where = f"{what}, line {number + first + 1}"
        if len(fields) < len(header) and source.drops_short_rows:
            continue
        if len(fields) != len(header):
            names = ", ".join(header)
            raise _refusal(f"{where}: {len(fields)} fields, expected {len(header)} ({names})", task)
        idx.append(number)
        sentences.append([fields[column] for column in text])
        labels.append(_label(fields[label], task, where))
    columns = [[row[i] for row in sentences] for i in range(len(text))]
    return _split(columns[0], columns[1] if task.pair else None, labels, idx)


def read_hub(path: Path, task: GlueTask) -> Split:
    """The rows of one of the hub's parquet files; raises DataError when it is none of `task`."""
    return _read_parquet(path, task, FILES[task.name].hub_text, f"Run `redrop fetch {task.data_set}` again.")


def load_task(folder: str | Path) -> TaskData:
    """The task prepared in `folder`, verified against its meta.json.

    Raises DataError naming the file and the command that makes it again when a file is missing or
    damaged, or when the rows are not those that were prepared.
    """
    folder = Path(folder)
    meta = _read_meta(folder)
    task = TASKS[meta["task"]]
    again = f"Run `redrop prepare {task.data_set}` again."
    columns = ("sentence1", "sentence2") if task.pair else ("sentence1",)
    splits = {
        split: _read_parquet(folder / f"{split}.parquet", task, columns, again) for split in task.splits
    }
    for key, actual in _describe(task, splits).items():
        if meta.get(key) != actual:
            raise DataError(
                f"{folder}: the parquet files do not match {META_FILE}: its {key} is {meta.get(key)!r}, "
                f"theirs {actual!r}. {again}"
            )
    return TaskData(task, splits, meta["origin"], meta["edition"], meta["sha256"], folder)


def tsv_files(task: GlueTask) -> tuple[RemoteFile, ...]:
    """The official TSV files of a task, a split each, which only mirrors have."""
    return tuple(
        RemoteFile(
            name=f"{split}.tsv",
            # There is no address of a single file, only archives and this page that leads to them;
            # `fetch` asks for these files only where a mirror has them all.
            url="https://gluebenchmark.com/tasks",
            sha256=None,
            size=None,
            mirror=(f"glue/{FILES[task.name].folder}/{split}.tsv",),
        )
        for split in task.splits
    )


def hub_files(task: GlueTask) -> tuple[RemoteFile, ...]:
    """The parquet files of a task at the pinned revision, a split each."""
    files = []
    for split, (size, sha256) in FILES[task.name].hub.items():
        name = f"{split.replace('dev', 'validation')}-00000-of-00001.parquet"
        files.append(
            RemoteFile(
                name=name,
                url=f"https://huggingface.co/datasets/nyu-mll/glue/resolve/{REVISION}/{task.name}/{name}",
                sha256=sha256,
                size=size,
                mirror=(f"glue/hub/{task.name}/{name}",),
                mirror_sha256=(sha256,),
            )
        )
    return tuple(files)


def _missing(files: Sequence[RemoteFile], mirror: Path) -> list[str]:
    """Which of `files`, by their paths in a mirror, `mirror` has not."""
    return [file.mirror[0] for file in files if not (mirror / file.mirror[0]).is_file()]


def _or_tsv(files: Sequence[RemoteFile], mirror: Path | None) -> str:
    """What to put into the mirror to do without the hub's files."""
    if mirror is None:
        wanted = ", ".join(f"MIRROR/{file.mirror[0]}" for file in files)
        return f"The official TSV files would do as well: {wanted}."
    missing = _missing(files, mirror)
    there = [file.name for file in files if file.mirror[0] not in missing]
    beside = f", beside {', '.join(there)}; a task is never read from two editions" if there else ""
    wanted = ", ".join(f"{mirror}/{path}" for path in missing)
    return f"The official TSV files would do as well; missing: {wanted}{beside}."


def _refusal(message: str, task: GlueTask) -> DataError:
    return DataError(
        f"{message}. Put the official file in its place and run `redrop fetch {task.data_set}` again."
    )


def _lines(raw: bytes, what: str, task: GlueTask) -> list[str]:
    """The lines of a file; only a newline ends one, since sentences may hold other separators."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        raise _refusal(
            f"{what}, line {line}: byte 0x{byte:02x} is not UTF-8 ({error.reason})", task
        ) from error
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _label(text: str, task: GlueTask, where: str) -> int | float:
    if task.kind == "regression":
        try:
            score = float(text)
        except ValueError:
            score = float("nan")
        if not 0 <= score <= MAX_SCORE:
            raise _refusal(f"{where}: the score {text!r} is no number from 0 to {MAX_SCORE}", task)
        return score
    values = FILES[task.name].values or task.labels
    if text not in values:
        raise _refusal(f"{where}: the label {text!r} is none of {', '.join(values)}", task)
    return values.index(text)


def _check_official(task: GlueTask, splits: Mapping[str, Split], raw_folder: Path) -> None:
    def wrong(what: str, expected: object, found: object) -> DataError:
        return DataError(
            f"{raw_folder}: {task.data_set} {what}: expected {expected}, found {found}. It is not the "
            f"official data: delete {raw_folder}, correct the mirror (or unset REDROP_MIRROR to download) "
            f"and run `redrop fetch {task.data_set}` again."
        )

    for name, split in splits.items():
        if len(split) != task.rows[name]:
            raise wrong(f"has a wrong number of {name} rows", task.rows[name], len(split))
        expected = task.balance.get(name)
        found = tuple(_label_counts(task, split).values())
        if expected is not None and found != expected:
            labels = ", ".join(task.labels)
            raise wrong(f"has a wrong number of {name} rows of each class ({labels})", expected, found)


def _split(
    sentence1: list[str],
    sentence2: list[str] | None,
    labels: Sequence[int] | Sequence[float] | np.ndarray,
    idx: Sequence[int] | np.ndarray,
) -> Split:
    import numpy as np

    values = np.asarray(labels)
    values = values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
    numbers = np.array(idx, dtype=np.int32)
    values.setflags(write=False)
    numbers.setflags(write=False)
    return Split(sentence1, sentence2, values, numbers)


def _columns(split: Split) -> dict[str, list]:
    """The rows as plain lists, a score as the shortest decimal that gives its float32."""
    is_score = split.labels.dtype.kind == "f"
    columns = {"idx": split.idx.tolist(), "sentence1": split.sentence1}
    if split.sentence2 is not None:
        columns["sentence2"] = split.sentence2
    columns["label"] = [float(str(score)) for score in split.labels] if is_score else split.labels.tolist()
    return columns


def _line(value: Sequence[Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"


def _label_counts(task: GlueTask, split: Split) -> dict[str, int]:
    """Rows of each class; empty for regression."""
    return {label: int((split.labels == number).sum()) for number, label in enumerate(task.labels)}


def _describe(task: GlueTask, splits: Mapping[str, Split]) -> dict[str, Any]:
    """What meta.json says of the rows, so that `load_task` can compare it."""
    return {
        "name": task.data_set,
        "task": task.name,
        "kind": task.kind,
        "labels": list(task.labels),
        "rows": {name: len(split) for name, split in splits.items()},
        "label_counts": {name: _label_counts(task, split) for name, split in splits.items()},
        "sha256": fingerprint(splits),
    }


def _write(task: GlueTask, splits: Mapping[str, Split], source: SourceRecord, folder: Path) -> TaskData:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"idx": pa.int32(), "sentence1": pa.string(), "sentence2": pa.string()}
    types["label"] = pa.float64() if task.kind == "regression" else pa.int64()
    folder.mkdir(parents=True, exist_ok=True)
    # An older meta.json must not vouch for new rows if this is interrupted.
    (folder / META_FILE).unlink(missing_ok=True)
    for name, split in splits.items():
        columns = _columns(split)
        table = pa.table(columns, schema=pa.schema([(column, types[column]) for column in columns]))
        with atomic_path(folder / f"{name}.parquet") as temporary:
            pq.write_table(table, temporary)
    meta = {
        "format": FORMAT,
        "origin": source.origin,
        "edition": source.edition,
        "raw_sha256": source.sha256,
        **_describe(task, splits),
    }
    write_json(folder / META_FILE, meta)
    return load_task(folder)


def _read_parquet(path: Path, task: GlueTask, text: Sequence[str], again: str) -> Split:
    """The rows of a parquet file with columns idx, label and `text`, checked as `read_tsv` does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = ["idx", *text, "label"]
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [name for name in wanted if name not in names]
            if missing:
                raise DataError(f"{path} has no column {missing[0]!r}, only {', '.join(names)}. {again}")
            table = file.read(columns=wanted)
        sentences = [table.column(name).to_pylist() for name in text]
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. {again}") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as parquet ({error}). {again}") from error
    is_right = {"idx": pa.types.is_integer, "label": pa.types.is_integer}
    if task.kind == "regression":
        is_right["label"] = pa.types.is_floating
    for name in wanted:
        column = table.column(name)
        if column.null_count or not is_right.get(name, _is_text)(column.type):
            raise DataError(
                f"{path}: the column {name!r} is {column.type} with {column.null_count} empty values, "
                f"which is not what {task.data_set} has there. {again}"
            )
    labels = table.column("label").to_numpy()
    most = MAX_SCORE if task.kind == "regression" else len(task.labels) - 1
    for row, label in enumerate(labels.tolist()):
        if not 0 <= label <= most:
            raise DataError(f"{path}, row {row}: the label {label!r} is not from 0 to {most}. {again}")
    return _split(sentences[0], sentences[1] if task.pair else None, labels, table.column("idx").to_numpy())


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _read_meta(folder: Path) -> dict[str, Any]:
    meta = read_meta(folder, FORMAT, "task", dict.fromkeys(("task", "origin", "edition", "sha256"), str))
    if meta["task"] not in TASKS:
        known = ", ".join(TASKS)
        raise DataError(
            f"{folder / META_FILE}: {meta['task']!r} is no task. Known: {known}. {prepare_again(folder)}"
        )
    return meta
