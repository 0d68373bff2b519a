"""What figures draw: the configurations of a sweep in the order of their rates, and axis limits."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from redrop.analysis.collect import Group, Results
from redrop.analysis.plotting.style import thousands
from redrop.analysis.settings import flat, show, study_spec
from redrop.analysis.study_results import StudyResults
from redrop.study import Sweep

REACH = 5.0
"""An axis reaches this many times as far from its lowest value as the median series does; what lies
wholly above is named instead of drawn, so that one bad configuration does not flatten the
others."""

STRUCTURE = ("schedule.iterations", "schedule.stop_at", "model.n_layer")
"""Settings that a sweep's configurations should share; one that has them otherwise is marked."""


@dataclass(frozen=True)
class Configuration:
    """One configuration of a sweep."""

    config: str
    group: Group
    settings: dict[str, Any]
    rate: float | None
    """None: the sweep is over no rate."""
    deviation: str
    """How its budget or depth differs from most of the sweep's; empty: it does not."""

    @property
    def short_name(self) -> str:
        """Its rate, or its configuration where the sweep is over no rate."""
        return self.config if self.rate is None else show(self.rate)

    @property
    def name(self) -> str:
        """What a legend calls it."""
        return f"{self.short_name} ({self.deviation})" if self.deviation else self.short_name

    @property
    def budget(self) -> int:
        """Iterations really made."""
        stop = self.settings["schedule.stop_at"]
        return self.settings["schedule.iterations"] if stop is None else stop


def sweep_configurations(data: StudyResults, protocol: str, task: str, sweep: Sweep) -> list[Configuration]:
    """The sweep's configurations, run or not, by rate if there is one, else as in the study."""
    groups = [data.group(protocol, config, task) for config in sweep.configs]
    settings = [flat(group.spec or study_spec(data.study, protocol, group.config, task)) for group in groups]
    voters = [own for group, own in zip(groups, settings, strict=True) if group.records] or settings
    common = {key: Counter(own[key] for own in voters).most_common(1)[0][0] for key in STRUCTURE}
    found = [
        Configuration(
            group.config, group, own, own[sweep.rate] if sweep.rate else None, _deviation(own, common)
        )
        for group, own in zip(groups, settings, strict=True)
    ]
    if sweep.rate:
        found.sort(key=lambda one: math.inf if one.rate is None else one.rate)
    return found


def _deviation(settings: dict[str, Any], common: dict[str, Any]) -> str:
    differences = []
    if settings["model.n_layer"] != common["model.n_layer"]:
        differences.append(f"{settings['model.n_layer']} pairs")
    if settings["schedule.iterations"] != common["schedule.iterations"]:
        differences.append(f"{thousands(settings['schedule.iterations'])} it.")
    if settings["schedule.stop_at"] != common["schedule.stop_at"]:
        stop = settings["schedule.stop_at"]
        differences.append("whole schedule" if stop is None else f"stopped at {thousands(stop)}")
    return ", ".join(differences)


def common_budget(series: Sequence[Configuration]) -> int:
    """The number of iterations that most of the series have."""
    run = [one.budget for one in series if one.group.records]
    return Counter(run or [one.budget for one in series]).most_common(1)[0][0]


def val_curves(results: Results, group: Group) -> list[pd.Series]:
    """Validation loss by iteration of each finished run."""
    return [results.curve(record.run).set_index("iteration")["val_loss"] for record in group.done]


def reach(ranges: Sequence[tuple[float, float]]) -> float:
    """The highest value that an axis should show, given each series' (low, high); see ``REACH``."""
    low = min(lowest for lowest, _ in ranges)
    limit = low + REACH * (statistics.median(highest for _, highest in ranges) - low)
    return max([highest for lowest, highest in ranges if lowest <= limit], default=limit)


def fit(panels: Iterable[Axes], ranges: Sequence[tuple[float, float]], margin: float) -> float:
    """Fit the y axes to the series that lie together, given each one's (low, high); their highest value.

    ``margin``: share of the axis left free at its ends.
    """
    low, high = min(lowest for lowest, _ in ranges), reach(ranges)
    space = margin * (high - low) or 0.01
    for axes in panels:
        axes.set_ylim(low - space, high + space)
    return high
