"""Gather finished runs: every record below a folder, each configuration's seeds together.

A run that the config in use does not ask for (an older setting, another experiment) is left out and
counted; where no config says which runs count, two runs that claim the same place are an error.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop.analysis.settings import difference, flat
from redrop.analysis.summary import Summary, summarise
from redrop.errors import RecordError
from redrop.layout import RUN_SUFFIX
from redrop.record import (
    CURVE,
    DIVERGED,
    DONE,
    METRICS,
    RunRecord,
    read_curve,
    read_whole,
    same_result,
    write_text,
)
from redrop.spec import RunSpec

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = [
    "study",
    "protocol",
    "config",
    "method",
    "task",
    "model",
    "seed",
    "run",
    "metric",
    "split",
    "value",
    "n",
    "higher_is_better",
    "status",
]
"""Columns of runs.csv, in order."""

HARMLESS = ("evaluation.",)
"""Settings in which averaged seeds may differ: how often was looked."""
HARMLESS_IN_DECODING = ("evaluation.batch_tokens",)
"""The same where outputs are searched for: how decides what is found."""

Key = tuple[str, str, str, str]
"""Study, protocol, configuration, task."""


def find_runs(folder: Path) -> list[Path]:
    """Every folder at or below ``folder`` that holds a metrics.json, sorted."""
    return sorted(Path(place) for place, _, files in os.walk(folder) if METRICS in files)


def read_runs(folder: Path) -> tuple[list[RunRecord], tuple[str, ...]]:
    """The records below ``folder``, and what is wrong with those that are damaged.

    Raises ``RecordError`` where none can be read.
    """
    records, faults = [], []
    for path in find_runs(Path(folder)):
        try:
            records.append(read_whole(path))
        except RecordError as error:
            faults.append(str(error))
    if faults and not records:
        raise RecordError(f"{folder}: all {len(faults)} runs are damaged; the first: {faults[0]}")
    return records, tuple(faults)


@dataclass(frozen=True)
class Group:
    """The seeds of one configuration on one task; its numbers are averages over them."""

    study: str
    protocol: str
    config: str
    task: str
    records: tuple[RunRecord, ...] = ()
    """In the order of their seeds, diverged ones included."""
    missing: int = 0
    """Runs that the config asks for and that are not there."""

    @property
    def done(self) -> list[RunRecord]:
        """The runs that reached their last iteration."""
        return [record for record in self.records if record.status == DONE]

    @property
    def diverged(self) -> list[RunRecord]:
        """The runs that did not."""
        return [record for record in self.records if record.status == DIVERGED]

    @property
    def spec(self) -> RunSpec | None:
        """The settings that all of its runs share (of the lowest seed); None without a run."""
        return self.records[0].spec if self.records else None

    def summary(self, metric: str) -> Summary:
        """Mean, standard deviation and n of a metric over the runs that are done."""
        return summarise(record.value(metric) for record in self.done)


@dataclass
class Results:
    """All runs of a folder."""

    records: list[RunRecord]
    """Sorted by study, protocol, configuration, task, seed."""
    left_out: int = 0
    """Runs that were found but are not wanted."""
    wanted: frozenset[str] | None = None
    """Ids of the runs that the config asks for; None: whatever is there."""
    faults: tuple[str, ...] = ()
    """What is wrong with the runs that could not be read; they are left out."""
    _ids: dict[str, RunRecord] = field(default_factory=dict, repr=False)
    _groups: dict[Key, list[RunRecord]] = field(default_factory=dict, repr=False)
    _missing: Counter[str] = field(default_factory=Counter, repr=False)
    _curves: dict[str, pd.DataFrame] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self.records = sorted(self.records, key=_order)
        found: set[str] = set()
        for record in self.records:
            self._ids[record.run] = record
            found.add(record.spec.run)
            self._groups.setdefault(_key(record), []).append(record)
        absent = (self.wanted or frozenset()) - found
        self._missing.update(RUN_SUFFIX.sub("", run) for run in absent)

    @classmethod
    def load(cls, folder: Path, wanted: set[str] | None = None) -> Results:
        """Read every record below ``folder``; damaged ones are left out, see ``faults``.

        ``wanted``: ids of the runs that count; others are left out and counted. Raises
        ``RecordError`` where all are damaged, for one run in two folders with different results,
        and, without ``wanted``, for two runs of the same study, protocol, configuration, task and
        seed.
        """
        kept: dict[str, RunRecord] = {}
        left_out = 0
        found, faults = read_runs(folder)
        for record in found:
            path, run = record.folder, record.spec.run
            if wanted is not None and run not in wanted:
                left_out += 1
            elif run not in kept:
                kept[run] = record
            elif kept[run].run != record.run:  # recorded by an earlier version, too: today's counts
                left_out += 1
                kept[run] = min(kept[run], record, key=lambda one: one.run != run)
            elif not same_result(kept[run], record):
                raise RecordError(
                    f"{kept[run].folder} and {path} hold the same run with different results; "
                    "move one of them away"
                )
        records = list(kept.values())
        if wanted is None:
            _refuse_duplicates(records)
        return cls(records, left_out, None if wanted is None else frozenset(wanted), faults)

    def of_study(self, study: str) -> Results:
        """Only the runs of one study."""
        records = [record for record in self.records if record.spec.study == study]
        return Results(records, self.left_out, self.wanted, self.faults)

    def protocols(self, study: str) -> dict[str, list[str]]:
        """Protocols of a study that have runs -> their tasks, sorted."""
        found: dict[str, set[str]] = {}
        for of, protocol, _, task in self._groups:
            if of == study:
                found.setdefault(protocol, set()).add(task)
        return {protocol: sorted(tasks) for protocol, tasks in sorted(found.items())}

    def configs(self, study: str, protocol: str, task: str) -> list[str]:
        """Configurations of a protocol and task that have runs, sorted."""
        return sorted(key[2] for key in self._groups if key[:2] + key[3:] == (study, protocol, task))

    def group(self, study: str, protocol: str, config: str, task: str) -> Group:
        """The seeds of a configuration, none of which need be there.

        Raises ``RecordError`` where they cannot be averaged: two of one seed, or different
        settings.
        """
        records = self._groups.get((study, protocol, config, task), [])
        for one, other in itertools.pairwise(records):
            _refuse_mixture(one, other)
        missing = self._missing[f"{protocol}-{config}-{task}"]
        return Group(study, protocol, config, task, tuple(records), missing)

    def rows(self, run: str) -> list[dict[str, Any]]:
        """A run's evaluations, as its curve has them."""
        record = self._ids[run]
        return read_curve(record.folder, record.files.get(CURVE))

    def curve(self, run: str) -> pd.DataFrame:
        """A run's curve: iteration, train_loss, val_loss, learning_rate; NaN where it diverged."""
        import pandas as pd

        if run not in self._curves:
            columns = ["iteration", "train_loss", "val_loss", "learning_rate"]
            frame = pd.DataFrame(self.rows(run)).reindex(columns=columns)
            self._curves[run] = frame.astype(float).astype({"iteration": int})
        return self._curves[run]

    def runs_frame(self) -> pd.DataFrame:
        """The long form: one row a run and metric, in the order of ``COLUMNS``."""
        import pandas as pd

        rows = []
        for record in self.records:
            spec, run = record.spec, record.run
            head = [spec.study, spec.protocol, spec.config, spec.objective.name]
            head += [spec.task, spec.model.name, spec.seed, run]
            for name, metric in sorted(record.metrics.items()):
                tail = [name, metric.split, metric.value, metric.n, metric.higher_is_better]
                rows.append([*head, *tail, record.status])
        frame = pd.DataFrame(rows, columns=COLUMNS)
        return frame.astype({"value": "float64", "n": "Int64", "higher_is_better": "boolean"})

    def write_runs_csv(self, path: Path) -> None:
        """Write the long form; a value that a diverged run does not have is empty."""
        write_text(Path(path), self.runs_frame().to_csv(index=False, lineterminator="\n"))


