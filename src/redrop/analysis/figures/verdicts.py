"""The verdicts in one figure: a row a claim, in words, at the paper's own budget first, then at others."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from redrop.analysis.claims import Claim, Judgement, counting, judge, own_claims
from redrop.analysis.decision.claim import ClaimVerdict
from redrop.analysis.decision.claim import judge as decide
from redrop.analysis.decision.comparison import Comparison
from redrop.analysis.figures.forest import LOOKS, scale_differences, unit_of
from redrop.analysis.plotting import style
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.study_results import StudyResults

EACH = "study"
LINE = 0.13
"""Inches a line of text."""
WIDTH = 46
"""Characters of a claim's line."""
SPREAD = 0.62
"""Share of a row over which its comparisons are spread."""


@dataclass(frozen=True)
class _Judged:
    claim: Claim
    found: ClaimVerdict
    places: str

    @property
    def text(self) -> list[str]:
        return textwrap.wrap(self.claim.text, WIDTH)

    @property
    def shown(self) -> list[tuple[str, str, Comparison]]:
        """Question, place, comparison: over all places, or in each where they differ or seeds are too few."""
        one = {each.pair: each.pooled for each in self.found.across if not each.differs}
        each = [
            (p.pair, p.place, p.comparison) for p in self.found.parts if p.comparison.n and p.pair not in one
        ]
        return [(pair, "", comparison) for pair, comparison in one.items()] + each


def draw(data: StudyResults) -> Drawing:
    """A panel a unit of the metrics, those at the published budget above the others."""
    claims = [(claim, judge(data.results, data.study, claim)) for claim in own_claims(data.study)]
    published = [_judged(claim, [one for one in found if one.as_published]) for claim, found in claims]
    here = [_judged(claim, counting(found)) for claim, found in claims]
    panels: list[tuple[str, str, list[_Judged]]] = []
    for title, every in (
        ("At the paper's own budget", published),
        ("At the scales that were run here", here),
    ):
        judged = [one for one in every if one.shown]
        for unit in dict.fromkeys(unit_of(one.claim.metric) for one in judged):
            own = [one for one in judged if unit_of(one.claim.metric) == unit]
            panels.append((title, unit, own))
    sizes = [sum(len(one.text) + 0.6 for one in own) + 3.5 for _, _, own in panels] or [4.0]
    figure = style.new_figure(style.DOUBLE, 0.7 + LINE * sum(sizes), "What the runs say about each claim")
    grid = figure.subplots(len(sizes), 1, squeeze=False, height_ratios=sizes)[:, 0]
    rows: list[Row] = []
    for axes, (title, unit, own) in zip(grid, panels, strict=False):
        axes.set_title(f"{title} ({_budgets(own)})", fontweight="bold")
        rows += _panel(axes, title, unit, own)
    if not panels:
        style.say_empty(grid[0], "no comparison was run")
        grid[0].set_xticks([])
    present = [verdict for verdict in LOOKS if any(row["comparison"] == verdict for row in rows)]
    if present:
        handles = [Line2D([], [], linestyle="none", markersize=4.5, **LOOKS[verdict]) for verdict in present]
        figure.legend(handles, present, loc="outside lower center", ncols=5)
    return Drawing(figure, _caption(data, len(claims), panels), rows)


def _judged(claim: Claim, judgements: Sequence[Judgement]) -> _Judged:
    found = decide([part for one in judgements for part in one.parts])
    budgets = [one.budget for one in judgements if one.run]
    return _Judged(claim, found, "; ".join(dict.fromkeys(budgets)))


def _panel(axes: Axes, title: str, unit: str, judged: Sequence[_Judged]) -> list[Row]:
    scale_differences(axes, unit)
    if matters := max((one.claim.matters for one in judged), default=0.0):
        axes.axvspan(-matters, matters, color="#eeeeee", linewidth=0, zorder=0.5)
    side, y, rows = axes.get_yaxis_transform(), 0.0, []
    ticks: dict[float, str] = {}
    for one in judged:
        height = len(one.text) + 0.6
        middle = y + height / 2
        ticks[middle] = "\n".join(one.text)
        says = textwrap.fill(one.found.verdict, 18)
        axes.text(1.01, middle, says, transform=side, va="center", fontsize=7, fontweight="bold")
        for number, (question, place, comparison) in enumerate(one.shown):
            offset = (number + 0.5) / len(one.shown) - 0.5
            rows.append(_draw(axes, middle + offset * SPREAD * height, comparison))
            about = {"panel": title, "claim": one.claim.name, "text": one.claim.text, "question": question}
            where = {"place": place or "all", "budget": one.places}
            rows[-1] = about | where | {"unit": unit, "verdict": one.found.verdict} | rows[-1]
        y += height
        axes.axhline(y, color="#e3e3e3", linewidth=0.5, zorder=0.6)
    axes.set_yticks(list(ticks), list(ticks.values()))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(y, 0.0)
    axes.grid(visible=False, axis="y")
    if not any(any(c.differences) for one in judged for _, _, c in one.shown):
        axes.set_xlim(-1.0, 1.0)
    return rows


def _draw(axes: Axes, y: float, comparison: Comparison) -> dict[str, Any]:
    look, (low, high) = LOOKS[comparison.verdict], comparison.interval()
    if math.isfinite(low) and comparison.enough:
        axes.plot([low, high], [y, y], color=look["color"], linewidth=1.3, zorder=3)
    axes.plot([comparison.mean], [y], linestyle="none", markersize=4.0, zorder=4, **look)
    ends = {"low": low, "high": high} if comparison.enough else {"low": math.nan, "high": math.nan}
    return {"n": comparison.n, "difference": comparison.mean, **ends, "comparison": comparison.verdict}


def _caption(data: StudyResults, claims: int, panels: Sequence[tuple[str, str, list[_Judged]]]) -> str:
    if not panels:
        return f"{data.study.title}: no finished run for any of the claims' comparisons."
    shown = [one for _, _, own in panels for one in own]
    seeds = sorted({comparison.n for one in shown for _, _, comparison in one.shown})
    n = f"n = {seeds[0]}" + (f" to {seeds[-1]}" if len(seeds) > 1 else "")
    return (
        "A row a claim, its verdict at the right. Each mark is one comparison of it, paired by seed, over "
        "all texts and scales that were run, or in each of them where they differ; right of 0 is what the "
        "claim says. Bars are 95 % intervals; a mark without one has fewer than three seeds, which decide "
        "nothing. "
        f"Grey: differences too small to matter. {n} pairs of runs a mark; "
        f"{len({one.claim.name for one in shown})} of {claims} claims have a comparison that was run."
    )


def _budgets(judged: Sequence[_Judged]) -> str:
    return "; ".join(dict.fromkeys(budget for one in judged for budget in one.places.split("; ")))
