"""Last validation loss against the dropout rate: a panel for every sweep over a rate."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import absent_text, budget_text, seeds_text
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
    """Draw a sweep; the numbers drawn: seeds (none of those above the axis), means, the authors' figures."""
    ours = {
        position: [record.value(METRIC) for record in one.group.done]
        for position, one in enumerate(series)
        if one.group.done
    }
    if not ours:
        style.say_empty(axes)
        return []
    off = _fit(axes, ours, theirs)
    rows: list[Row] = []
    line = dict.fromkeys(range(len(series)), math.nan)  # NaN parts it where there is no mean to show
    for position, one in enumerate(series):
        if position not in ours:
            if one.group.diverged:
                _say_at_top(axes, position, "diverged")
            continue
        head, mean = {"config": one.config, "rate": one.rate}, one.group.summary(METRIC).mean
        if position in off:
            beside = f" (authors' {theirs[position]:.2f})" if position in theirs else ""
            _say_at_top(axes, position, f"{mean:.2f}{beside}")
            _mark_above(axes, position, bool(one.deviation))
            rows.append(head | {"what": "mean above the axis", METRIC: mean})
        else:
            _draw_seeds(axes, position, ours[position], bool(one.deviation))
            seeds = zip(one.group.done, ours[position], strict=True)
            rows += [head | {"what": "seed", "seed": run.spec.seed, METRIC: value} for run, value in seeds]
            if one.deviation:
                del line[position]
            else:
                line[position] = mean
                rows.append(head | {"what": "mean", METRIC: mean})
        if position in theirs:
            rows.append(head | {"what": "the authors'", METRIC: theirs[position]})
    if any(map(math.isfinite, line.values())):
        look = {"color": style.OURS, "marker": "_", "markersize": 9, "zorder": 2}
        axes.plot(list(line), list(line.values()), label="mean of seeds", **look)
    shown = {position: value for position, value in theirs.items() if position not in off}
    if shown:
        look = {"markersize": 5.5, "markerfacecolor": "none", "markeredgecolor": style.THEIRS, "zorder": 4}
        axes.plot(list(shown), list(shown.values()), "D", label="the authors' figure", **look)
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
    look = {"markersize": 3.2, "markeredgewidth": 0.4, "markeredgecolor": "white", "zorder": 3}
    axes.plot(
        [position + offset for offset in offsets],
        values,
        "s" if deviates else "o",
        color=style.GREY if deviates else style.OURS,
        label="one seed, other budget or depth" if deviates else "one seed",
        **look,
    )


def _mark_above(axes: Axes, position: int, deviates: bool) -> None:
    axes.plot(
        position,
        0.965,
        "^",
        color=style.GREY if deviates else style.OURS,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
        label="mean above the axis" + (", other budget or depth" if deviates else ""),
    )


def _say_at_top(axes: Axes, position: int, text: str) -> None:
    place = axes.get_xaxis_transform()
    axes.text(position, 0.91, text, fontsize=7, ha="center", va="top", rotation=90, transform=place)


def _caption(
    protocol: str, task: str, series: list[Configuration], theirs_shown: bool, reported: Reported
) -> str:
    groups = list({one.config: one.group for one in series}.values())
    text = (
        f"Last validation loss in {style.NATS} against dropout rate, protocol {protocol} on {task}; "
        f"{seeds_text(groups)}{budget_text(groups)}. Dots are single seeds, lines their means; rates are "
        "evenly spaced, not to scale; every panel has a scale of its own. A triangle at the top edge is a "
        "mean above the axis, with its value. "
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
