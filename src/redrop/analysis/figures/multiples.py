"""Small multiples: a panel a configuration, a line of panels a sweep, one scale along the line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redrop.analysis.collect import Group, Results
from redrop.analysis.figures import style
from redrop.analysis.figures.drawn import Drawn, Row
from redrop.analysis.figures.series import (
    Series,
    absent_text,
    budget_text,
    common_budget,
    reach,
    seeds_text,
    sweep_series,
)
from redrop.analysis.reported import Reported
from redrop.study import Study, Sweep

COLUMNS = 4
WIDTH, HEIGHT = 1.75, 1.5
"""Inches of a panel."""
HEAD = 0.3
"""Share of a run that may lie above the panels, so that their scale is that of the rest."""


@dataclass(frozen=True)
class Line:
    """The panels of a sweep."""

    sweep: Sweep
    shown: list[Series]
    control: Series | None
    """Its lowest rate that was run; None where the sweep is over no rate."""
    budget: int


def lines_of(
    results: Results,
    study: Study,
    protocol: str,
    task: str,
    has: Callable[[Group], bool] = lambda group: bool(group.done),
) -> list[Line]:
    """Every sweep over a rate with what was run of it, then what is in no such sweep."""
    sweeps = sorted(study.protocol(protocol).sweeps.values(), key=lambda sweep: sweep.rate is None)
    lines: list[Line] = []
    seen: set[str] = set()
    for sweep in sweeps:
        series = sweep_series(results, study, protocol, task, sweep)
        shown = [one for one in series if has(one.group) and (sweep.rate or one.config not in seen)]
        seen |= {one.config for one in shown}
        if shown:
            lines.append(Line(sweep, shown, shown[0] if sweep.rate else None, common_budget(shown)))
    return lines


def frame(
    title: str, lines: list[Line], y: str, empty: str = "no finished run"
) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure with a panel for each of the lines' series; without any, one that says ``empty``."""
    columns = min(COLUMNS, max((len(line.shown) for line in lines), default=1))
    heights = [math.ceil(len(line.shown) / columns) for line in lines]
    width = max(style.title_width(title), WIDTH * columns)
    figure = style.new_figure(width, 0.9 + HEIGHT * max(1, sum(heights)))
    figure.suptitle(title)
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
            axes.xaxis.set_major_formatter(style.thousands_formatter())
            axes.locator_params(axis="x", nbins=4)
            if number % columns == 0:
                axes.set_ylabel(y)
            else:
                axes.tick_params(labelleft=False)
            if line is lines[-1] and number + columns >= len(line.shown):
                axes.set_xlabel("iteration")
    return figure, panels


def fit_losses(panels: list[Axes], line: Line, curves: dict[str, list[pd.Series]]) -> None:
    """One scale for a line of panels: all but the head of its curves."""
    ranges = []
    for one in line.shown:
        parts = [curve.loc[HEAD * line.budget : line.budget].dropna() for curve in curves[one.config]]
        parts = [part for part in parts if len(part)]
        if parts:
            ranges.append((min(map(min, parts)), max(map(max, parts))))
    if not ranges:
        return
    low, high = min(lowest for lowest, _ in ranges), reach(ranges)
    margin = 0.05 * (high - low) or 0.01
    for axes in panels:
        axes.set_ylim(low - margin, high + margin)


def val_curves(results: Results, group: Group) -> list[pd.Series]:
    """Validation loss by iteration of each finished run."""
    return [results.curve(record.run).set_index("iteration")["val_loss"] for record in group.done]


def all_groups(results: Results, study: Study, protocol: str, task: str) -> list[Group]:
    """A group for every row of the protocol."""
    return [results.group(study.name, protocol, row, task) for row in study.protocol(protocol).rows]


def small_multiples(
    results: Results,
    study: Study,
    protocol: str,
    task: str,
    reported: Reported | None = None,
    sweep: str | None = None,
) -> Drawn:
    """Every seed's validation loss, a panel a configuration, its sweep's control in grey behind."""
    del reported, sweep
    lines = lines_of(results, study, protocol, task)
    title = f"Every seed's validation loss ({protocol}, {task})"
    figure, panels = frame(title, lines, f"loss ({style.NATS})")
    rows: list[Row] = []
    named: set[str] = set()

    def draw(axes: Axes, one: Series, label: str, budget: int, **look: object) -> list[Row]:
        drawn: list[Row] = []
        for record, curve in zip(one.group.done, val_curves(results, one.group), strict=True):
            part = curve.loc[:budget]
            axes.plot(part.index, part, label=None if label in named else label, **look)
            named.add(label)
            head = {"config": one.config, "name": one.name, "seed": record.spec.seed}
            drawn += [head | {"iteration": at, "val_loss": loss} for at, loss in part.items()]
        return drawn

    for line, places in zip(lines, panels, strict=True):
        curves = {one.config: val_curves(results, one.group) for one in line.shown}
        for axes, one in zip(places, line.shown, strict=True):
            if line.control is not None and one is not line.control:
                grey = {"color": style.PALE, "linewidth": 2.2, "zorder": 1}
                draw(axes, line.control, "the sweep's lowest rate", line.budget, **grey)
            blue = {"color": style.OURS, "linewidth": 0.8, "zorder": 3}
            drawn = draw(axes, one, "one seed", line.budget, **blue)
            rows += [{"sweep": line.sweep.name} | row for row in drawn]
        fit_losses(places, line, curves)
    style.legend(figure, itertools.chain(*panels))
    groups = all_groups(results, study, protocol, task)
    caption = (
        f"Validation loss in {style.NATS} over iterations, protocol {protocol} on {task}; "
        f"{seeds_text(groups)}{budget_text(groups)}. A panel a configuration, a thin line a seed; broad "
        "and grey behind: the seeds of the sweep's lowest rate. "
        f"The panels of a sweep have one scale, from {HEAD:.0%} of the run on; what is higher is cut."
    )
    return Drawn(figure, caption + absent_text(groups), rows)
