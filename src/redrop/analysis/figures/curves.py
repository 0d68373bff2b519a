"""Validation loss over iterations for one sweep: the whole run, and its second half closer up."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redrop.analysis.collect import Results
from redrop.analysis.figures import style
from redrop.analysis.figures.series import (
    Series,
    absent_text,
    band,
    common_budget,
    reach,
    seeds_text,
    sweep_series,
)
from redrop.analysis.reported import Reported
from redrop.analysis.settings import show
from redrop.study import Study

MARKS = 6
"""Markers along a line."""


def curves(
    results: Results,
    study: Study,
    protocol: str,
    task: str,
    reported: Reported | None = None,
    sweep: str | None = None,
) -> tuple[Figure, str]:
    """Mean over seeds, band from the lowest to the highest; the authors' curves play no part."""
    del reported
    subject = study.protocol(protocol).sweeps[sweep]
    series = sweep_series(results, study, protocol, task, subject)
    budget = common_budget(series)
    figure = style.new_figure(style.DOUBLE, 2.9)
    figure.suptitle(f"{subject.title} ({protocol}, {task})")
    whole, half = figure.subplots(1, 2)
    ranges: dict[str, tuple[float, float]] = {}
    for index, one in enumerate(series):
        found = _draw(results, one, index, (whole, half), budget)
        if found is not None:
            ranges[one.short_name] = found
    whole.set(title="whole run", xlabel="iteration", ylabel=f"validation loss ({style.NATS})")
    half.set(title="second half", xlabel="iteration")
    whole.set_xlim(0, budget)
    half.set_xlim(budget / 2, budget)
    for axes in (whole, half):
        axes.xaxis.set_major_formatter(style.thousands_formatter())
    above = _limit(half, ranges)
    handles, labels = whole.get_legend_handles_labels()
    if handles:
        title = "dropout rate" if subject.rate else "configuration"
        figure.legend(handles, labels, loc="outside right upper", title=title, handlelength=2.8)
    else:
        for axes in (whole, half):
            axes.text(0.5, 0.5, "no finished run", ha="center", transform=axes.transAxes)
    return figure, _caption(subject.title, protocol, task, series, budget, above)


def _draw(
    results: Results, one: Series, index: int, panels: tuple[Axes, Axes], budget: int
) -> tuple[float, float] | None:
    """Draw a configuration; returns lowest and highest value in the second half of the axis."""
    look = style.look(index)
    frame = band(results, one.group)
    for axes in panels:
        for record in one.group.diverged:
            curve = results.curve(record.run).dropna(subset=["val_loss"])
            axes.plot(curve["iteration"], curve["val_loss"], color=look["color"], linewidth=0.6)
            axes.plot(curve["iteration"][-1:], curve["val_loss"][-1:], "x", color=look["color"])
    if frame.empty:
        return None
    for axes in panels:
        start = 0 if axes is panels[0] else budget / 2
        part = frame[(frame.index >= start) & (frame.index <= budget)]
        every = max(1, len(part) // MARKS)
        axes.plot(
            part.index,
            part["mean"],
            label=one.name,
            markevery=(index * every // 8, every),
            **look,
        )
        if len(one.group.done) > 1:
            axes.fill_between(
                part.index, part["low"], part["high"], color=look["color"], alpha=0.15, linewidth=0
            )
    return (float(part["low"].min()), float(part["high"].max())) if len(part) else None


def _limit(axes: Axes, ranges: dict[str, tuple[float, float]]) -> list[str]:
    """Fit the second half's y axis to the series that lie together; returns the others."""
    if not ranges:
        return []
    low, high = min(lowest for lowest, _ in ranges.values()), reach(list(ranges.values()))
    margin = 0.04 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)
    above = [name for name, (lowest, _) in ranges.items() if lowest > high]
    if above:
        axes.set_title(f"second half (off the axis: {', '.join(above)})")
    return above


def _caption(
    title: str, protocol: str, task: str, series: list[Series], budget: int, above: list[str]
) -> str:
    groups = [one.group for one in series]
    text = (
        f"{title}: validation loss in {style.NATS} over iterations, protocol {protocol} on {task}, "
        f"budget {show(budget)} iterations; {seeds_text(groups)}. "
    )
    if any(len(group.done) > 1 for group in groups):
        text += "Lines are means over the seeds, bands reach from the lowest to the highest seed. "
    text += "Left: the whole run; right: its second half on a scale of its own."
    if above:
        text += f" Above the right panel's axis: {', '.join(above)}."
    odd = [f"{one.config} ({one.odd})" for one in series if one.odd]
    if odd:
        text += f" Not at the budget or depth of the others: {', '.join(odd)}."
    longer = [one.config for one in series if one.group.done and one.budget > budget]
    if longer:
        text += f" Beyond the axis these go on: {', '.join(longer)}."
    return text + absent_text(groups)
