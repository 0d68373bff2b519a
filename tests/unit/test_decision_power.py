"""Detectable differences and seeds against tabled values, simulation and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from redrop.analysis.decision.comparison import t_interval, t_test, two_one_sided_tests
from redrop.analysis.decision.power import (
    detectable,
    detectable_equivalence,
    equivalence_power,
    power,
    seeds_to_show,
    seeds_to_show_equivalence,
)

MANY = 40_000


@pytest.mark.parametrize(("n", "smallest"), [(3, 3.264044), (5, 1.681997), (10, 0.996002), (44, 0.432086)])
def test_detectable_differences_are_statsmodels(n: int, smallest: float) -> None:
    """statsmodels 0.15.0: TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8, alternative="two-sided"),
    in standard deviations."""
    assert detectable(n, 1.0) == pytest.approx(smallest, abs=2e-6)
    assert detectable(n, 0.01) == pytest.approx(0.01 * smallest, abs=2e-8)


def test_seeds_are_statsmodels() -> None:
    """solve_power(effect_size=1.0 and 0.5, alpha=0.05, power=0.8): 9.938 and 33.367 pairs."""
    assert (seeds_to_show(1.0, 1.0), seeds_to_show(0.5, 1.0)) == (10, 34)
    assert (seeds_to_show(-5.0, 1.0), seeds_to_show(50.0, 1.0)) == (None, 3)


@pytest.mark.parametrize(("n", "df"), [(3, 2), (5, 4), (12, 11), (3, 20)])
def test_power_as_printed(n: int, df: int) -> None:
    """Simulated: at the detectable difference the 95 % interval lies above 0 in 80 % of the cases, at the
    detectable margin 0 is found equivalent in 80 %; df 20: the spread is pooled."""
    rng = np.random.default_rng(n + df)
    se = np.sqrt(rng.chisquare(df, MANY) / df / n)
    noise = rng.normal(size=MANY) / math.sqrt(n)
    allowed = 4.0 * math.sqrt(0.8 * 0.2 / MANY)
    low, _ = t_interval(noise + detectable(n, 1.0, df), se, df, 0.95)
    assert np.mean(low > 0.0) == pytest.approx(0.8, abs=allowed)
    equal = two_one_sided_tests(noise, se, df, detectable_equivalence(n, 1.0, df)) < 0.05
    assert np.mean(equal) == pytest.approx(0.8, abs=allowed)


def test_power_without_a_difference_is_half_the_size() -> None:
    assert power(0.0, 5, 1.0) == pytest.approx(0.025)
    draws = np.random.default_rng(1).normal(size=(MANY, 5))
    p = t_test(draws.mean(1), draws.std(1, ddof=1) / math.sqrt(5), 4)
    assert np.mean((p < 0.05) & (draws.mean(1) > 0.0)) == pytest.approx(0.025, abs=0.004)


def test_equivalence_off_centre_is_simulated() -> None:
    draws = np.random.default_rng(2).normal(0.5, 1.0, (MANY, 10))
    p = two_one_sided_tests(draws.mean(1), draws.std(1, ddof=1) / math.sqrt(10), 9, 1.2)
    assert np.mean(p < 0.05) == pytest.approx(equivalence_power(1.2, 10, 1.0, true=0.5), abs=0.01)


def test_equivalence_at_the_margin_has_at_most_the_size() -> None:
    assert equivalence_power(1.0, 100, 1.0, true=1.0) == pytest.approx(0.05, abs=1e-6)
    assert equivalence_power(1.0, 4, 1.0, true=1.0) < 0.05


@pytest.mark.parametrize("margin", [0.3, 1.0, 3.0])
def test_seeds_are_the_fewest(margin: float) -> None:
    for seeds, reached in ((seeds_to_show, power), (seeds_to_show_equivalence, equivalence_power)):
        n = seeds(margin, 1.0)
        assert n is not None
        assert reached(margin, n, 1.0) >= 0.8
        assert n == 3 or reached(margin, n - 1, 1.0) < 0.8


def test_what_cannot_be_said() -> None:
    assert math.isnan(detectable(2, 1.0))
    assert math.isnan(detectable(5, math.nan))
    assert detectable(5, 0.0) == 0.0
    assert seeds_to_show_equivalence(0.0, 1.0) is None
