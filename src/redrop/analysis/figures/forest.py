"""Every claim's comparisons in one figure: paired differences with intervals, a row each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from redrop.analysis.claims import Judgement, judge, own_claims
from redrop.analysis.compared import ComparedPair
from redrop.analysis.decision.comparison import CONTRADICTED, EQUIVALENT, SMALL, SUPPORTED, UNDECIDED
from redrop.analysis.derived import ITERATIONS_TO
from redrop.analysis.plotting import style
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.scoring import SCORE
from redrop.analysis.study_results import StudyResults
from redrop.study import Study

EACH = "study"

LOOKS: dict[str, dict[str, Any]] = {
    SUPPORTED: {"marker": "o", "color": style.OURS, "markerfacecolor": style.OURS},
    SMALL: {"marker": "^", "color": style.OURS, "markerfacecolor": "white"},
    CONTRADICTED: {"marker": "D", "color": style.THEIRS, "markerfacecolor": style.THEIRS},
    EQUIVALENT: {"marker": "P", "color": "black", "markerfacecolor": "black"},
    UNDECIDED: {"marker": "s", "color": style.GREY, "markerfacecolor": "white"},
}
"""Verdict -> its mark: shape, colour and filling all differ."""

ROW = 0.17
"""Inches a row."""
LINEAR = 0.01
"""Differences of losses are drawn to scale up to this, and by their logarithm beyond."""

NATS = {"gap_last": "gap of ", "overfitting": "rise above the best of ", "largest_rise": "spike of "}
"""Metrics in nats that are no loss -> what a row is called."""


def unit_of(metric: str) -> str:
    """What differences of a metric are counted in."""
    if metric == SCORE:
        return "points"
    if metric == "iteration_of_best" or ITERATIONS_TO.fullmatch(metric):
        return "iterations"
    nats = metric in NATS or metric.endswith(("_last", "_best"))
    return style.NATS if nats else metric.replace("_", " ")


def scale_differences(axes: Axes, unit: str) -> None:
    """An x axis of differences, with a line at 0."""
    if unit == style.NATS:
        axes.set_xscale("symlog", linthresh=LINEAR, linscale=0.6)
        ends = [-1, -0.1, -LINEAR, 0, LINEAR, 0.1, 1]
        axes.set_xticks(ends, [f"{end:+g}".replace("-", "\N{MINUS SIGN}") if end else "0" for end in ends])
        axes.set_xticks([], minor=True)
    axes.axvline(0.0, color=style.GREY, linewidth=0.8, zorder=1)
    axes.set_xlabel(f"difference ({unit}); right of 0: as the claim says")


@dataclass(frozen=True)
class _Line:
    judgement: Judgement
    comparison: ComparedPair

    @property
    def unit(self) -> str:
        return unit_of(self.judgement.claim.metric)

    @property
    def section(self) -> str:
        judgement = self.judgement
        place = judgement.protocol, judgement.task, judgement.budget, judgement.model
        return ", ".join(dict.fromkeys(place))  # a protocol may have its model's name

    @property
    def text(self) -> str:
        sign = ">" if self.judgement.claim.higher else "<"
        what = NATS.get(self.judgement.claim.metric, "")
        return f"{what}{self.comparison.config} {sign} {self.comparison.than}"


def draw(data: StudyResults) -> Drawing:
    """All protocols together: a group a protocol, task and budget, a panel a unit."""
    study = data.study
    judgements = [found for claim in own_claims(study) for found in judge(data.results, study, claim)]
    every = [_Line(judgement, one) for judgement in judgements for one in judgement.comparisons]
    shown = [line for line in every if line.comparison.result.n]
    units = list(dict.fromkeys(line.unit for line in shown))
    panels = {unit: [line for line in shown if line.unit == unit] for unit in units}
    sizes = [len(lines) + len({line.section for line in lines}) + 2 for lines in panels.values()] or [4]
    height = 0.8 + ROW * sum(sizes) + 0.3 * len(sizes)
    figure = style.new_figure(style.DOUBLE, height, "Claims: paired differences with 95 % intervals")
    grid = figure.subplots(len(sizes), 1, squeeze=False, height_ratios=sizes)[:, 0]
    rows: list[Row] = []
    for axes, (unit, lines) in zip(grid, panels.items(), strict=False):
        rows += _panel(axes, unit, lines)
    if not shown:
        style.say_empty(grid[0], "no comparison was run")
        grid[0].set_xticks([])
    present = [verdict for verdict in LOOKS if any(line.comparison.verdict == verdict for line in shown)]
    if present:
        handles = [Line2D([], [], markersize=4.5, **LOOKS[verdict]) for verdict in present]
        figure.legend(handles, present, loc="outside lower center", ncols=4)
    return Drawing(figure, _caption(study, every, shown), rows)


def _panel(axes: Axes, unit: str, lines: Sequence[_Line]) -> list[Row]:
    """Draw the comparisons of one unit; what was drawn."""
    scale_differences(axes, unit)
    rows: list[Row] = []
    ticks: dict[int, str] = {}
    side, y = axes.get_yaxis_transform(), 0
    ordered = sorted(lines, key=lambda line: line.section)  # stable: the claims' order within
    for section, members in groupby(ordered, key=lambda line: line.section):
        axes.axhspan(y - 0.5, y + 0.5, color="#eeeeee", linewidth=0, zorder=1.5)
        axes.text(0.008, y, section, transform=side, va="center", fontweight="bold", fontsize=7, zorder=4)
        last = None
        for line in members:
            y += 1
            ticks[y] = line.text
            claim = line.judgement.claim
            if claim.name != last:
                axes.text(1.01, y, claim.name, transform=side, va="center", fontsize=7, color="#333333")
                last = claim.name
            rows += _draw(axes, y, line, unit)
        y += 1
    if not any(any(line.comparison.result.differences) for line in lines):
        axes.set_xlim(-1.0, 1.0)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    return rows


def _draw(axes: Axes, y: int, line: _Line, unit: str) -> list[Row]:
    judgement, comparison = line.judgement, line.comparison
    look, seeds = LOOKS[comparison.verdict], comparison.differences
    mean, (low, high) = comparison.result.mean, comparison.result.interval()
    axes.plot(
        list(seeds.values()), [y] * len(seeds), "|", markersize=5, color=look["color"], alpha=0.45, zorder=2
    )
    if math.isfinite(low):
        axes.plot([low, high], [y, y], color=look["color"], linewidth=1.3, zorder=3)
    axes.plot([mean], [y], linestyle="none", markersize=4.5, zorder=4, **look)
    head = {
        "protocol": judgement.protocol,
        "task": judgement.task,
        "budget": judgement.budget,
        "claim": judgement.claim.name,
        "source": judgement.claim.source,
        "metric": judgement.claim.metric,
        "unit": unit,
        "config": comparison.config,
        "than": comparison.than,
    }
    own = [head | {"what": "seed", "seed": seed, "difference": value} for seed, value in seeds.items()]
    ends = {"low": low, "high": high, "verdict": comparison.verdict}
    return [*own, head | {"what": "mean", "n": comparison.result.n, "difference": mean} | ends]


def _caption(study: Study, every: Sequence[_Line], shown: Sequence[_Line]) -> str:
    if not shown:
        return f"{study.title}: no finished run for any of the claims' comparisons."
    counts = sorted({line.comparison.result.n for line in shown})
    n = f"n = {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "")
    found = [line.comparison.verdict for line in shown]
    tally = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in LOOKS if verdict in found)
    text = (
        f"By how much the first configuration of a row is better than the second, paired by seed, {n} seeds: "
        "ticks are seeds, marks their mean, bars Student's 95 % interval, not widened for the number of "
        "comparisons; with fewer than five seeds its standard deviation is that of the protocol's "
        "configurations, unless their own is larger. A row is what a claim says (its name at the right): "
        "supported where the interval lies to the right of 0, contradicted to the left, equivalent where the "
        "difference is shown to be smaller than one that matters; fewer than three seeds never decide. "
        f"{len(shown)} comparisons: {tally}"
    )
    absent = len(every) - len(shown)
    text += f"; {absent} more have no common seed yet." if absent else "."
    if any(line.unit == style.NATS for line in shown):
        text += f" Losses are to scale between {-LINEAR:g} and {LINEAR:g}, logarithmic beyond."
    text += " Verdicts hold at the scale named with each group."
    return text.replace(" -0.01", " \N{MINUS SIGN}0.01")
