"""The difference of two cells, paired by seed.

Only seeds that both have are compared; the others are counted. Cells of different budgets, or of different
data under one name, are not compared: rankings depend on them. Any other setting that differs is listed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from redrop.analysis.collect import Group
from redrop.analysis.compared import budget
from redrop.analysis.scoring import SCORE
from redrop.analysis.settings import flat, show
from redrop.analysis.stats import Interval, paired_differences, t_interval
from redrop.analysis.summary import Summary, summarise
from redrop.errors import RecordError
from redrop.record import METRICS, Metric
from redrop.view.sides import Cell, Side

DEFAULT_METRICS = (SCORE, "val_loss_last")
"""What is compared if nobody says: the first of these that both sides have."""
ALL = "all"

EQUAL, NO_DIFFERENCE, ONE_SEED, NO_SEED = "equal", "no difference shown", "one seed", "no common seed"
NOT_COMPARED = "not compared"


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
        yield _difference(cell_a, group_a, cell_b, group_b, metric, settings)


def _difference(
    cell_a: Cell, group_a: Group, cell_b: Cell, group_b: Group, metric: str, settings: tuple[str, ...]
) -> Difference:
    """Compare two cells by a metric."""
    a, b = (values(group, metric) for group in (group_a, group_b))
    pairs = paired_differences(b, a)
    mine, other = (metric_of(group, metric) for group in (group_a, group_b))
    if mine.signature != other.signature:
        settings = (*settings, f"signature of {metric}: {mine.signature} / {other.signature}")
    folders = [{record.spec.seed: record.folder for record in group.records} for group in (group_a, group_b)]
    equal = sum(
        (folders[0][seed] / METRICS).read_bytes() == (folders[1][seed] / METRICS).read_bytes()
        for seed in pairs
    )
    return Difference(
        cell_a,
        cell_b,
        metric,
        mine.higher_is_better,
        summarise(a[seed] for seed in pairs),
        summarise(b[seed] for seed in pairs),
        pairs,
        t_interval(list(pairs.values())),
        tuple(seed for seed in folders[0] if seed not in pairs),
        tuple(seed for seed in folders[1] if seed not in pairs),
        equal,
        settings,
    )


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
