"""Score over a setting: lines through the means of the values that were tried, every seed a dot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean

from matplotlib.axes import Axes

from redrop.analysis.collect import Group
from redrop.analysis.gains import scores
from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import seeds_text
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.plotting.task_panels import task_panels
from redrop.analysis.stats import t_interval
from redrop.analysis.study_results import StudyResults

Lines = dict[str, list[tuple[float, Group]]]
"""Name of a line -> a setting's values with the runs of each."""


def score_over(
    data: StudyResults,
    protocol: str,
    title: str,
    x: str,
    words: str,
    lines_of: Callable[[Axes, Mapping[str, Group]], Lines],
    across: str | None = None,
) -> Drawing:
    """A panel a task. ``lines_of`` sets its x axis, and sorts to lines what was run of it, by configuration.

    ``across``: a configuration whose mean is a grey line over the whole panel.
    """
    tasks = data.tasks_run(protocol)
    rows = data.shown_groups(protocol, tasks) if tasks else {}
    numbers: list[Row] = []
    figure, panels = task_panels(f"{title} ({protocol})", tasks, x, "points")
    for number, (axes, task) in enumerate(zip(panels, tasks, strict=False)):
        groups = {config: own[number] for config, own in rows.items() if own[number].done}
        lines = lines_of(axes, groups)
        if across in groups:
            plain = fmean(scores(groups[across]).values())
            axes.axhline(plain, color=style.GREY, linewidth=0.8, label=across)
            numbers.append({"task": task, "line": across, "what": "mean", "points": plain})
        for index, (name, points) in enumerate(lines.items(), 0 if across is None else 1):
            numbers += _plot_line(axes, {"task": task, "line": name}, points, index)
    style.legend(figure, panels)
    every = [group for groups in rows.values() for group in groups]
    dots = "Small dots are seeds, bars Student's 95 % interval of the mean"
    caption = f"{words}; protocol {protocol}, {seeds_text(every)}. {dots}."
    return Drawing(figure, caption, numbers)


def _plot_line(axes: Axes, head: Row, points: list[tuple[float, Group]], index: int) -> list[Row]:
    """Means with 95 % intervals, and every seed a dot. Returns what is drawn."""
    values = sorted((x, list(scores(group).values())) for x, group in points)
    found = [t_interval(own) for _, own in values]
    reach = [0.0 if one.n < 2 else one.high - one.mean for one in found]
    look, numbers = style.look(index), []
    means = [one.mean for one in found]
    axes.errorbar([x for x, _ in values], means, yerr=reach, label=head["line"], capsize=2.0, **look)
    for (x, own), one, half in zip(values, found, reach, strict=True):
        axes.plot([x] * len(own), own, "o", markersize=2.0, color=look["color"], alpha=0.5)
        numbers += [head | {"x": x, "what": "seed", "points": value} for value in own]
        band = {"low": one.mean - half, "high": one.mean + half}
        numbers.append(head | {"x": x, "what": "mean", "n": one.n, "points": one.mean} | band)
    return numbers
