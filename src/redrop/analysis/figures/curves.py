"""Validation loss over iterations for one sweep: the whole run, and its second half closer up."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from redrop.analysis.collect import Results
from redrop.analysis.plotting import style
from redrop.analysis.plotting.bands import band_of, band_rows, draw_band
from redrop.analysis.plotting.captions import absent_text, seeds_text
from redrop.analysis.plotting.configurations import (
    Configuration,
    common_budget,
    fit,
    sweep_configurations,
    val_curves,
)
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.settings import show
from redrop.analysis.study_results import StudyResults

EACH = "sweep"
FITS = ("corpus",)

MARKS = 6
"""Markers along a line."""

X_MARGIN = 0.02
"""Share of an axis left free at its ends, so that markers there are whole."""

EXPLODED = 1.25
"""The whole-run panel ends at this many times the untrained loss."""

TITLE_WIDTH = 42
"""Characters of a panel's title in one line."""


def draw(data: StudyResults, protocol: str, task: str, sweep: str) -> Drawing:
    """Mean over seeds, band from the lowest to the highest."""
    results = data.results
    subject = data.study.protocol(protocol).sweeps[sweep]
    series = sweep_configurations(data, protocol, task, subject)
    bands = [band_of(val_curves(results, one.group)) for one in series]
    rows: list[Row] = []
    budget = common_budget(series)
    figure = style.new_figure(style.DOUBLE, 2.9, f"{subject.title} ({protocol}, {task})")
    whole, half = figure.subplots(1, 2)
    figure.get_layout_engine().set(wspace=0.05)
    whole.set(title="whole run", xlabel="iteration", ylabel=f"validation loss ({style.NATS})")
    half.set(title="second half", xlabel="iteration")
    for axes, start in ((whole, 0), (half, budget / 2)):
        for index, (one, frame) in enumerate(zip(series, bands, strict=True)):
            look, means, n = style.look(index), frame.loc[start:budget], len(one.group.done)
            diverged = _draw_diverged(axes, results, one, look, start, budget)
            every = max(1, len(means) // MARKS)
            if n:  # markers are staggered, so that equal curves show theirs
                draw_band(axes, means, n, look | {"markevery": (index * every // 8, every)}, one.name)
            if axes is whole:  # the second half is a part of it
                head = {"config": one.config, "name": one.name, "n": n}
                rows += [*band_rows(means, head), *diverged]
        margin = X_MARGIN * (budget - start)
        axes.set_xlim(start - margin, budget + margin)
        axes.xaxis.set_major_formatter(style.thousands)
        if not axes.lines:
            style.say_empty(axes)
    cut = _cut(whole, bands)
    late = [
        (one.short_name, frame.loc[budget / 2 : budget]) for one, frame in zip(series, bands, strict=True)
    ]
    above = _fit(half, [(name, means) for name, means in late if len(means)])
    handles, labels = whole.get_legend_handles_labels()
    if handles:
        title = "dropout rate" if subject.rate else "configuration"
        figure.legend(handles, labels, loc="outside right upper", title=title, handlelength=2.8)
    what = (
        f"{subject.title}: validation loss in {style.NATS} over iterations, protocol {protocol} on {task}, "
    )
    return Drawing(figure, what + _caption(series, budget, above, cut), rows)


def _draw_diverged(
    axes: Axes, results: Results, one: Configuration, look: dict[str, Any], start: float, budget: int
) -> list[Row]:
    """A thin line for each run that diverged, with a cross where it was last measured; what was drawn."""
    rows: list[Row] = []
    deviation = f"{one.deviation}, " if one.deviation else ""
    label = None if one.group.done else f"{one.short_name} ({deviation}diverged)"
    thin = {"color": look["color"], "linewidth": 0.6, "marker": "x", "markevery": [-1]}
    for record in one.group.diverged:
        curve = results.curve(record.run).set_index("iteration")["val_loss"].dropna().loc[start:budget]
        if len(curve):
            axes.plot(curve, label=label, **thin)
            label = None
        head = {"config": one.config, "name": one.name, "diverged_seed": record.spec.seed}
        rows += [head | {"iteration": iteration, "val_loss": loss} for iteration, loss in curve.items()]
    return rows


def _cut(axes: Axes, bands: list[pd.DataFrame]) -> bool:
    """Keep a run that explodes from flattening the whole-run panel; returns whether that cut any."""
    untrained = max((frame["high"].iloc[0] for frame in bands if len(frame)), default=math.inf)
    if axes.get_ylim()[1] <= EXPLODED * untrained:
        return False
    lowest = min(min(line.get_ydata()) for line in axes.lines)
    axes.set_ylim(0.96 * lowest, EXPLODED * untrained)
    return True


def _fit(axes: Axes, late: list[tuple[str, pd.DataFrame]]) -> list[str]:
    """Fit the second half's y axis to the series that lie together; returns the others' names."""
    ranges = [(float(means["low"].min()), float(means["high"].max())) for _, means in late]
    if not ranges:
        return []
    high = fit([axes], ranges, 0.04)
    above = [name for (name, _), (lowest, _) in zip(late, ranges, strict=True) if lowest > high]
    if above:
        title = f"second half (off the axis: {', '.join(above)})"
        axes.set_title(textwrap.fill(title, TITLE_WIDTH, break_on_hyphens=False))
    return above


def _caption(series: list[Configuration], budget: int, above: list[str], cut: bool) -> str:
    """From the budget on."""
    groups = [one.group for one in series]
    text = f"budget {show(budget)} iterations; {seeds_text(groups)}. "
    if any(len(group.done) > 1 for group in groups):
        text += "Lines are means over the seeds, bands reach from the lowest to the highest seed. "
    text += "Left: the whole run; right: its second half on a scale of its own."
    if cut:
        text += f" The left panel ends at {EXPLODED:g} times the untrained loss; some values lie above it."
    if above:
        text += f" Above the right panel's axis: {', '.join(above)}."
    deviation = [f"{one.config} ({one.deviation})" for one in series if one.deviation]
    if deviation:
        text += f" Not at the budget or depth of the others: {', '.join(deviation)}."
    longer = [one.config for one in series if one.group.done and one.budget > budget]
    if longer:
        text += f" Beyond the axis these go on: {', '.join(longer)}."
    return text + absent_text(groups)
