"""One comparison: hand-worked cases, scipy's figures, size and coverage over simulated seeds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from redrop.analysis.decision.comparison import (
    CONTRADICTED,
    EQUIVALENT,
    NOT_RUN,
    SMALL,
    SUPPORTED,
    UNDECIDED,
    compare,
    improvement,
    sign_flip_test,
    t_interval,
    t_test,
    two_one_sided_tests,
)
from redrop.analysis.decision.spread import Spread, pooled_spread

SIMULATIONS = 20_000


def standard_errors(share: float, n: int, many: float = 4.0) -> float:
    """A few binomial standard errors of a share of ``n`` simulations."""
    return many * math.sqrt(share * (1.0 - share) / n)


def test_a_hand_worked_comparison() -> None:
    """1, 2, 3, 4, 5: mean 3, sd sqrt(2.5) = 1.5811, standard error 0.7071, t(0.975, 4) = 2.7764,
    t(0.95, 4) = 2.1318: intervals 3 -+ 1.9633 and 3 -+ 1.5075."""
    found = compare([1.0, 2.0, 3.0, 4.0, 5.0], matters=1.0)
    assert (found.mean, found.median, found.n) == (3.0, 3.0, 5)
    assert found.interval() == pytest.approx((1.03676, 4.96324), abs=1e-5)
    assert found.interval(0.9) == pytest.approx((1.49255, 4.50745), abs=1e-5)
    assert found.verdict == SUPPORTED


def test_the_ts_are_scipys() -> None:
    values = np.random.default_rng(1).normal(0.01, 0.02, 7)
    found, expected = compare(values), stats.ttest_1samp(values, 0.0)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(tuple(expected.confidence_interval(0.95)))
    below = stats.ttest_1samp(values, -0.03, alternative="greater").pvalue
    above = stats.ttest_1samp(values, 0.03, alternative="less").pvalue
    assert compare(values, matters=0.03).p_equivalent == pytest.approx(max(below, above))


@pytest.mark.parametrize(
    ("differences", "matters", "verdict"),
    [
        ([0.030, 0.034, 0.029, 0.031, 0.033], 0.01, SUPPORTED),
        ([0.0030, 0.0034, 0.0029, 0.0031, 0.0033], 0.01, SMALL),
        ([-0.030, -0.034, -0.029, -0.031, -0.033], 0.01, CONTRADICTED),
        ([0.001, -0.001, 0.002, -0.002, 0.000], 0.01, EQUIVALENT),
        ([0.006, -0.006, 0.012, -0.012, 0.000], 0.01, EQUIVALENT),  # 90 %: -+ 0.0090, 95 %: -+ 0.0118
        ([0.001, -0.001, 0.002, -0.002, 0.000], 0.001, UNDECIDED),
        ([0.001, -0.001, 0.002, -0.002, 0.000], 0.0, UNDECIDED),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 0.01, EQUIVALENT),
        ([0.030, 0.031], 0.01, UNDECIDED),
        ([0.030], 0.01, UNDECIDED),
        ([], 0.01, NOT_RUN),
    ],
)
def test_verdicts(differences: list[float], matters: float, verdict: str) -> None:
    assert compare(differences, matters).verdict == verdict


def test_a_contradiction_smaller_than_matters_is_marked() -> None:
    found = compare([-0.0030, -0.0034, -0.0029, -0.0031, -0.0033], matters=0.01)
    assert (found.verdict, found.smaller_than_matters) == (CONTRADICTED, True)


def test_the_published_tables_comparisons() -> None:
    """claims.csv of the published study, protocol notebook: res2-0.99 over res4-0.2 and over res4-0.5."""
    equal = compare([-0.005765, 0.003600, 0.006683, -0.003747, -0.001541, 0.000192], matters=0.01)
    assert equal.interval() == pytest.approx((-0.004957, 0.004764), abs=2e-6)
    assert equal.verdict == EQUIVALENT
    better = compare([-0.005936, 0.009637, 0.010926, 0.009315, 0.008170, 0.011164], matters=0.01)
    assert better.interval() == pytest.approx((0.000355, 0.014070), abs=2e-6)
    assert better.verdict == SUPPORTED
    assert better.p_sign_flip == 4 / 64


def test_a_run_that_got_stuck_leaves_the_median_alone() -> None:
    """skip1-0.025 over skip1-0.2 in the same table: the third run of 0.2 stayed at the unigram entropy."""
    found = compare([0.227890, 0.227001, 1.071665, 0.240279, 0.227527], 0.01, stuck=["skip1-0.2-s1339"])
    assert found.verdict == UNDECIDED
    assert (found.mean, found.median) == pytest.approx((0.398872, 0.227890), abs=1e-6)
    assert found.stuck == ("skip1-0.2-s1339",)


def test_few_seeds_are_judged_by_the_pooled_spread() -> None:
    """sd 0.01: t(0.975, 2) = 4.3027 gives 0.02 -+ 0.0248, t(0.975, 20) = 2.0860 gives 0.02 -+ 0.0120."""
    few = [0.01, 0.02, 0.03]
    assert compare(few).verdict == UNDECIDED
    found = compare(few, pooled=Spread(0.01, 20))
    assert found.pooled
    assert found.interval() == pytest.approx((0.02 - 0.012044, 0.02 + 0.012044), abs=1e-6)
    assert found.verdict == SUPPORTED
    assert not compare([*few, 0.01, 0.02], pooled=Spread(0.01, 20)).pooled


def test_two_seeds_never_decide_whatever_the_pooled_spread() -> None:
    assert compare([1.0, 1.0], pooled=Spread(0.001, 50)).verdict == UNDECIDED


def test_a_spread_wider_than_the_pooled_one_is_kept() -> None:
    """Their own is 0.01."""
    assert not compare([0.01, 0.02, 0.03], pooled=Spread(0.009, 20)).pooled
    assert compare([0.01, 0.02, 0.03], pooled=Spread(0.011, 20)).pooled


def test_pooling_is_the_two_way_analysis_of_variance() -> None:
    """Configurations 1, 2, 4 and 2, 2, 5 and 3, 5, 6 on three seeds: means 7/3, 3, 14/3 and 2, 3, 5, of all
    10/3. Residuals 0, 0, 0; 1/3, -2/3, 1/3; -1/3, 2/3, -1/3: sum of squares 4/3 with 4 degrees of freedom."""
    values = {
        "a": {1: 1.0, 2: 2.0, 3: 4.0},
        "b": {1: 2.0, 2: 2.0, 3: 5.0},
        "c": {1: 3.0, 2: 5.0, 3: 6.0},
    }
    found = pooled_spread(values)
    assert found is not None
    assert (found.sd, found.df) == (pytest.approx(math.sqrt(2 * (4 / 3) / 4)), 4)


def test_pooling_two_configurations_is_their_paired_spread() -> None:
    a, b = np.random.default_rng(2).normal(size=(2, 4))
    found = pooled_spread({"a": dict(enumerate(a)), "b": dict(enumerate(b)) | {9: 1.0}})
    assert found is not None
    assert (found.sd, found.df) == (pytest.approx(np.std(a - b, ddof=1)), 3)


def test_nothing_to_pool() -> None:
    assert pooled_spread({"a": {1: 1.0}, "b": {2: 2.0}}) is None
    assert pooled_spread({}) is None


def test_sign_flips_are_exact() -> None:
    """All six positive: 2 of 64. 1, 2, 3, 4, 5, -6: sums as far from 0 as 9 are counted by enumeration."""
    assert sign_flip_test([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == 2 / 64
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, -6.0])
    signs = np.array(np.meshgrid(*[[-1, 1]] * 6)).reshape(6, -1)
    assert sign_flip_test(values) == np.mean(np.abs(values @ signs) >= 9.0)
    assert compare(values[:5]).p_sign_flip is None


def test_improvement_counts_pairs() -> None:
    """Three of four better and a tie: 3.5 / 5 with ties half. Clopper-Pearson of 3 and of 4 of 5."""
    found = improvement([0.1, 0.2, 0.3, 0.0, -0.1])
    assert found.share == 0.7
    assert found.low == pytest.approx(stats.beta.ppf(0.025, 3, 3))
    assert found.high == pytest.approx(stats.beta.ppf(0.975, 5, 1))
    assert math.isnan(improvement([]).share)


def test_bad_values_are_refused() -> None:
    with pytest.raises(ValueError, match="not all finite"):
        compare([0.1, math.nan])
    with pytest.raises(ValueError, match="give 0 for none"):
        compare([0.1], matters=-1.0)


def simulated(true: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors of ``SIMULATIONS`` comparisons with standard deviation 1."""
    draws = np.random.default_rng(seed).normal(true, 1.0, (SIMULATIONS, n))
    return draws.mean(1), draws.std(1, ddof=1) / math.sqrt(n)


