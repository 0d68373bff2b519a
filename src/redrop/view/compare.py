"""Two configurations, or two results folders, cell by cell: differences paired by seed, with intervals.

A cell is a configuration on a task. Only seeds that both sides have are compared; the others are counted.
Cells of different budgets, or of different data under one name, are not compared: rankings depend on them.
Any other setting that differs is listed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redrop.analysis.claims import budget
from redrop.analysis.collect import Group, Results, find_runs
from redrop.analysis.scoring import SCORE
from redrop.analysis.settings import flat, show
from redrop.analysis.stats import Interval, paired_differences, t_interval
from redrop.analysis.summary import Summary, summarise
from redrop.errors import ConfigError, RecordError
from redrop.record import METRICS, Metric, RunRecord, read_record

DEFAULT_METRICS = (SCORE, "val_loss_last")
"""What is compared if nobody says: the first of these that both sides have."""
ALL = "all"

EQUAL, NO_DIFFERENCE, ONE_SEED, NO_SEED = "equal", "no difference shown", "one seed", "no common seed"
NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Cell:
    """Which configuration, on what."""

    study: str
    protocol: str
    config: str
    task: str


@dataclass(frozen=True)
class Side:
    """The runs of one results folder that could be read, and what is wrong with the others."""

    name: str
    results: Results
    faults: tuple[str, ...] = ()

    @property
    def cells(self) -> list[Cell]:
        """All cells that have runs; those of one task together."""
        specs = (record.spec for record in self.results.records)
        found = {Cell(s.study, s.protocol, s.config, s.task) for s in specs}
        return sorted(found, key=lambda cell: (cell.study, cell.protocol, cell.task, cell.config))

    def group(self, cell: Cell) -> Group:
        """A cell's runs; raises ``RecordError`` where they cannot be averaged."""
        return self.results.group(cell.study, cell.protocol, cell.config, cell.task)


