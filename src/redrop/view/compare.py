"""Two configurations, or two results folders, cell by cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redrop.checks import check_choice, suggest
from redrop.errors import ConfigError
from redrop.view.differences import ALL, Difference, compare_cells
from redrop.view.sides import Cell, Side, matching_cells, only_in, read_side


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
        _check_metrics([one, other], metrics)
        if task is not None:
            check_choice("--task", task, {cell.task for cell in (*one.cells, *other.cells)})
        found = compare_folders(one, other, metrics)
        compared = Compared(one, other, _on(task, found), only_in(one, other), only_in(other, one))
    else:
        side = read_side(results, wanted)
        _check_metrics([side], metrics)
        compared = Compared(side, side, _on(task, compare_configurations(side, a, b, metrics, task)))
    if not compared.found:
        what = f"metric {', '.join(metrics)} in common" if metrics else "cell in common"
        raise ConfigError(f"{a} and {b}: no {what}; `--metric all` shows every metric that both have")
    return compared


def _check_metrics(sides: Sequence[Side], metrics: Sequence[str]) -> None:
    """Refuse a metric that no run has."""
    known = sorted({ALL, *(name for side in sides for run in side.results.records for name in run.metrics)})
    for metric in metrics:
        if metric not in known:
            raise ConfigError(
                f"--metric: no metric {metric} in common (known: {', '.join(known)}){suggest(metric, known)}"
            )


def _on(task: str | None, found: Iterable[Difference]) -> list[Difference]:
    return [each for each in found if task is None or each.a.task == task]


def are_folders(a: str, b: str) -> bool:
    """Whether both are folders; raises ``ConfigError`` where only one is."""
    folders = [Path(text).is_dir() for text in (a, b)]
    if any(folders) and not all(folders):
        one, other = (a, b) if folders[0] else (b, a)
        raise ConfigError(f"{one} is a folder, but {other} is none; give two folders or two configurations")
    return all(folders)


def compare_folders(a: Side, b: Side, metrics: Sequence[str] = ()) -> Iterator[Difference]:
    """Every cell that both have."""
    others = set(b.cells)
    for cell in a.cells:
        if cell in others:
            yield from compare_cells(a, cell, b, cell, metrics)


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
