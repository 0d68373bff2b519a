"""What figures draw: the configurations of a sweep in the order of their rates, and axis limits."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from redrop.analysis.collect import Group, Results
from redrop.analysis.figures.style import thousands
from redrop.analysis.settings import flat, show, study_spec
from redrop.study import Study, Sweep

REACH = 5.0
"""An axis reaches this many times as far from its lowest value as the median series does; what lies
wholly above is named instead of drawn, so that one bad configuration does not flatten the
others."""

STRUCTURE = ("schedule.iterations", "schedule.stop_at", "model.n_layer")
"""Settings that a sweep's configurations should share; one that has them otherwise is marked."""


@dataclass(frozen=True)
class Series:
    """One configuration of a sweep."""

    config: str
    group: Group
    settings: dict[str, Any]
    rate: float | None
    """None: the sweep is over no rate."""
    odd: str
    """How its budget or depth differs from most of the sweep's; empty: it does not."""

    @property
    def short_name(self) -> str:
        """Its rate, or its configuration where the sweep is over no rate."""
        return self.config if self.rate is None else show(self.rate)

    @property
    def name(self) -> str:
        """What a legend calls it."""
        return f"{self.short_name} ({self.odd})" if self.odd else self.short_name

    @property
    def budget(self) -> int:
        """Iterations really made."""
        stop = self.settings["schedule.stop_at"]
        return self.settings["schedule.iterations"] if stop is None else stop


def sweep_series(results: Results, study: Study, protocol: str, task: str, sweep: Sweep) -> list[Series]:
    """The sweep's configurations, run or not, by rate if there is one, else as in the study."""
    found: list[tuple[Group, dict[str, Any]]] = []
    for config in sweep.configs:
        group = results.group(study.name, protocol, config, task)
        spec = group.spec or study_spec(study, protocol, config, task)
        found.append((group, flat(spec)))
    voters = [settings for group, settings in found if group.records] or [settings for _, settings in found]
    common = {key: Counter(settings[key] for settings in voters).most_common(1)[0][0] for key in STRUCTURE}
    series = []
    for group, settings in found:
        rate = settings[sweep.rate] if sweep.rate else None
        series.append(Series(group.config, group, settings, rate, _odd(settings, common)))
    if sweep.rate:
        series.sort(key=lambda one: math.inf if one.rate is None else one.rate)
    return series


def _odd(settings: dict[str, Any], common: dict[str, Any]) -> str:
    parts = []
    if settings["model.n_layer"] != common["model.n_layer"]:
        parts.append(f"{settings['model.n_layer']} pairs")
    if settings["schedule.iterations"] != common["schedule.iterations"]:
        parts.append(f"{thousands(settings['schedule.iterations'])} it.")
    if settings["schedule.stop_at"] != common["schedule.stop_at"]:
        stop = settings["schedule.stop_at"]
        parts.append("whole schedule" if stop is None else f"stopped at {thousands(stop)}")
    return ", ".join(parts)


def common_budget(series: Sequence[Series]) -> int:
    """The number of iterations that most of the series have."""
    run = [one.budget for one in series if one.group.records]
    return Counter(run or [one.budget for one in series]).most_common(1)[0][0]


def band(results: Results, group: Group) -> pd.DataFrame:
    """Mean, low and high of the validation loss over the finished seeds, where all have one."""
    curves = [results.curve(record.run).set_index("iteration")["val_loss"] for record in group.done]
    if not curves:
        return pd.DataFrame(columns=["mean", "low", "high"], dtype=float)
    wide = pd.concat(curves, axis="columns", join="inner").dropna()
    return pd.DataFrame({"mean": wide.mean(axis=1), "low": wide.min(axis=1), "high": wide.max(axis=1)})


def reach(ranges: Sequence[tuple[float, float]]) -> float:
    """The highest value that an axis should show, given each series' (low, high); see ``REACH``."""
    low = min(lowest for lowest, _ in ranges)
    limit = low + REACH * (statistics.median(highest for _, highest in ranges) - low)
    return max([highest for lowest, highest in ranges if lowest <= limit], default=limit)


def seeds_text(groups: Sequence[Group]) -> str:
    """``n = 5 seeds``, or ``n = 3 to 5 seeds`` where configurations differ."""
    counts = [len(group.done) for group in groups if group.done]
    if not counts:
        return "no finished run"
    low, high = min(counts), max(counts)
    if low != high:
        return f"n = {low} to {high} seeds"
    return f"n = {low} seed" + ("s" if low > 1 else "")


def budget_text(groups: Sequence[Group]) -> str:
    """``, budget 5,000 iterations`` of what was run; empty without a run."""
    budgets = sorted({group.spec.schedule.last_iteration for group in groups if group.done})
    return f", budget {', '.join(map(show, budgets))} iterations" if budgets else ""


def absent_text(groups: Sequence[Group]) -> str:
    """A sentence on what is not drawn, or empty."""
    absent = [group.config for group in groups if not group.records]
    fewer = [f"{group.config} ({group.missing})" for group in groups if group.records and group.missing]
    diverged = [f"{group.config} ({len(group.diverged)})" for group in groups if group.diverged]
    text = f" No finished run: {', '.join(absent)}." if absent else ""
    text += f" Runs missing: {', '.join(fewer)}." if fewer else ""
    return text + (f" Diverged runs, in no mean: {', '.join(diverged)}." if diverged else "")
