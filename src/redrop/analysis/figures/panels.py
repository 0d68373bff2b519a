"""A panel a task: the frame that the figures of paper A share."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redrop.analysis.figures import style

PANEL = 2.3
"""Inches of a panel's width and height."""


def task_panels(title: str, tasks: Sequence[str], x: str, y: str) -> tuple[Figure, list[Axes]]:
    """An empty figure and its panels, at most four in a line; without tasks one panel that says so."""
    count = max(1, len(tasks))
    columns = min(4, count)
    lines = math.ceil(count / columns)
    figure = style.new_figure(max(style.SINGLE, PANEL * columns), 0.9 + PANEL * lines)
    figure.suptitle(title)
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
