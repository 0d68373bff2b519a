"""Last validation loss against the dropout rate: a panel for every sweep over a rate."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import absent_text, seeds_text
from redrop.analysis.plotting.configurations import Configuration, reach, sweep_configurations
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.plotting.sweep_panels import has_rate, rate_grid
from redrop.analysis.reported import AUTHORS_CORPUS, Reported, comparable
from redrop.analysis.settings import overrides, show
from redrop.analysis.study_results import StudyResults
from redrop.study import Protocol, Study

EACH = "task"
FITS = ("corpus",)

METRIC = "val_loss_last"
SPREAD = 0.22
"""Width, in categories, over which a configuration's seeds are spread so that each is seen."""


def is_drawn(protocol: Protocol, task: str | None) -> bool:
    """Where a sweep is over a rate."""
    return has_rate(protocol)


def draw(data: StudyResults, protocol: str, task: str) -> Drawing:
    """Every seed a dot, their mean a line; the authors' figures where our runs are comparable."""
    reported = data.reported
    title = f"Last validation loss against dropout rate ({protocol}, {task})"
    y = f"last validation loss\n({style.NATS})"
    figure, panels = rate_grid(data.study.protocol(protocol), title, y, 0.7, 2.1, in_pairs=(4,))
    everything: list[Configuration] = []
    numbers: list[Row] = []
    theirs_shown = False
    for axes, subject in panels:
        series = sweep_configurations(data, protocol, task, subject)
        theirs = _theirs(data.study, series, reported)
        theirs_shown |= bool(theirs)
        _label_axes(axes, series)
        numbers += [{"sweep": subject.name} | row for row in _panel(axes, series, theirs)]
        everything += series
    style.legend(figure, (axes for axes, _ in panels), ncols=3)
    return Drawing(figure, _caption(protocol, task, everything, theirs_shown, reported), numbers)


def _theirs(study: Study, series: list[Configuration], reported: Reported) -> dict[int, float]:
    """Position -> the authors' figure, where all of our runs stand beside it."""
    found = {}
    for position, one in enumerate(series):
        value = reported.value(one.group.protocol, one.config, AUTHORS_CORPUS, METRIC)
        fair = [comparable(record, overrides(study, record.spec)) for record in one.group.done]
        if math.isfinite(value) and fair and all(fair):
            found[position] = value
    return found


def _label_axes(axes: Axes, series: list[Configuration]) -> None:
    axes.set_xlabel("dropout rate (not to scale)")
    axes.set_xticks(range(len(series)), [show(one.rate) for one in series])
    axes.tick_params(axis="x", labelrotation=45 if len(series) > 5 else 0)
    axes.set_xlim(-0.5, len(series) - 0.5)
    axes.grid(visible=False, axis="x")


def _panel(axes: Axes, series: list[Configuration], theirs: dict[int, float]) -> list[Row]:
    """Draw a sweep; what was drawn."""
    ours = {
        position: [record.value(METRIC) for record in one.group.done]
        for position, one in enumerate(series)
        if one.group.done
    }
    if not ours:
        style.say_empty(axes)
        return []
    off = _fit(axes, ours, theirs)
    line: list[tuple[int, float]] = []
    for position, one in enumerate(series):
        mean, deviates = one.group.summary(METRIC).mean, bool(one.deviation)
        if position in off:
            _draw_off(axes, position, mean, theirs.get(position), deviates)
        elif position in ours:
            _draw_seeds(axes, position, ours[position], deviates)
        elif one.group.diverged:
            _say_at_top(axes, position, "diverged")
        drawn = position in ours and position not in off
        if not (drawn and deviates):
            line.append((position, mean if drawn else math.nan))
    _draw_means(axes, line)
    _draw_theirs(axes, {position: value for position, value in theirs.items() if position not in off})
    return [
        row for position in ours for row in _numbers(series[position], position in off, theirs.get(position))
    ]


def _numbers(one: Configuration, off: bool, theirs: float | None) -> list[Row]:
    """A configuration's seeds, their mean, and the authors' figure; above the axis the latter two only."""
    head = {"config": one.config, "rate": one.rate}
    rows = [
        head | {"what": "seed", "seed": record.spec.seed, METRIC: record.value(METRIC)}
        for record in one.group.done
        if not off
    ]
    if off or not one.deviation:
        what = "mean above the axis" if off else "mean"
        rows.append(head | {"what": what, METRIC: one.group.summary(METRIC).mean})
    if theirs is not None:
        rows.append(head | {"what": "the authors'", METRIC: theirs})
    return rows


