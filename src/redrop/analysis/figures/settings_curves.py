"""Score against a setting: the share of the training set, and the weights of LR-Drop's terms (paper A)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redrop.analysis.collect import Group, Results
from redrop.analysis.figures import style
from redrop.analysis.figures.across import tasks_of
from redrop.analysis.figures.drawn import Drawn, Row
from redrop.analysis.figures.panels import task_panels
from redrop.analysis.figures.series import seeds_text
from redrop.analysis.paired import BASELINE, scores, shown_groups
from redrop.analysis.settings import flat
from redrop.analysis.stats import t_interval
from redrop.study import Study

FRACTION = "data.train_fraction"
Points = list[tuple[float, list[float]]]
"""A setting's values with the scores of all seeds."""


def size_figure(results: Results, study: Study, protocol: str, *_: Any, **__: Any) -> Drawn:
    """Score over the share of the training set, a line a method."""
    tasks = tasks_of(results, study, protocol)
    rows = shown_groups(results, study, protocol, tasks) if tasks else {}
    numbers: list[Row] = []
    figure, panels = task_panels(f"Training-set size ({protocol})", tasks, "share of train, %", "points")
    for number, axes in enumerate(panels[: len(tasks)]):
        axes.set_xscale("log")
        lines: dict[str, Points] = {}
        for groups in rows.values():
            spec = groups[number].spec
            if spec is not None and groups[number].done and _is_method_itself(spec.config):
                share = 100 * spec.data.train_fraction
                found = lines.setdefault(spec.objective.name, [])
                found.append((share, list(scores(groups[number]).values())))
        shares = sorted({share for points in lines.values() for share, _ in points})
        axes.set_xticks(shares, [f"{share:g}" for share in shares])
        axes.set_xticks([], minor=True)
        numbers += _draw(axes, tasks[number], lines)
    words = (
        "Score by method over the share of the training set, drawn anew for each seed, as many updates each"
    )
    return _finish(figure, panels, rows, f"{words}; protocol {protocol}", numbers)


def _is_method_itself(config: str) -> bool:
    """Whether a row is a method at some training-set size, no variation of one: ``ce``, ``ce-10pct``."""
    return "-" not in config or config.endswith("pct")


def weights_figure(results: Results, study: Study, protocol: str, *_: Any, **__: Any) -> Drawn:
    """Score over the weight of each term, the others unchanged; plain fine-tuning as a line across."""
    tasks = tasks_of(results, study, protocol)
    rows = shown_groups(results, study, protocol, tasks) if tasks else {}
    numbers: list[Row] = []
    figure, panels = task_panels(f"Weights of the terms ({protocol})", tasks, "weight", "points")
    sweeps = {sweep.name: sweep for sweep in study.protocol(protocol).sweeps.values() if sweep.rate}
    for number, axes in enumerate(panels[: len(tasks)]):
        axes.set_xscale("symlog", linthresh=0.1)
        lines: dict[str, Points] = {}
        for name, sweep in sweeps.items():
            for config in sweep.configs:
                group = rows.get(config, [None] * len(tasks))[number]
                if group is not None and group.done:
                    weight = flat(group.spec)[sweep.rate]
                    lines.setdefault(name, []).append((weight, list(scores(group).values())))
        if BASELINE in rows and rows[BASELINE][number].done:
            plain = np.mean(list(scores(rows[BASELINE][number]).values()))
            axes.axhline(plain, color=style.GREY, linewidth=0.8, label=BASELINE)
            numbers.append({"task": tasks[number], "line": BASELINE, "what": "mean", "points": float(plain)})
        numbers += _draw(axes, tasks[number], lines, first=1)
    words = (
        "Score over one weight (inner: alpha and beta together), the others as in lrdrop; grey: plain's mean"
    )
    return _finish(figure, panels, rows, f"{words}; protocol {protocol}", numbers)


def _draw(axes: Axes, task: str, lines: Mapping[str, Points], first: int = 0) -> list[Row]:
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


def _finish(
    figure: Figure,
    panels: Sequence[Axes],
    rows: Mapping[str, Sequence[Group]],
    words: str,
    numbers: list[Row],
) -> Drawn:
    """Legend and caption."""
    style.legend(figure, panels)
    every = [group for groups in rows.values() for group in groups]
    dots = "Small dots are seeds, bars Student's 95 % interval of the mean"
    return Drawn(figure, f"{words}, {seeds_text(every)}. {dots}.", numbers)
