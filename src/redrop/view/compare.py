"""Two configurations, or two results folders, cell by cell: differences paired by seed.

Only seeds that both have are compared; the others are counted. Cells of different budgets, or of different
data under one name, are not compared: rankings depend on them. Any other setting that differs is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from redrop.analysis.collect import Group, Results, read_runs
from redrop.analysis.compared import budget
from redrop.analysis.scoring import SCORE
from redrop.analysis.settings import DEFAULT, difference, flat, show
from redrop.analysis.stats import Interval, paired_differences, t_interval
from redrop.analysis.summary import Summary, summarise
from redrop.checks import check_choice, suggest
from redrop.errors import ConfigError, RecordError
from redrop.record import METRICS

DEFAULT_METRICS = (SCORE, "val_loss_last")
"""What is compared if nobody says: the first of these that both sides have."""
ALL = "all"

EQUAL, NO_DIFFERENCE, ONE_SEED, NO_SEED = "equal", "no difference shown", "one seed", "no common seed"
NOT_COMPARED = "not compared"


class Cell(NamedTuple):
    """A configuration on a task."""

    study: str
    protocol: str
    task: str
    config: str


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
    def interval(self) -> Interval:
        """Of the mean difference."""
        return t_interval(list(self.differences.values()))

    @property
    def moved(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval.n > 1 and (self.interval.low > 0.0 or self.interval.high < 0.0)

    @property
    def outcome(self) -> str:
        """What the interval says, in words."""
        if self.refused is not None:
            return NOT_COMPARED
        if not self.differences:
            return NO_SEED
        if not any(self.differences.values()):
            return EQUAL
        if len(self.differences) == 1:
            return ONE_SEED
        if not self.moved:
            return NO_DIFFERENCE
        if self.higher_is_better is None:
            return "A higher" if self.interval.mean > 0.0 else "B higher"
        return "A better" if (self.interval.mean > 0.0) == self.higher_is_better else "B better"


@dataclass(frozen=True)
class Compared:
    """What `redrop compare` found."""

    found: list[Difference]
    only: dict[str, list[Cell]]
    """``A`` and ``B`` -> cells that only this folder has; none where two configurations were compared."""
    faults: dict[str, tuple[str, ...]]
    """Folder -> what is wrong with its runs that could not be read."""


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
    folders = (Path(a), Path(b)) if _are_folders(a, b) else (results,)
    sides = [read_side(folder, wanted) for folder in folders]
    first, last = cells_of(sides[0]), cells_of(sides[-1])
    known = sorted({ALL, *(name for side in sides for run in side.records for name in run.metrics)})
    for metric in metrics:
        if metric not in known:
            raise ConfigError(
                f"--metric: no metric {metric} in common (known: {', '.join(known)}){suggest(metric, known)}"
            )
    if len(sides) == 1:
        pairs, only = pairs_of(first, a, b, str(results), task), {}
    else:
        if task is not None:
            check_choice("--task", task, {cell.task for cell in (*first, *last)})
        pairs = [(cell, cell) for cell in first if cell in last and task in (None, cell.task)]
        only = {"A": [cell for cell in first if cell not in last]}
        only["B"] = [cell for cell in last if cell not in first]
    found = [each for pair in pairs for each in compare_cells(sides[0], sides[-1], *pair, metrics)]
    if not found:
        what = f"metric {', '.join(metrics)} in common" if metrics else "cell in common"
        raise ConfigError(f"{a} and {b}: no {what}; `--metric all` shows every metric that both have")
    faults = {str(folder): side.faults for folder, side in zip(folders, sides, strict=True)}
    return Compared(found, only, faults)


def _are_folders(a: str, b: str) -> bool:
    """Whether both are folders; raises ``ConfigError`` where only one is."""
    folders = [Path(text).is_dir() for text in (a, b)]
    if any(folders) and not all(folders):
        one, other = (a, b) if folders[0] else (b, a)
        raise ConfigError(f"{one} is a folder, but {other} is none; give two folders or two configurations")
    return all(folders)


def read_side(folder: Path, wanted: set[str] | None = None) -> Results:
    """All runs below a results folder, or below any folder; damaged ones are left out, see ``faults``.

    ``wanted``: ids of the runs that count. Raises ``ConfigError`` where there is not a single run, and
    ``RecordError`` where none can be read.
    """
    found, faults = read_runs(folder / "runs" if (folder / "runs").is_dir() else folder)
    if not found:
        raise ConfigError(f"{folder}: holds no finished run; name a results folder, such as results")
    kept = {one.run: one for one in reversed(found) if wanted is None or one.spec.run in wanted}
    return Results(list(kept.values()), faults=faults)


def cells_of(side: Results) -> list[Cell]:
    """All cells that have runs; those of one task together."""
    specs = (record.spec for record in side.records)
    return sorted({Cell(s.study, s.protocol, s.task, s.config) for s in specs})


def pairs_of(
    cells: Sequence[Cell], a: str, b: str, place: str, task: str | None = None
) -> list[tuple[Cell, Cell]]:
    """Two configurations of the folder ``place``, on each task that both were run on.

    Where only names are given, both are taken from one protocol at a time. Raises ``ConfigError`` where
    there is nothing to compare.
    """
    first, last = (_named(cells, text, place, task) for text in (a, b))
    free = "/" not in a or "/" not in b
    pairs = [
        (one, other)
        for one in first
        for other in last
        if (one.study, one.task) == (other.study, other.task) and (not free or one.protocol == other.protocol)
    ]
    if not pairs:
        where = [", ".join(f"{cell.protocol} on {cell.task}" for cell in own) for own in (first, last)]
        raise ConfigError(
            f"{a} and {b}: no task that both were run on in one protocol; "
            f"{a} is in {where[0]}, {b} in {where[1]}"
        )
    return pairs


def _named(cells: Sequence[Cell], text: str, place: str, task: str | None) -> list[Cell]:
    """The cells that ``config``, ``protocol/config`` or ``protocol/config/task`` names, at least one."""
    words = text.split("/")
    if len(words) > 3:
        raise ConfigError(f"{text}: no folder; write CONFIG, PROTOCOL/CONFIG or PROTOCOL/CONFIG/TASK")
    keys = ("config",) if len(words) == 1 else ("protocol", "config", "task")[: len(words)]
    wanted = dict(zip(keys, words, strict=True)) | ({} if task is None else {"task": task})
    found = [cell for cell in cells if all(getattr(cell, key) == word for key, word in wanted.items())]
    if not found:
        hint = suggest(text, {"/".join(getattr(cell, key) for key in keys) for cell in cells})
        where = f" on {task}" if task else ""
        raise ConfigError(f"{text}: no folder, and no run of it{where} in {place}{hint}")
    return found


def compare_cells(
    a: Results, b: Results, cell_a: Cell, cell_b: Cell, metrics: Sequence[str] = ()
) -> Iterator[Difference]:
    """One row a metric; a single one that says why, where the cells are not comparable.

    ``metrics``: which; none: the score, or the last validation loss; ``all``: all that both have.
    """
    try:
        one, other = (
            side.group(cell.study, cell.protocol, cell.config, cell.task)
            for side, cell in ((a, cell_a), (b, cell_b))
        )
    except RecordError as error:
        yield Difference(cell_a, cell_b, refused=str(error))
        return
    mine, theirs = flat(one.spec), flat(other.spec)
    settings = tuple(
        f"{key} {show(mine.get(key, DEFAULT))} / {show(theirs.get(key, DEFAULT))}"
        for key in difference(mine, theirs)
    )
    refused = _incomparable(one, other)
    if refused is not None:
        yield Difference(cell_a, cell_b, settings=settings, refused=refused)
        return
    has, all_of = (
        dict.fromkeys(name for record in group.records for name in record.metrics) for group in (other, one)
    )
    both = [name for name in all_of if name in has]
    asked = metrics or [name for name in DEFAULT_METRICS if name in both][:1]
    for metric in both if ALL in asked else [name for name in asked if name in both]:
        yield _difference(cell_a, one, cell_b, other, metric, settings)


def _incomparable(a: Group, b: Group) -> str | None:
    """Why two cells are not compared; None: they are."""
    if budget(a) != budget(b):
        return f"budgets differ: {budget(a)} and {budget(b)}"
    data_a, data_b = a.records[0].data, b.records[0].data
    keys = [key for key in sorted({*data_a, *data_b}) if data_a.get(key) != data_b.get(key)]
    return f"data differ: {', '.join(keys)}" if keys else None


def _difference(
    cell_a: Cell, a: Group, cell_b: Cell, b: Group, metric: str, settings: tuple[str, ...]
) -> Difference:
    """Compare two cells by a metric."""
    found = [{record.spec.seed: record.value(metric) for record in group.done} for group in (a, b)]
    pairs = paired_differences(*reversed(found))
    mine, other = (
        next(record.metrics[metric] for record in group.records if metric in record.metrics)
        for group in (a, b)
    )
    if mine.signature != other.signature:
        settings = (*settings, f"signature of {metric}: {mine.signature} / {other.signature}")
    files = [{one.spec.seed: one.folder / METRICS for one in group.records} for group in (a, b)]
    return Difference(
        cell_a,
        cell_b,
        metric,
        mine.higher_is_better,
        *(summarise(values[seed] for seed in pairs) for values in found),
        pairs,
        *(tuple(seed for seed in own if seed not in pairs) for own in files),
        sum(files[0][seed].read_bytes() == files[1][seed].read_bytes() for seed in pairs),
        settings,
    )
