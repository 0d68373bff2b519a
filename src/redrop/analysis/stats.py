"""Statistics over seeds: intervals of a mean and of a paired difference, probability of improvement.

Few seeds are the rule here, so the t interval is what verdicts rest on; the bootstrap stands beside it as a
check that does not assume normal errors, and is too narrow for n below about ten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Coverage of every interval."""
RESAMPLES = 10_000
BOOTSTRAP_SEED = 0
"""Fixed, so that equal results give equal bytes."""


@dataclass(frozen=True)
class Interval:
    """A mean and where it may lie; both ends NaN for fewer than two values."""

    mean: float
    low: float
    high: float
    n: int

    def times(self, factor: float) -> Interval:
        """The same in another unit."""
        return Interval(factor * self.mean, factor * self.low, factor * self.high, self.n)


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


def prediction_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Where one more value of the same normal distribution would lie: what a single run is compared with."""
    n = len(values)
    if n < 2:
        return t_interval(values, level)
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) * np.std(values, ddof=1) * math.sqrt(1 + 1 / n))
    return Interval(mean, mean - half, mean + half, n)


def bootstrap_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Percentile bootstrap interval of the mean (Efron, 1979), with a fixed seed."""
    n = len(values)
    if n < 2:
        return t_interval(values, level)
    data = np.asarray(values, dtype=float)
    picks = np.random.default_rng(BOOTSTRAP_SEED).integers(0, n, (RESAMPLES, n))
    means = data[picks].mean(axis=1)
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(data.mean()), float(low), float(high), n)


def paired_differences(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    """Seed -> second minus first, for the seeds that both have; values that are not finite are left out."""
    common = [seed for seed in sorted(first) if seed in second]
    differences = {seed: second[seed] - first[seed] for seed in common}
    return {seed: value for seed, value in differences.items() if math.isfinite(value)}


def mean_of_common(values: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """Seed -> mean over the tasks (or whatever else ``values`` are of), for the seeds that have every one."""
    common = set.intersection(*map(set, values)) if values else set()
    return {seed: sum(value[seed] for value in values) / len(values) for seed in sorted(common)}


def probability_of_improvement(first: Sequence[float], second: Sequence[float]) -> float:
    """How often a random run of ``first`` has the lower value than one of ``second``; ties count half.

    The Mann-Whitney statistic over the number of pairs, as Agarwal et al. (2021) use it. NaN without runs.
    """
    if not len(first) or not len(second):
        return math.nan
    a, b = np.asarray(first, dtype=float)[:, None], np.asarray(second, dtype=float)[None, :]
    return float(np.mean((a < b) + 0.5 * (a == b)))
