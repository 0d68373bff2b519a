"""Last validation loss against the dropout rate: a panel for every sweep over a rate."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from redrop.analysis.collect import Results
from redrop.analysis.figures import style
from redrop.analysis.figures.series import Series, absent_text, reach, seeds_text, sweep_series
from redrop.analysis.reported import NOTHING, Reported, comparable
from redrop.analysis.settings import overrides, show
from redrop.study import Study, Sweep

METRIC = "val_loss_last"
PER_ROW = 3
TITLE_WIDTH = 28
"""Characters of a panel's title in one line."""
SPREAD = 0.22
"""Width, in categories, over which a configuration's seeds are spread so that each is seen."""


def final_loss(
    results: Results,
    study: Study,
    protocol: str,
    task: str,
    reported: Reported = NOTHING,
    sweep: str | None = None,
) -> tuple[Figure, str]:
    """Every seed a dot, their mean a line; the authors' figures where our runs are comparable."""
    del sweep
    subjects = [one for one in study.protocol(protocol).sweeps.values() if one.rate]
    columns = 2 if len(subjects) == 4 else min(PER_ROW, len(subjects))
    rows = math.ceil(len(subjects) / columns)
    figure = style.new_figure(style.DOUBLE, 0.7 + 2.1 * rows)
    figure.suptitle(f"Last validation loss against dropout rate ({protocol}, {task})")
    grid = figure.subplots(rows, columns, squeeze=False)
    everything: list[Series] = []
    theirs_shown = False
    for axes, subject in zip(grid.flat, subjects, strict=False):
        series = sweep_series(results, study, protocol, task, subject)
        theirs = _theirs(study, series, reported)
        theirs_shown |= bool(theirs)
        _panel(axes, subject, series, theirs)
        everything += series
    for axes in grid.flat[len(subjects) :]:
        axes.remove()
    for axes in grid[:, 0]:
        axes.set_ylabel(f"last validation loss\n({style.NATS})")
    _legend(figure, grid.flat[: len(subjects)])
    return figure, _caption(protocol, task, everything, theirs_shown, reported)


def _theirs(study: Study, series: list[Series], reported: Reported) -> dict[int, float]:
    """Position -> the authors' figure, where all of our runs stand beside it."""
    found = {}
    for position, one in enumerate(series):
        value = reported.value(one.group.protocol, one.config, METRIC)
        fair = [comparable(record, overrides(study, record.spec)) for record in one.group.done]
        if math.isfinite(value) and fair and all(fair):
            found[position] = value
    return found


def _panel(axes: Axes, subject: Sweep, series: list[Series], theirs: dict[int, float]) -> None:
    ours = {
        position: [record.value(METRIC) for record in one.group.done]
        for position, one in enumerate(series)
        if one.group.done
    }
    axes.set_title(textwrap.fill(subject.title, TITLE_WIDTH, break_on_hyphens=False))
    axes.set_xlabel("dropout rate (not to scale)")
    axes.set_xticks(range(len(series)), [show(one.rate) for one in series])
    axes.tick_params(axis="x", labelrotation=45 if len(series) > 5 else 0)
    axes.set_xlim(-0.5, len(series) - 0.5)
    axes.grid(visible=False, axis="x")
    if not ours:
        axes.text(0.5, 0.5, "no finished run", ha="center", transform=axes.transAxes)
        return
    ranges = [
        (min([*values, *_one(theirs, position)]), max([*values, *_one(theirs, position)]))
        for position, values in ours.items()
    ]
    low, high = min(lowest for lowest, _ in ranges), reach(ranges)
    margin = 0.07 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)
    line = []
    for position, values in ours.items():
        mean = sum(values) / len(values)
        if min(values) > high:
            _off_the_axis(axes, position, mean, series[position])
            continue
        odd = bool(series[position].odd)
        offsets = _offsets(len(values))
        axes.plot(
            [position + offset for offset in offsets],
            values,
            linestyle="none",
            marker="s" if odd else "o",
            markersize=3.2,
            markeredgewidth=0.4,
            markeredgecolor="white",
            color=style.GREY if odd else style.OURS,
            label="one seed, other budget or depth" if odd else "one seed",
            zorder=3,
        )
        if not odd:
            line.append((position, mean))
    if line:
        axes.plot(*zip(*line, strict=True), color=style.OURS, label="mean of seeds", zorder=2)
    shown = {position: value for position, value in theirs.items() if value <= high + margin}
    if shown:
        axes.plot(
            list(shown),
            list(shown.values()),
            linestyle="none",
            marker="D",
            markersize=5.5,
            markerfacecolor="none",
            markeredgecolor=style.THEIRS,
            label="the authors' figure",
            zorder=4,
        )


def _one(theirs: dict[int, float], position: int) -> list[float]:
    return [theirs[position]] if position in theirs else []


def _offsets(n: int) -> list[float]:
    return [0.0] if n == 1 else [SPREAD * (index / (n - 1) - 0.5) for index in range(n)]


def _off_the_axis(axes: Axes, position: int, mean: float, one: Series) -> None:
    transform = axes.get_xaxis_transform()
    axes.plot(
        position,
        0.965,
        "^",
        color=style.GREY if one.odd else style.OURS,
        transform=transform,
        clip_on=False,
        label="mean above the axis" + (", other budget or depth" if one.odd else ""),
    )
    axes.text(
        position,
        0.91,
        f"{mean:.2f}",
        fontsize=7,
        ha="center",
        va="top",
        rotation=90,
        transform=transform,
    )


def _legend(figure: Figure, panels: list[Axes]) -> None:
    """One entry a kind of mark, whichever panel has it."""
    entries = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=3)


def _caption(protocol: str, task: str, series: list[Series], theirs_shown: bool, reported: Reported) -> str:
    groups = list({one.config: one.group for one in series}.values())
    budgets = sorted({one.budget for one in series if one.group.done})
    text = (
        f"Last validation loss in {style.NATS} against dropout rate, protocol {protocol} on {task}; "
        f"{seeds_text(groups)}"
        + (f", budget {', '.join(map(show, budgets))} iterations" if budgets else "")
        + ". Dots are single seeds, lines their means; rates are evenly spaced, not to scale. "
        "A triangle at the top edge is a mean above the axis, with its value. "
    )
    odd = [f"{one.config} ({one.odd})" for one in series if one.odd]
    if odd:
        text += f"Squares, in no line, differ in budget or depth: {', '.join(odd)}. "
    if theirs_shown:
        text += "Diamonds: the authors' single recorded runs, where ours have their settings."
    elif any(math.isfinite(reported.value(protocol, one.config, METRIC)) for one in series):
        text += "The authors' figures are not shown: no run is at their size and corpus."
    else:
        text += "The authors recorded no such runs."
    return text + absent_text(groups)
