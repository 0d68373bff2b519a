"""GLUE tasks: sentences or sentence pairs with a class or a score (Wang et al. 2019, arXiv 1804.07461).

A task of GLUE is read from one of two editions, never from a mixture. `tsv`: the official TSV files, which
only mirrors have. `hub ...`: the parquet files of nyu-mll/glue at a pinned revision, which anyone can
download. Both give the same rows (a test compares RTE's), except that the hub's MRPC is tokenised
(`brother , whom`) and the mirror's need not be; the edition in use is recorded with the data, and where
the rows of TSV files are known to be others than the official ones, it says so. A task like those of GLUE
may have other editions, of either kind of file.

A prepared folder holds a parquet file a split. Test splits have no public labels and are left out.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from redrop.data import base
from redrop.data.base import DataSet, Prepared
from redrop.data.files import Writer
from redrop.data.glue_files import Split, read, read_table
from redrop.data.sources import RemoteFile, hub_file, in_mirror

log = logging.getLogger(__name__)

REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
TSV_EDITION = "tsv"
NOT_OFFICIAL = "tsv, but not the official rows"
"""Edition of TSV files whose rows are others: saved again with quotes, stripped, corrected, ..."""
HUB_EDITION = f"hub {REVISION[:12]}"
HELD_OUT = 0.1
"""Share of train that is held out where settings are chosen."""


@dataclass(frozen=True, kw_only=True)
class GlueTask(DataSet):
    """What is asked, how much of it there is, and what its files look like."""

    family: ClassVar[str] = "glue"
    noun: ClassVar[str] = "task"
    format: ClassVar[object] = "glue 1"

    labels: tuple[str, ...] = ()
    """Name of each class, in the order of the class numbers; empty for a score from 0 to 5."""
    pair: bool = True
    """Whether there are two sentences."""
    metrics: tuple[str, ...]
    """Of `redrop.evaluation.glue`; the first one is what enters the GLUE average, as in R-Drop's tables."""
    rows: Mapping[str, int] = field(hash=False)
    """Official number of rows of each split: `train`, then what it is evaluated on (MNLI has two)."""
    balance: Mapping[str, tuple[int, ...]] = field(default_factory=dict, hash=False)
    """Official number of rows of each class, for the splits where it is known for sure."""
    official_sha256: str | None = None
    """Fingerprint of the rows of the official TSV files, where these have been seen."""
    lengths: tuple[float, float] | None = None
    """Mean tokens of a train and of a development example, for `redrop plan`.

    BERT's uncased word pieces, cut at 128; batches of the recipe's size in training, of 64 in evaluation.
    """
    text: tuple[str, ...] = ("sentence1", "sentence2")
    """TSV columns of the sentences."""
    label: str = "label"
    """TSV column of the class or score."""
    values: tuple[str, ...] = ()
    """What the label column says for each class; empty: the class's name."""
    header: tuple[str, ...] = ()
    """Names of the TSV columns where the file does not begin with them."""
    drops_short_rows: bool = False
    """Whether a row with too few fields is left out, as it was for the hub; otherwise it is an error."""
    hub_text: tuple[str, ...] = ("sentence1", "sentence2")
    """Parquet columns of the sentences."""

    @property
    def task(self) -> str:
        """Name of the task, such as `cola`; the data set is `glue_cola`."""
        return self.name.removeprefix("glue_")

    @property
    def splits(self) -> tuple[str, ...]:
        """`train`, then the dev splits."""
        return tuple(self.rows)

    @property
    def dev_splits(self) -> tuple[str, ...]:
        """What it is evaluated on."""
        return self.splits[1:]

    def describe(self, splits: Mapping[str, Split]) -> dict[str, Any]:
        """What meta.json says of the rows, so that `load` can compare it."""
        counts = {name: _label_counts(self, split) for name, split in splits.items()}
        kind = "classification" if self.labels else "regression"
        asked = {"task": self.task, "kind": kind, "labels": list(self.labels), "label_counts": counts}
        return base.facts_of(splits) | asked

    def _encode(self, paths: Mapping[str, Sequence[Path]]) -> tuple[dict[str, Writer], dict[str, Any]]:
        splits = {split: read(paths[split][0], self) for split in self.splits}
        for name, split in splits.items():
            where = paths[name][0].parent
            if len(split) != self.rows[name]:
                raise self.wrong_count(where, f"{name} rows", self.rows[name], len(split))
            expected, found = self.balance.get(name), tuple(_label_counts(self, split).values())
            if expected is not None and found != expected:
                what = f"{name} rows of each class ({', '.join(self.labels)})"
                raise self.wrong_count(where, what, expected, found)
        types = {"idx": "int32", "label": "int64" if self.labels else "float64"}
        return base.parquet_files(splits, types), self.describe(splits)

    def _decode(self, folder: Path, meta: Mapping[str, Any]) -> TaskData:
        columns = ("sentence1", "sentence2") if self.pair else ("sentence1",)
        splits = {
            split: read_table(folder / f"{split}.parquet", self, columns, self.prepare_again)
            for split in self.splits
        }
        self.verify(folder, meta, self.describe(splits))
        found = self.identity(meta)
        if found["edition"] == TSV_EDITION and self.official_sha256 not in (None, found["sha256"]):
            found["edition"] = NOT_OFFICIAL
            log.warning(
                "%s: there are as many rows as in the official TSV files, but not the same (saved again with "
                "quotes, or stripped?); its scores compare with nobody else's. %s",
                *(folder, self.remedy),
            )
        return TaskData(**found, task=self, splits=splits, folder=folder)

    def _check(self, file: RemoteFile, mirror: Path | None, path: Path) -> None:
        read(path, self, file.name)

    def _advice(self, edition: str, mirror: Path | None) -> str:
        """What to put into the mirror to do without the hub's files."""
        if edition == TSV_EDITION or TSV_EDITION not in self.editions:
            return ""
        files = self.editions[TSV_EDITION]
        missing = [file for file in files if not in_mirror(file, mirror)]
        there = [file.name for file in files if file not in missing]
        wanted = ", ".join(f"{mirror or 'MIRROR'}/{file.mirror[0]}" for file in missing)
        if mirror is None:
            return f"The official TSV files would do as well: {wanted}."
        beside = f", beside {', '.join(there)}; a task is never read from two editions" if there else ""
        return f"The official TSV files would do as well; missing: {wanted}{beside}."