@pytest.mark.parametrize("n", [3, 5, 10])
def test_size_and_coverage_of_one_comparison(n: int) -> None:
    """Both verdicts together are wrong in 5 % of comparisons without a difference; intervals cover 95 %."""
    mean, se = simulated(0.0, n, seed=n)
    allowed = standard_errors(0.05, SIMULATIONS)
    assert np.mean(t_test(mean, se, n - 1) < 0.05) == pytest.approx(0.05, abs=allowed)
    mean, se = simulated(0.7, n, seed=10 + n)
    for level in (0.9, 0.95):
        low, high = t_interval(mean, se, n - 1, level)
        covered = np.mean((low <= 0.7) & (high >= 0.7))
        assert covered == pytest.approx(level, abs=standard_errors(level, SIMULATIONS))


@pytest.mark.parametrize("n", [3, 5, 10])
def test_size_of_equivalence(n: int) -> None:
    """With a difference of exactly what matters, equivalence is said in at most 5 %."""
    mean, se = simulated(3.0, n, seed=20 + n)
    said = np.mean(two_one_sided_tests(mean, se, n - 1, 3.0) < 0.05)
    assert said <= 0.05 + standard_errors(0.05, SIMULATIONS)


def test_size_and_coverage_with_the_pooled_spread() -> None:
    """Three seeds of six configurations with seed effects: two are compared by the spread of all."""
    rng, many = np.random.default_rng(5), 1000
    draws = rng.normal(size=(many, 6, 3)) + 3.0 * rng.normal(size=(many, 1, 3))
    wrong = 0
    for values in draws:
        pooled = pooled_spread({str(i): dict(enumerate(row)) for i, row in enumerate(values)})
        wrong += compare(values[0] - values[1], pooled=pooled).verdict in (SUPPORTED, CONTRADICTED)
    assert wrong / many <= 0.05 + standard_errors(0.05, many)


@pytest.mark.parametrize("noise", [0.5, 2.0, 10.0])
def test_size_where_one_configuration_is_noisier_than_the_pool(noise: float) -> None:
    """At twice the pooled spread, the worst case, 7 % instead of the 30 % of the pooled spread alone."""
    draws = np.random.default_rng(6).normal(size=(2000, 3)) * noise
    wrong = np.mean([compare(row, pooled=Spread(1.0, 20)).p < 0.05 for row in draws])
    assert wrong <= 0.07 + standard_errors(0.05, 2000)


def test_coverage_of_the_probability_of_improvement() -> None:
    """Clopper-Pearson: at least 95 %, for every number of pairs that is better."""
    n, true = 6, 0.8
    found = [improvement([1.0] * k + [-1.0] * (n - k)) for k in range(n + 1)]
    low, high = (np.array([getattr(each, end) for each in found]) for end in ("low", "high"))
    covers = (low <= true) & (true <= high)
    assert stats.binom.pmf(np.arange(n + 1), n, true)[covers].sum() >= 0.95