def _fit(axes: Axes, ours: dict[int, list[float]], theirs: dict[int, float]) -> set[int]:
    """Fit the y axis to what lies together; returns the positions that lie above it."""
    values = {position: [*seeds, theirs.get(position, seeds[0])] for position, seeds in ours.items()}
    ranges = {position: (min(both), max(both)) for position, both in values.items()}
    low, high = min(lowest for lowest, _ in ranges.values()), reach(list(ranges.values()))
    margin = 0.07 * (high - low) or 0.01
    off = {position for position, (lowest, _) in ranges.items() if lowest > high}
    high = max(highest for position, (_, highest) in ranges.items() if position not in off)
    axes.set_ylim(low - margin, high + margin)
    return off


def _draw_seeds(axes: Axes, position: int, values: list[float], deviates: bool) -> None:
    n = len(values)
    offsets = [0.0] if n == 1 else [SPREAD * (index / (n - 1) - 0.5) for index in range(n)]
    axes.plot(
        [position + offset for offset in offsets],
        values,
        linestyle="none",
        marker="s" if deviates else "o",
        markersize=3.2,
        markeredgewidth=0.4,
        markeredgecolor="white",
        color=style.GREY if deviates else style.OURS,
        label="one seed, other budget or depth" if deviates else "one seed",
        zorder=3,
    )


def _draw_means(axes: Axes, line: list[tuple[int, float]]) -> None:
    """NaN parts the line where a configuration has no mean to show."""
    if any(math.isfinite(mean) for _, mean in line):
        axes.plot(
            *zip(*line, strict=True),
            color=style.OURS,
            marker="_",
            markersize=9,
            label="mean of seeds",
            zorder=2,
        )


def _draw_theirs(axes: Axes, values: dict[int, float]) -> None:
    if values:
        axes.plot(
            list(values),
            list(values.values()),
            linestyle="none",
            marker="D",
            markersize=5.5,
            markerfacecolor="none",
            markeredgecolor=style.THEIRS,
            label="the authors' figure",
            zorder=4,
        )


def _draw_off(axes: Axes, position: int, mean: float, theirs: float | None, deviates: bool) -> None:
    axes.plot(
        position,
        0.965,
        "^",
        color=style.GREY if deviates else style.OURS,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
        label="mean above the axis" + (", other budget or depth" if deviates else ""),
    )
    beside = "" if theirs is None else f" (authors' {theirs:.2f})"
    _say_at_top(axes, position, f"{mean:.2f}{beside}")


def _say_at_top(axes: Axes, position: int, text: str) -> None:
    place = axes.get_xaxis_transform()
    axes.text(position, 0.91, text, fontsize=7, ha="center", va="top", rotation=90, transform=place)


def _caption(
    protocol: str, task: str, series: list[Configuration], theirs_shown: bool, reported: Reported
) -> str:
    groups = list({one.config: one.group for one in series}.values())
    budgets = sorted({one.budget for one in series if one.group.done})
    text = (
        f"Last validation loss in {style.NATS} against dropout rate, protocol {protocol} on {task}; "
        f"{seeds_text(groups)}"
        + (f", budget {', '.join(map(show, budgets))} iterations" if budgets else "")
        + ". Dots are single seeds, lines their means; rates are evenly spaced, not to scale; every panel "
        "has a scale of its own. "
        "A triangle at the top edge is a mean above the axis, with its value. "
    )
    deviates = [f"{one.config} ({one.deviation})" for one in series if one.deviation]
    if deviates:
        text += f"Squares, in no line, differ in budget or depth: {', '.join(deviates)}. "
    if theirs_shown:
        text += "Diamonds: the authors' single recorded runs, where ours have their settings."
    elif any(math.isfinite(reported.value(protocol, one.config, AUTHORS_CORPUS, METRIC)) for one in series):
        text += "The authors' figures are not shown: no run is at their size and corpus."
    else:
        text += "The authors recorded no such runs."
    return text + absent_text(groups)
