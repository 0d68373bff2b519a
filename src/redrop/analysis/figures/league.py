"""Methods ranked by their gain over plain training, with intervals: equal updates beside equal compute."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from redrop.analysis.decision.comparison import Comparison
from redrop.analysis.league import LOSS, League, leagues
from redrop.analysis.plotting import style
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.study_results import StudyResults

EACH = "study"
ROW = 0.2
"""Inches a method."""
BUDGETS: dict[str, dict[str, Any]] = {
    "equal updates": {"marker": "o", "color": style.OURS, "markerfacecolor": style.OURS},
    "equal compute": {"marker": "D", "color": style.THEIRS, "markerfacecolor": "white"},
}
APART = 0.17
"""Rows that a method's two marks stand off its middle."""


def draw(data: StudyResults) -> Drawing:
    """A panel a protocol and text, a row a method that was run."""
    found = [league for league in leagues(data) if any(one.equal_updates.n for one in league.entries)]
    sizes = [sum(one.equal_updates.n > 0 for one in league.entries) + 2.5 for league in found] or [6.0]
    figure = style.new_figure(
        style.DOUBLE, 0.8 + ROW * sum(sizes), "What each method gains over plain training"
    )
    grid = figure.subplots(len(sizes), 1, squeeze=False, height_ratios=sizes)[:, 0]
    rows: list[Row] = []
    for axes, league in zip(grid, found, strict=False):
        rows += _panel(axes, league)
    if not found:
        style.say_empty(grid[0], "no method and plain training have a seed in common")
        grid[0].set_xticks([])
    else:
        handles = [Line2D([], [], linestyle="none", markersize=4.5, **look) for look in BUDGETS.values()]
        figure.legend(handles, list(BUDGETS), loc="outside lower center", ncols=2)
    return Drawing(figure, _caption(data, found), rows)


def _panel(axes: Axes, league: League) -> list[Row]:
    unit = style.NATS if league.metric == LOSS else "points"
    axes.set_title(f"{league.protocol}, {', '.join(league.tasks)}", fontweight="bold")
    axes.axvline(0.0, color=style.GREY, linewidth=0.8, zorder=1)
    shown, rows = [one for one in league.entries if one.equal_updates.n], []
    for y, entry in enumerate(shown):
        compared = {"equal updates": entry.equal_updates, "equal compute": entry.equal_compute}
        for (budget, one), offset in zip(compared.items(), (-APART, APART), strict=True):
            if one.n:
                about = {"protocol": league.protocol, "task": ", ".join(league.tasks), "config": entry.config}
                rows.append(about | {"budget": budget, "unit": unit} | _draw(axes, y + offset, one, budget))
    axes.set_yticks(range(len(shown)), [one.config for one in shown])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"gain ({unit}); right of 0: better than plain training")
    return rows


def _draw(axes: Axes, y: float, found: Comparison, budget: str) -> dict[str, Any]:
    low, high = found.interval()
    if math.isfinite(low):
        axes.plot([low, high], [y, y], color=BUDGETS[budget]["color"], linewidth=1.2, zorder=2)
    axes.plot([found.mean], [y], linestyle="none", markersize=4.0, zorder=3, **BUDGETS[budget])
    return {"n": found.n, "gain": found.mean, "low": low, "high": high}


def _caption(data: StudyResults, found: list[League]) -> str:
    if not found:
        return f"{data.study.title}: no method was run beside plain training."
    counts = sorted({one.equal_updates.n for league in found for one in league.entries} - {0})
    n = f"n = {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "")
    return (
        f"Differences to plain training, paired by seed, {n} seeds: means with Student's 95 % interval, not "
        "widened for the number of methods. Equal compute: plain training had as many passes of a batch "
        "through the model as the method, so more updates where an update of the method has two; for "
        "methods of one pass both are the same. Methods are in the order of their gain at equal updates."
    )