@dataclass(frozen=True)
class Difference:
    """One metric of a pair of cells."""

    a: Cell
    b: Cell
    metric: str = ""
    higher_is_better: bool | None = None
    summary_a: Summary = field(default_factory=lambda: summarise([]))
    """Over the common seeds, as is the next."""
    summary_b: Summary = field(default_factory=lambda: summarise([]))
    differences: dict[int, float] = field(default_factory=dict)
    """Seed -> A minus B."""
    interval: Interval = field(default_factory=lambda: t_interval([]))
    unpaired_a: tuple[int, ...] = ()
    """Seeds that only A has, or whose run of B did not end."""
    unpaired_b: tuple[int, ...] = ()
    equal_files: int = 0
    """Pairs whose metrics.json are equal byte by byte."""
    settings: tuple[str, ...] = ()
    """Settings that differ, as text."""
    refused: str | None = None
    """Why the cells are not compared."""

    @property
    def moved(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval.n > 1 and (self.interval.low > 0.0 or self.interval.high < 0.0)

    @property
    def outcome(self) -> str:
        """What the interval says, in words."""
        if self.refused is not None:
            return NOT_COMPARED
        if not self.interval.n:
            return NO_SEED
        if not any(self.differences.values()):
            return EQUAL
        if self.interval.n == 1:
            return ONE_SEED
        if not self.moved:
            return NO_DIFFERENCE
        if self.higher_is_better is None:
            return "A higher" if self.interval.mean > 0.0 else "B higher"
        return "A better" if (self.interval.mean > 0.0) == self.higher_is_better else "B better"


def are_folders(a: str, b: str) -> bool:
    """Whether both are folders; raises ``ConfigError`` where only one is."""
    folders = [Path(text).is_dir() for text in (a, b)]
    if any(folders) and not all(folders):
        one, other = (a, b) if folders[0] else (b, a)
        raise ConfigError(f"{one} is a folder, but {other} is none; give two folders or two configurations")
    return all(folders)


def read_side(folder: Path, wanted: set[str] | None = None) -> Side:
    """All runs below a results folder, or below any folder; damaged ones are named in ``faults``.

    ``wanted``: ids of the runs that count. Raises ``ConfigError`` where there is not a single run, and
    ``RecordError`` where none can be read.
    """
    place = folder / "runs" if (folder / "runs").is_dir() else folder
    records: dict[str, RunRecord] = {}
    faults = []
    found = find_runs(place)
    for path in found:
        try:
            record = read_record(path)
        except RecordError as error:
            faults.append(str(error))
            continue
        if wanted is None or record.run in wanted:
            records.setdefault(record.run, record)
    if not found:
        raise ConfigError(f"{folder}: holds no finished run; name a results folder, such as results")
    if len(faults) == len(found):
        raise RecordError(f"{folder}: all {len(faults)} runs are damaged; the first: {faults[0]}")
    return Side(str(folder), Results(list(records.values())), tuple(faults))


def compare_folders(a: Side, b: Side, metrics: Sequence[str] = ()) -> Iterator[Difference]:
    """Every cell that both have."""
    others = set(b.cells)
    for cell in a.cells:
        if cell in others:
            yield from compare_cells(a, cell, b, cell, metrics)


def only_in(a: Side, b: Side) -> list[Cell]:
    """Cells of ``a`` that ``b`` has no run of."""
    others = set(b.cells)
    return [cell for cell in a.cells if cell not in others]


@dataclass(frozen=True)
class Compared:
    """What `redrop compare` found."""

    a: Side
    b: Side
    found: list[Difference]
    only_a: list[Cell] = field(default_factory=list)
    """Cells that only the first folder has; none where two configurations were compared."""
    only_b: list[Cell] = field(default_factory=list)


def compare(
    a: str,
    b: str,
    results: Path,
    *,
    metrics: Sequence[str] = (),
    task: str | None = None,
    wanted: set[str] | None = None,
) -> Compared:
    """Two results folders, or two configurations in ``results``.

    ``metrics``: as of ``compare_cells``; ``task``: only that one; ``wanted``: ids of the runs that count.
    Raises ``ConfigError`` where there is nothing to compare.
    """
    if are_folders(a, b):
        one, other = (read_side(Path(folder), wanted) for folder in (a, b))
        found = compare_folders(one, other, metrics)
        compared = Compared(one, other, _on(task, found), only_in(one, other), only_in(other, one))
    else:
        side = read_side(results, wanted)
        compared = Compared(side, side, _on(task, compare_configurations(side, a, b, metrics, task)))
    if not compared.found:
        what = f"metric {', '.join(metrics)} in common" if metrics else "cell in common"
        raise ConfigError(f"{a} and {b}: no {what}; `--metric all` shows every metric that both have")
    return compared


def _on(task: str | None, found: Iterable[Difference]) -> list[Difference]:
    return [each for each in found if task is None or each.a.task == task]


def compare_cells(
    a: Side, cell_a: Cell, b: Side, cell_b: Cell, metrics: Sequence[str] = ()
) -> Iterator[Difference]:
    """One row a metric; a single one that says why, where the cells are not comparable.

    ``metrics``: which; none: the score, or the last validation loss; ``all``: all that both have.
    """
    try:
        group_a, group_b = a.group(cell_a), b.group(cell_b)
    except RecordError as error:
        yield Difference(cell_a, cell_b, refused=str(error))
        return
    settings = tuple(changed_settings(group_a, group_b))
    refused = incomparable(group_a, group_b)
    if refused is not None:
        yield Difference(cell_a, cell_b, settings=settings, refused=refused)
        return
    for metric in chosen_metrics(group_a, group_b, metrics):
        yield difference(group_a, group_b, metric, settings)


def difference(group_a: Group, group_b: Group, metric: str, settings: tuple[str, ...] = ()) -> Difference:
    """Compare two cells by a metric."""
    a, b = (values(group, metric) for group in (group_a, group_b))
    pairs = paired_differences(b, a)
    mine, other = (metric_of(group, metric) for group in (group_a, group_b))
    if mine.signature != other.signature:
        settings = (*settings, f"signature of {metric}: {mine.signature} / {other.signature}")
    records = [{record.spec.seed: record for record in group.records} for group in (group_a, group_b)]
    equal = sum(
        (records[0][seed].folder / METRICS).read_bytes() == (records[1][seed].folder / METRICS).read_bytes()
        for seed in pairs
    )
    return Difference(
        cell_of(group_a),
        cell_of(group_b),
        metric,
        mine.higher_is_better,
        summarise(a[seed] for seed in pairs),
        summarise(b[seed] for seed in pairs),
        pairs,
        t_interval(list(pairs.values())),
        tuple(seed for seed in records[0] if seed not in pairs),
        tuple(seed for seed in records[1] if seed not in pairs),
        equal,
        settings,
    )


def cell_of(group: Group) -> Cell:
    """The cell that its runs are of."""
    return Cell(group.study, group.protocol, group.config, group.task)


def values(group: Group, metric: str) -> dict[int, float]:
    """Seed -> the metric of the runs that are done and have it."""
    found = {record.spec.seed: record.value(metric) for record in group.done}
    return {seed: value for seed, value in found.items() if math.isfinite(value)}


def metric_of(group: Group, metric: str) -> Metric:
    """How a metric was measured."""
    return next(record.metrics[metric] for record in group.records if metric in record.metrics)


def metric_names(group: Group) -> list[str]:
    """All metrics of its runs."""
    return list(dict.fromkeys(name for record in group.records for name in record.metrics))


def chosen_metrics(a: Group, b: Group, asked: Sequence[str]) -> list[str]:
    """The metrics to compare, of those that both have."""
    both = [name for name in metric_names(a) if name in metric_names(b)]
    if ALL in asked:
        return both
    if not asked:
        return [name for name in DEFAULT_METRICS if name in both][:1]
    return [name for name in asked if name in both]


def incomparable(a: Group, b: Group) -> str | None:
    """Why two cells are not compared; None: they are."""
    if budget(a) != budget(b):
        return f"budgets differ: {budget(a)} and {budget(b)}"
    data_a, data_b = a.records[0].data, b.records[0].data
    if data_a != data_b:
        keys = [key for key in sorted({*data_a, *data_b}) if data_a.get(key) != data_b.get(key)]
        return f"data differ: {', '.join(keys)}"
    return None


def changed_settings(a: Group, b: Group) -> Iterator[str]:
    """``model.skip1_dropout 0 / 0.025`` for each setting that differs."""
    mine, other = flat(a.spec), flat(b.spec)
    for key in dict.fromkeys([*mine, *other]):
        if mine.get(key) != other.get(key):
            yield f"{key} {show(mine.get(key))} / {show(other.get(key))}"


def matching_cells(side: Side, text: str, task: str | None = None) -> list[Cell]:
    """The cells that ``config``, ``protocol/config`` or ``protocol/config/task`` names.

    Raises ``ConfigError`` with what there is, where it names none.
    """
    from redrop.checks import suggest

    words = text.split("/")
    if len(words) > 3:
        raise ConfigError(f"{text}: no folder; write CONFIG, PROTOCOL/CONFIG or PROTOCOL/CONFIG/TASK")
    wanted = dict(
        zip(("config",) if len(words) == 1 else ("protocol", "config", "task"), words, strict=False)
    )
    if task is not None:
        wanted["task"] = task
    found = [cell for cell in side.cells if all(getattr(cell, key) == word for key, word in wanted.items())]
    if not found:
        parts = len(words)
        known = sorted(
            {"/".join(_names(cell)[:parts] if parts > 1 else (cell.config,)) for cell in side.cells}
        )
        hint = suggest(text, known)
        where = f" on {task}" if task else ""
        raise ConfigError(f"{text}: no folder, and no run of it{where} in {side.name}{hint}")
    return found


def _names(cell: Cell) -> tuple[str, str, str]:
    return cell.protocol, cell.config, cell.task


def compare_configurations(
    side: Side, a: str, b: str, metrics: Sequence[str] = (), task: str | None = None
) -> Iterator[Difference]:
    """Two configurations of one folder, on each task that both were run on.

    Where only names are given, both are taken from one protocol at a time. Raises ``ConfigError`` where
    there is nothing to compare.
    """
    cells_a, cells_b = (matching_cells(side, text, task) for text in (a, b))
    free = "/" not in a or "/" not in b
    pairs = [
        (one, other)
        for one in cells_a
        for other in cells_b
        if (one.study, one.task) == (other.study, other.task) and (not free or one.protocol == other.protocol)
    ]
    if not pairs:
        raise ConfigError(
            f"{a} and {b}: no task that both were run on in one protocol; "
            f"{a} is in {_where(cells_a)}, {b} in {_where(cells_b)}"
        )
    for one, other in pairs:
        yield from compare_cells(side, one, side, other, metrics)


def _where(cells: Iterable[Cell]) -> str:
    return ", ".join(f"{cell.protocol} on {cell.task}" for cell in cells)
