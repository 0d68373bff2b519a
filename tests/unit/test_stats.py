"""The statistics against scipy, hand-worked cases and simulated data of known effect."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from redrop.analysis.stats import paired_differences, t_interval


def test_a_hand_worked_t_interval() -> None:
    """1, 2, 3: mean 2, standard error 1/sqrt(3), t(0.975, 2) = 4.3027."""
    found = t_interval([1.0, 2.0, 3.0])
    assert (found.mean, found.n) == (2.0, 3)
    assert found.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), abs=1e-5)
    assert found.high - 2.0 == pytest.approx(2.0 - found.low)


def test_t_intervals_are_scipys() -> None:
    values = np.random.default_rng(1).normal(1.5, 0.01, 7)
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    found = t_interval(values.tolist())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_paired_differences_are_a_paired_t_test() -> None:
    draw = np.random.default_rng(2)
    first = dict(enumerate(draw.normal(1.50, 0.02, 5)))
    second = {seed: value + draw.normal(0.01, 0.002) for seed, value in first.items()}
    found = t_interval(list(paired_differences(first, second).values()))
    expected = stats.ttest_rel(list(second.values()), list(first.values())).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_only_common_finite_seeds_are_paired() -> None:
    first, second = {1: 1.0, 2: 2.0, 3: math.nan, 4: 1.0}, {2: 2.5, 3: 1.0, 4: 0.5, 9: 1.0}
    assert paired_differences(first, second) == {2: 0.5, 4: -0.5}


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_values_have_no_interval(n: int) -> None:
    interval = t_interval([1.0] * n)
    assert interval.n == n
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)
    assert math.isnan(interval.mean) is (n == 0)


def test_intervals_cover_a_known_effect_as_often_as_they_say() -> None:
    """5 seeds, 4,000 simulated experiments: 95 % within what such a count scatters by."""
    draw = np.random.default_rng(5)
    effect, trials = 0.01, 4000
    samples = draw.normal(effect, 0.02, (trials, 5))
    covered = sum((found := t_interval(sample)).low <= effect <= found.high for sample in samples.tolist())
    scatter = 4 * math.sqrt(0.95 * 0.05 / trials)
    assert covered / trials == pytest.approx(0.95, abs=scatter)
