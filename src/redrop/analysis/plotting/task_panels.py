"""A panel a task: what the figures of paper A share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from redrop.analysis.plotting import style
from redrop.analysis.plotting.bands import band_of, band_rows, draw_band
from redrop.analysis.plotting.captions import seeds_text
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.study_results import StudyResults
from redrop.record import RunRecord

Curve = tuple[Sequence[float], Sequence[float]]
"""What stands across, and upwards."""
COUNTED = ("layer", "epoch", "update", "pass")
"""Axes that have whole numbers alone."""
PANEL = 2.3
"""Inches of a panel's width and height."""


def task_panels(title: str, tasks: Sequence[str], x: str, y: str) -> tuple[Figure, list[Axes]]:
    """An empty figure and its panels, at most four in a line; without tasks one panel that says so."""
    count = max(1, len(tasks))
    columns = min(4, count)
    lines = math.ceil(count / columns)
    figure = style.new_figure(max(style.SINGLE, PANEL * columns), 0.9 + PANEL * lines, title)
    panels = list(figure.subplots(lines, columns, squeeze=False).ravel())
    for axes in panels[count:]:
        axes.set_visible(False)
    for number, (axes, task) in enumerate(zip(panels, tasks, strict=False)):
        axes.set_title(task)
        axes.set_xlabel(x)
        if number % columns == 0:
            axes.set_ylabel(y)
    if not tasks:
        style.say_empty(panels[0])
    return figure, panels[:count]


def curves_by_task(
    data: StudyResults,
    protocol: str,
    curves: Callable[[RunRecord], Curve] | Mapping[str, Callable[[RunRecord], Curve]],
    title: str,
    x: str | Mapping[str, str],
    y: str,
    words: str,
    *,
    log: bool = False,
) -> Drawing:
    """A panel a task; a line a method: the mean of its seeds, with a band from the lowest to the highest.

    ``curves``: from a run to its curve; or several by name, each with a panel a task of its own, and with
    an ``x`` of its own if there are several.
    """
    tasks = data.tasks_run(protocol)
    rows = data.shown_groups(protocol, tasks)
    kinds = curves if isinstance(curves, Mapping) else {"": curves}
    shown = [(kind, number) for kind in kinds for number in range(len(tasks))]
    names = [": ".join(filter(None, (tasks[number], kind))) for kind, number in shown]
    labels = x if isinstance(x, Mapping) else dict.fromkeys(kinds, x)
    figure, panels = task_panels(f"{title} ({protocol})", names, "", y)
    every = [group for groups in rows.values() for group in groups]
    numbers: list[Row] = []
    for (kind, number), axes in zip(shown, panels, strict=False):
        if log:
            style.logarithmic(axes, (1.0, 2.0, 3.0, 4.0, 6.0, 8.0))
        axes.set_xlabel(labels[kind])
        if labels[kind] in COUNTED:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6 if len(kinds) == 1 else 4, integer=True))
            axes.xaxis.set_major_formatter("{x:,.0f}")
        for index, (config, groups) in enumerate(rows.items()):
            found = [curve for curve in map(kinds[kind], groups[number].done) if len(curve[0])]
            if not found:
                continue
            xs = list(map(float, found[0][0]))[: min(len(own) for own, _ in found)]
            band = band_of([pd.Series(ys[: len(xs)], xs, dtype=float) for _, ys in found])
            draw_band(axes, band, len(found), style.look(index), config)
            head = {"task": tasks[number], "config": config} | ({"of": kind} if kind else {})
            across = labels[kind].split(",")[0]
            numbers += [
                head | {across: row[across]} | row for row in band_rows(band, {"n": len(found)}, across)
            ]
    style.legend(figure, panels)
    caption = f"{words}; protocol {protocol}, {seeds_text(every)}. Lines are means, bands lowest to highest."
    return Drawing(figure, caption, numbers)
