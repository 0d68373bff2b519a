"""What a method costs against what it gains, both relative to plain training (paper A)."""

from __future__ import annotations

import math
import statistics

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from redrop.analysis.gains import average_or_task, baselines, gain
from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import seeds_text
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.reported import AVERAGE
from redrop.analysis.run_costs import median_costs
from redrop.analysis.stats import Interval
from redrop.analysis.study_results import StudyResults

EACH = "protocol"
FITS = ("glue", "translation", "summarization")

COSTS = {"ms": "time of an update", "memory": "peak memory"}


def draw(data: StudyResults, protocol: str) -> Drawing:
    """A mark a method; small ones are tasks where there are several, the large one their average."""
    tasks = data.tasks_run(protocol)
    groups = data.shown_groups(protocol, tasks)
    baseline = baselines(data.study, protocol, groups) if tasks else {}
    costs = {config: [median_costs(group) for group in row] for config, row in groups.items()}
    figure = style.new_figure(0.9 * style.DOUBLE, 3.3, f"Cost against gain ({protocol})")
    panels = dict(zip(COSTS, figure.subplots(1, 2, sharey=True), strict=True))
    panels["ms"].set_ylabel("gain over plain training (points)")
    names = [*tasks, AVERAGE] if len(tasks) > 1 else tasks
    rows: list[Row] = []
    for key, axes in panels.items():
        axes.set_xlabel(f"{COSTS[key]}, times plain training")
        for index, (config, plain) in enumerate(baseline.items(), 1):
            ratios = [own[key] / base[key] for own, base in zip(costs[config], costs[plain], strict=True)]
            for name in names:
                ratio = statistics.mean(ratios) if name == AVERAGE else ratios[tasks.index(name)]
                found = gain(*(average_or_task(groups[one], name) for one in (config, plain)))
                if found.n and math.isfinite(ratio):
                    _draw(axes, index, ratio, found, large=name == names[-1])
                    head = {"task": name, "config": config, "over": plain, "cost": COSTS[key]}
                    ends = {"n": found.n, "gain": found.mean, "low": found.low, "high": found.high}
                    rows.append(head | {"ratio": ratio} | ends)
        if axes.lines:
            axes.axhline(0.0, color=style.GREY, linewidth=0.8, zorder=1)
            axes.axvline(1.0, color=style.GREY, linewidth=0.8, zorder=1)
        else:
            style.say_empty(axes)
            axes.set_xticks([])
    if not rows:
        caption = (
            f"Gain over plain training against its cost, protocol {protocol}: no finished runs to compare."
        )
        return Drawing(figure, caption, [])
    looks = {config: style.look(index) | {"linestyle": "none"} for index, config in enumerate(baseline, 1)}
    named = list(dict.fromkeys(row["config"] for row in rows))
    handles = [Line2D([], [], **looks[config]) for config in named]
    figure.legend(handles, named, loc="outside lower center", ncols=4)
    every = [group for row in groups.values() for group in row]
    several = " Large marks are averages over the tasks, small ones single tasks." if len(tasks) > 1 else ""
    caption = (
        f"Gain over plain training in points, paired by seed, against what it costs: medians over the runs, "
        f"as ratios to plain training's; protocol {protocol}, {seeds_text(every)}. Bars are Student's 95 % "
        f"intervals of the gain.{several} Runs that shared their machine took longer than alone."
    )
    return Drawing(figure, caption, rows)


def _draw(axes: Axes, index: int, ratio: float, found: Interval, *, large: bool) -> None:
    look = style.look(index) | {"linestyle": "none"}
    if not large:
        axes.plot([ratio], [found.mean], alpha=0.5, **(look | {"markersize": 3.0}))
        return
    half = 0.0 if found.n < 2 else found.high - found.mean
    axes.errorbar([ratio], [found.mean], yerr=[half], capsize=2.0, markersize=6.0, **look)