@dataclass(frozen=True, eq=False, kw_only=True)
class TaskData(Prepared):
    """A prepared task."""

    task: GlueTask
    splits: dict[str, Split]
    """`train` and each dev split."""
    folder: Path

    @property
    def summary(self) -> str:
        """Its size in words."""
        return base.in_words(self.splits, "examples")


def official(title: str, question: str, hub: Mapping[str, tuple[int, str]], **values: Any) -> GlueTask:
    """One of GLUE's own tasks, in both editions.

    `title`: as GLUE writes it, which is also the folder of the TSV files in a mirror's `glue/`; `hub`:
    split -> bytes and sha256 of the parquet file.
    """
    task = title.lower().replace("-", "")
    # There is no address of a single TSV file, only archives and this page that leads to them; they are
    # asked for only where a mirror has them all.
    page = "https://gluebenchmark.com/tasks"
    tsv, parquet = [], []
    for split, (size, sha256) in hub.items():
        name = f"{split}.tsv"
        tsv.append(RemoteFile(name, page, mirror=(f"glue/{title}/{name}",), split=split))
        name = f"{split.replace('dev', 'validation')}-00000-of-00001.parquet"
        place = f"nyu-mll/glue/resolve/{REVISION}/{task}/{name}"
        parquet.append(hub_file(place, f"glue/hub/{task}", sha256, size, split))
    return GlueTask(
        name=f"glue_{task}",
        about=f"{question} ({title})",
        license="none stated by GLUE; for research",
        editions={TSV_EDITION: tuple(tsv), HUB_EDITION: tuple(parquet)},
        **values,
    )


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


def _label_counts(task: GlueTask, split: Split) -> dict[str, int]:
    """Rows of each class; empty for regression."""
    return {label: int((split.labels == number).sum()) for number, label in enumerate(task.labels)}
