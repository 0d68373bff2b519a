"""Score over a setting: lines through the means of the values that were tried, every seed a dot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redrop.analysis.collect import Group
from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import seeds_text
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.stats import t_interval

Points = list[tuple[float, list[float]]]
"""A setting's values with the scores of all seeds."""


def plot_lines(axes: Axes, task: str, lines: Mapping[str, Points], first: int = 0) -> list[Row]:
    """A line a name through the means, with 95 % intervals; every seed a dot. Returns what is drawn."""
    numbers: list[Row] = []
    for index, (name, points) in enumerate(lines.items(), first):
        points = sorted(points)
        look = style.look(index)
        means = [float(np.mean(values)) for _, values in points]
        found = [t_interval(values) for _, values in points]
        reach = [0.0 if one.n < 2 else one.high - one.mean for one in found]
        xs = [x for x, _ in points]
        axes.errorbar(xs, means, yerr=reach, label=name, capsize=2.0, **look)
        for x, values in points:
            axes.plot([x] * len(values), values, "o", markersize=2.0, color=look["color"], alpha=0.5)
        for (x, values), one, half in zip(points, found, reach, strict=True):
            head = {"task": task, "line": name, "x": x}
            numbers += [head | {"what": "seed", "points": value} for value in values]
            band = {"low": one.mean - half, "high": one.mean + half}
            numbers.append(head | {"what": "mean", "n": one.n, "points": one.mean} | band)
    return numbers


def finish(
    figure: Figure,
    panels: Sequence[Axes],
    rows: Mapping[str, Sequence[Group]],
    words: str,
    numbers: list[Row],
) -> Drawing:
    """Legend and caption."""
    style.legend(figure, panels)
    every = [group for groups in rows.values() for group in groups]
    dots = "Small dots are seeds, bars Student's 95 % interval of the mean"
    return Drawing(figure, f"{words}, {seeds_text(every)}. {dots}.", numbers)
