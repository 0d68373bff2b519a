"""Reading the released files of a GLUE task: TSV files in the official layout, or parquet files as the hub's.

Sentences are kept as they are: nothing is stripped, so SST-2's keep their space at the end. A TSV
file is UTF-8, with or without a byte-order mark; a newline, or a carriage return and a newline, ends
a row, every tab separates and a quote is a character like any other (csv.QUOTE_NONE). `idx` counts
the file's rows from 0, as on the hub. A score is the float32 nearest to what is written, as on the hub.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop.data.files import is_text, read_parquet, utf8_lines
from redrop.errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from redrop.data.glue import GlueTask

MAX_SCORE = 5


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

    def columns(self) -> dict[str, list[Any]]:
        """The rows as plain lists, a score as the shortest decimal that gives its float32."""
        is_score = self.labels.dtype.kind == "f"
        columns = {"idx": self.idx.tolist(), "sentence1": self.sentence1}
        if self.sentence2 is not None:
            columns["sentence2"] = self.sentence2
        labels = [float(str(score)) for score in self.labels] if is_score else self.labels.tolist()
        return columns | {"label": labels}

    def take(self, rows: Sequence[int] | np.ndarray) -> Split:
        """Some of the rows, in the order given."""
        second = None if self.sentence2 is None else [self.sentence2[i] for i in rows]
        return make_split([self.sentence1[i] for i in rows], second, self.labels[rows], self.idx[rows])


def make_split(
    sentence1: list[str],
    sentence2: list[str] | None,
    labels: Sequence[int] | Sequence[float] | np.ndarray,
    idx: Sequence[int] | np.ndarray,
) -> Split:
    """Rows with read-only arrays: labels int64, or float32 where they are scores."""
    import numpy as np

    values = np.asarray(labels)
    values = values.astype(np.float32 if values.dtype.kind == "f" else np.int64)
    numbers = np.array(idx, dtype=np.int32)
    values.setflags(write=False)
    numbers.setflags(write=False)
    return Split(sentence1, sentence2, values, numbers)


def read(path: Path, task: GlueTask, what: str | None = None) -> Split:
    """The rows of a raw file, by the ending of its name (or of `what`, which errors call it)."""
    if (what or path.name).endswith(".tsv"):
        return read_tsv(path, task, what)
    return read_table(path, task, task.hub_text, f"Run `redrop fetch {task.name}` again.")


def read_tsv(path: Path, task: GlueTask, what: str | None = None) -> Split:
    """The rows of a TSV file in the official layout of `task`; `what` errors call it. Raises DataError."""
    what = str(path) if what is None else what
    lines = utf8_lines(path.read_bytes(), what, task.refusal)
    table = [line.removesuffix("\r").split("\t") for line in lines]
    header = task.header or (tuple(table[0]) if table else ())
    first = 0 if task.header else 1
    if len(table) <= first:
        raise task.refusal(f"{what} has no rows")
    missing = [name for name in (*task.text, task.label) if name not in header]
    if missing:
        raise task.refusal(f"{what}, line 1: no column {missing[0]!r}, only {', '.join(header)}")
    text, label = [header.index(name) for name in task.text], header.index(task.label)

    idx, sentences, labels = [], [], []
    for number, fields in enumerate(table[first:]):
        where = f"{what}, line {number + first + 1}"
        if len(fields) < len(header) and task.drops_short_rows:
            continue
        if len(fields) != len(header):
            names = ", ".join(header)
            raise task.refusal(f"{where}: {len(fields)} fields, expected {len(header)} ({names})")
        idx.append(number)
        sentences.append([fields[column] for column in text])
        labels.append(_label(fields[label], task, where))
    columns = [[row[i] for row in sentences] for i in range(len(text))]
    return make_split(columns[0], columns[1] if task.pair else None, labels, idx)


def read_table(path: Path, task: GlueTask, text: Sequence[str], again: str) -> Split:
    """The rows of a parquet file with columns idx, label and `text`, checked as `read_tsv` does."""
    import pyarrow as pa

    table = read_parquet(path, ["idx", *text, "label"], again)
    label_is_right = pa.types.is_integer if task.labels else pa.types.is_floating
    is_right = {"idx": pa.types.is_integer, "label": label_is_right}
    for name in table.column_names:
        column = table.column(name)
        if column.null_count or not is_right.get(name, is_text)(column.type):
            said = f"the column {name!r} is {column.type} with {column.null_count} empty values"
            raise DataError(f"{path}: {said}, which is not what {task.name} has there. {again}")
    labels = table.column("label").to_numpy()
    most = len(task.labels) - 1 if task.labels else MAX_SCORE
    for row, label in enumerate(labels.tolist()):
        if not 0 <= label <= most:
            raise DataError(f"{path}, row {row}: the label {label!r} is not from 0 to {most}. {again}")
    first, *second = (table.column(name).to_pylist() for name in text)
    return make_split(first, second[0] if task.pair else None, labels, table.column("idx").to_numpy())


def _label(text: str, task: GlueTask, where: str) -> int | float:
    if not task.labels:
        try:
            score = float(text)
        except ValueError:
            score = float("nan")
        if not 0 <= score <= MAX_SCORE:
            raise task.refusal(f"{where}: the score {text!r} is no number from 0 to {MAX_SCORE}")
        return score
    values = task.values or task.labels
    if text not in values:
        raise task.refusal(f"{where}: the label {text!r} is none of {', '.join(values)}")
    return values.index(text)
