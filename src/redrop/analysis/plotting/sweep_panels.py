"""A panel a configuration, a line of panels a sweep, one scale along the line."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Collection
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redrop.analysis.collect import Group, Results
from redrop.analysis.plotting import style
from redrop.analysis.plotting.configurations import (
    Configuration,
    common_budget,
    fit,
    sweep_configurations,
    val_curves,
)
from redrop.analysis.study_results import StudyResults
from redrop.study import Protocol, Sweep

COLUMNS = 4
TITLE_WIDTH = 28
"""Characters of a panel's title in one line."""
WIDTH, HEIGHT = 1.75, 1.5
"""Inches of a panel."""
CUT_SHARE = 0.3
"""Share of a run that may lie above the panels, so that their scale is that of the rest."""


@dataclass(frozen=True)
class SweepLine:
    """The panels of a sweep."""

    sweep: Sweep
    shown: list[Configuration]
    control: Configuration | None
    """Its lowest rate that was run; None where the sweep is over no rate."""
    budget: int


def lines_of(
    data: StudyResults,
    protocol: str,
    task: str,
    has: Callable[[Group], bool] = lambda group: bool(group.done),
) -> list[SweepLine]:
    """Every sweep over a rate with what was run of it, then what is in no such sweep."""
    sweeps = sorted(data.study.protocol(protocol).sweeps.values(), key=lambda sweep: sweep.rate is None)
    lines: list[SweepLine] = []
    seen: set[str] = set()
    for sweep in sweeps:
        series = sweep_configurations(data, protocol, task, sweep)
        shown = [one for one in series if has(one.group) and (sweep.rate or one.config not in seen)]
        seen |= {one.config for one in shown}
        if shown:
            lines.append(SweepLine(sweep, shown, shown[0] if sweep.rate else None, common_budget(shown)))
    return lines


def panel_grid(
    title: str, lines: list[SweepLine], y: str, empty: str = "no finished run"
) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with a panel for each of the lines' series; without any, one that says ``empty``."""
    columns = min(COLUMNS, max((len(line.shown) for line in lines), default=1))
    heights = [math.ceil(len(line.shown) / columns) for line in lines]
    width = max(style.title_width(title), WIDTH * columns)
    figure = style.new_figure(width, 0.9 + HEIGHT * max(1, sum(heights)), title)
    grid = figure.subplots(max(1, sum(heights)), columns, squeeze=False)
    if not lines:
        style.say_empty(grid[0][0], empty)
        grid[0][0].set_xticks([])
        return figure, []
    panels: list[list[Axes]] = []
    used = 0
    for line, height in zip(lines, heights, strict=True):
        places = list(grid[used : used + height].flat)
        used += height
        for axes in places[len(line.shown) :]:
            axes.remove()
        panels.append(places[: len(line.shown)])
        for number, (axes, one) in enumerate(zip(panels[-1], line.shown, strict=True)):
            head = f"{line.sweep.name}: " if line.sweep.rate else ""
            axes.set_title(f"{head}{one.name}")
            margin = 0.03 * line.budget
            axes.set_xlim(-margin, line.budget + margin)
            axes.xaxis.set_major_formatter(style.thousands)
            axes.locator_params(axis="x", nbins=4)
            if number % columns == 0:
                axes.set_ylabel(y)
            else:
                axes.tick_params(labelleft=False)
            if line is lines[-1] and number + columns >= len(line.shown):
                axes.set_xlabel("iteration")
    return figure, panels


def has_rate(protocol: Protocol) -> bool:
    """Whether any of its sweeps is over a rate."""
    return any(sweep.rate for sweep in protocol.sweeps.values())


def rate_grid(
    protocol: Protocol, title: str, y: str, head: float, height: float, in_pairs: Collection[int]
) -> tuple[Figure, list[tuple[Axes, Sweep]]]:
    """An empty figure with a panel for each sweep over a rate, three in a line.

    ``head`` and ``height`` of a line: inches. ``in_pairs``: numbers of sweeps that stand two in a line.
    """
    sweeps = [sweep for sweep in protocol.sweeps.values() if sweep.rate]
    columns = 2 if len(sweeps) in in_pairs else min(3, len(sweeps))
    lines = math.ceil(len(sweeps) / columns)
    figure = style.new_figure(style.DOUBLE, head + height * lines, title)
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid[:, 0]:
        axes.set_ylabel(y)
    for axes in grid.flat[len(sweeps) :]:
        axes.remove()
    for axes, sweep in zip(grid.flat, sweeps, strict=False):
        axes.set_title(textwrap.fill(sweep.title, TITLE_WIDTH, break_on_hyphens=False))
    return figure, list(zip(grid.flat, sweeps, strict=False))


def fit_losses(panels: list[Axes], line: SweepLine, results: Results) -> None:
    """One scale for a line of panels: all but the head of its curves."""
    ranges = []
    for one in line.shown:
        curves = val_curves(results, one.group)
        late = [curve.loc[CUT_SHARE * line.budget : line.budget].dropna() for curve in curves]
        late = [curve for curve in late if len(curve)]
        if late:
            ranges.append((min(map(min, late)), max(map(max, late))))
    if ranges:
        fit(panels, ranges, 0.05)


def all_groups(data: StudyResults, protocol: str, task: str) -> list[Group]:
    """A group for every row of the protocol."""
    return [data.group(protocol, row, task) for row in data.row_names(protocol)]