def _key(record: RunRecord) -> Key:
    spec = record.spec
    return spec.study, spec.protocol, spec.config, spec.task


def _order(record: RunRecord) -> tuple[Key, int, str]:
    return _key(record), record.spec.seed, str(record.folder)


def _refuse_duplicates(records: list[RunRecord]) -> None:
    seen: dict[tuple[Key, int], RunRecord] = {}
    for record in records:
        place = _key(record), record.spec.seed
        if place in seen:
            raise RecordError(
                f"{seen[place].folder} and {record.folder} are two runs of {'/'.join(place[0])}, "
                f"seed {place[1]}; pass the config that chooses between them "
                "(redrop collect --config FILE), or move one away"
            )
        seen[place] = record


def _refuse_mixture(one: RunRecord, other: RunRecord) -> None:
    if one.spec.seed == other.spec.seed:
        what = f"two runs of seed {one.spec.seed}"
    else:
        harmless = HARMLESS_IN_DECODING if one.spec.kind.decodes else HARMLESS
        mixed = [key for key in difference(flat(one.spec), flat(other.spec)) if not key.startswith(harmless)]
        mixed += [f"data.{key}" for key, value in one.data.items() if other.data.get(key) != value]
        if not mixed:
            return
        what = f"runs that differ in {', '.join(mixed)}"
    raise RecordError(
        f"{one.folder} and {other.folder} are {what} under one configuration, which cannot be averaged; "
        "ask for one of them in the config, or move one away"
    )
