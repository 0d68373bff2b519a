"""Statistics over seeds: intervals of a mean, differences paired by seed, means over tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Coverage of every interval."""


@dataclass(frozen=True)
class Interval:
    """A mean and where it may lie; both ends NaN for fewer than two values."""

    mean: float
    low: float
    high: float
    n: int


def t_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Student's t interval of the mean."""
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(np.mean(values))
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def paired_differences(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    """Seed -> second minus first, for the seeds that both have; values that are not finite are left out."""
    common = [seed for seed in sorted(first) if seed in second]
    differences = {seed: second[seed] - first[seed] for seed in common}
    return {seed: value for seed, value in differences.items() if math.isfinite(value)}


def mean_of_common(values: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Seed -> mean over the tasks (or whatever else ``values`` are of), for the seeds that have every one."""
    common = set.intersection(*map(set, values)) if values else set()
    return {seed: sum(value[seed] for value in values) / len(values) for seed in sorted(common)}
