"""A claim of several comparisons: hand-worked cases, Holm, Welch's test as in scipy, simulated size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats

from redrop.analysis.decision.claim import MIXED, Across, ClaimVerdict, Part, judge
from redrop.analysis.decision.comparison import (
    CONTRADICTED,
    EQUIVALENT,
    NOT_RUN,
    SMALL,
    SUPPORTED,
    UNDECIDED,
    compare,
    t_test,
)
from redrop.analysis.decision.holm import holm
from redrop.analysis.decision.places import heterogeneity, pool

MATTERS = 0.01
NOISE = (0.001, -0.001, 0.002, -0.002, 0.0)


def around(centre: float, width: float = 1.0) -> list[float]:
    """Five differences with this mean and standard deviation 0.00158 times the width."""
    return [centre + width * noise for noise in NOISE]


def claim(**cells: Sequence[float]) -> ClaimVerdict:
    """``pair_place=differences``."""
    return judge(
        [Part(*name.split("_"), compare(differences, MATTERS)) for name, differences in cells.items()]
    )


def test_holm_by_hand() -> None:
    """0.01, 0.04, 0.03: 3 x 0.01, then 2 x 0.03, then the larger of 0.06 and 1 x 0.04. Ends at 1."""
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]
    assert holm(np.array([])).tolist() == []


def test_holm_is_a_closed_test_of_bonferroni() -> None:
    """The largest, over all sets that hold the hypothesis, of the set's size times its smallest p."""
    p = np.random.default_rng(0).uniform(size=5) ** 3
    sets = [[i for i in range(5) if code >> i & 1] for code in range(1, 32)]
    closed = [max(min(1.0, len(s) * p[s].min()) for s in sets if i in s) for i in range(5)]
    assert holm(p).tolist() == pytest.approx(closed)


def test_supported_needs_all() -> None:
    assert claim(a_x=around(0.03), b_x=around(0.05)).verdict == SUPPORTED
    assert claim(a_x=around(0.03), b_x=around(0.0)).verdict == UNDECIDED
    assert claim(a_x=around(0.005), b_x=around(0.006)).verdict == SMALL
    assert claim(a_x=around(0.005), b_x=around(0.06)).verdict == SUPPORTED


def test_a_partly_run_claim_lists_both_sides() -> None:
    found = claim(a_x=around(0.03), b_x=around(0.0, 10.0), c_x=[], d_x=[])
    assert (found.verdict, found.evidence) == (UNDECIDED, "2 of 4 run: 1 for, 1 undecided")
    found = claim(a_x=around(0.03), b_x=around(-0.03), c_x=[0.1], d_x=[])
    assert (found.verdict, found.evidence) == (CONTRADICTED, "3 of 4 run: 1 for, 1 against, 1 too few seeds")
    assert [by.pair for by in found.decided_by] == ["b"]


def test_nothing_run() -> None:
    assert (claim(a_x=[], b_x=[]).verdict, claim(a_x=[]).evidence) == (NOT_RUN, "0 of 1 run")


def test_too_few_seeds_do_not_decide() -> None:
    assert claim(a_x=[0.03, 0.031]).verdict == UNDECIDED


def test_equivalent_needs_all() -> None:
    assert claim(a_x=around(0.0), b_x=around(0.001)).verdict == EQUIVALENT
    assert claim(a_x=around(0.0), b_x=around(0.0, 10.0)).verdict == UNDECIDED


def test_holm_can_save_a_claim_from_one_of_many() -> None:
    """One alone, -0.03 and four noises of sd 0.0226: t = -2.97, p = 0.041; of five: 0.21."""
    bad, unclear = around(-0.03, 14.3), around(0.0, 14.3)
    alone = claim(a_x=bad)
    assert alone.verdict == CONTRADICTED
    assert alone.parts[0].p_holm == pytest.approx(0.041, abs=0.001)
    five = claim(a_x=bad, b_x=unclear, c_x=unclear, d_x=unclear, e_x=unclear)
    assert five.verdict == UNDECIDED
    assert five.parts[0].p_holm == pytest.approx(5 * alone.parts[0].p_holm)


def test_the_published_skip_4_claim() -> None:
    """claims.csv, skip4-degrades in the notebooks' protocol; p 0.00082, 0.961, 0.0426, 0.0206 by ttest_1samp,
    times 4, 1, 2, 3 by Holm: 0.0033, 0.961, 0.0852, 0.0619. Rate 0 alone contradicts."""
    found = claim(
        none_x=[-0.017925, -0.012628, -0.007480, -0.020698, -0.010957, -0.014159],
        fifth_x=[-0.005765, 0.003600, 0.006683, -0.003747, -0.001541, 0.000192],
        half_x=[-0.005936, 0.009637, 0.010926, 0.009315, 0.008170, 0.011164],
        nearly_x=[-0.019572, -0.014033, -0.002235, -0.005973, -0.009478, -0.003381],
    )
    adjusted = [part.p_holm for part in found.parts]
    assert adjusted == pytest.approx([0.00328, 0.96134, 0.08519, 0.06189], abs=1e-5)
    assert found.verdict == CONTRADICTED
    assert [by.pair for by in found.decided_by] == ["none"]
    assert found.evidence == "4 of 4 run: 1 for, 2 against, 1 equivalent"


def test_mixed_where_places_differ() -> None:
    found = claim(a_x=around(0.03), a_y=around(-0.03))
    assert found.verdict == MIXED
    (by,) = found.decided_by
    assert isinstance(by, Across)
    assert (by.both_ways, by.places) == (True, 2)
    found = claim(a_x=around(0.03), a_y=around(0.0, 4.0))
    assert found.verdict == MIXED
    assert found.across[0].p < 0.05


def test_mixed_where_one_place_holds_and_another_is_contradicted() -> None:
    """As skip2-control: the same question, asked of configurations of other names."""
    assert claim(a_x=around(0.03), b_y=around(-0.03)).verdict == MIXED
    assert claim(a_x=around(0.03), b_x=around(-0.03)).verdict == CONTRADICTED


def test_not_mixed_where_all_places_agree_in_direction() -> None:
    found = claim(a_x=around(0.03), a_y=around(0.09))
    assert found.across[0].p < 0.001
    assert found.verdict == SUPPORTED
    assert claim(a_x=around(-0.03), a_y=around(-0.09)).verdict == CONTRADICTED


def test_not_mixed_where_places_do_not_differ_significantly() -> None:
    """0.03 with an interval above 0, 0.02 with one across 0: pooled 0.025, shown by ten seeds."""
    found = claim(a_x=around(0.03, 10.0), a_y=around(0.02, 12.0))
    assert [part.comparison.verdict for part in found.parts] == [SUPPORTED, UNDECIDED]
    assert found.verdict == SUPPORTED
    assert found.across[0].pooled.mean == pytest.approx(0.025)
    assert found.decided_by == found.across


def test_a_contradiction_smaller_than_matters_is_marked() -> None:
    found = claim(a_x=around(-0.005))
    assert (found.verdict, found.smaller_than_matters) == (CONTRADICTED, True)
    assert not claim(a_x=around(-0.03)).smaller_than_matters


def test_heterogeneity_is_welchs_test() -> None:
    """scipy.stats.f_oneway(equal_var=False), three places of other sizes and spreads."""
    rng = np.random.default_rng(3)
    groups = [rng.normal(0.1 * i, 0.1 * (i + 1), n) for i, n in enumerate((5, 3, 6))]
    means, sds, n = (np.array([f(g) for g in groups]) for f in (np.mean, lambda g: np.std(g, ddof=1), len))
    q, p = heterogeneity(means, sds / np.sqrt(n), n - 1)
    assert p == pytest.approx(stats.f_oneway(*groups, equal_var=False).pvalue)
    centre = np.average(means, weights=n / sds**2)
    assert q == pytest.approx(np.sum(n / sds**2 * (means - centre) ** 2))


def test_heterogeneity_of_places_without_spread() -> None:
    assert heterogeneity([0.0, 0.0], [0.0, 0.0], [4, 4])[1] == 1.0
    assert heterogeneity([0.0, 1.0], [0.0, 0.0], [4, 4])[1] == 0.0


def test_pooling_two_places_by_hand() -> None:
    """1, 2, 3 and 1, 3, 5, 7: mean 22/7. Variance of the means 1/3 and (20/3)/4 = 5/3, weights 3/7 and 4/7:
    3/49 + (80/3)/49 = 89/147. Satterthwaite: (89/147)^2 / ((3/49)^2 / 2 + (80/147)^2 / 3) = 3.6, so 3."""
    found = pool([compare([1.0, 2.0, 3.0]), compare([1.0, 3.0, 5.0, 7.0])])
    assert found.mean == pytest.approx(22 / 7)
    assert found.se == pytest.approx(math.sqrt(89 / 147))
    assert found.spread.df == 3


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("k", [2, 3])
def test_size_of_heterogeneity_and_coverage_of_the_pooled_interval(k: int, n: int) -> None:
    """Places of the same mean with spreads of 1, 2, 3: Q alone would reject far too often."""
    many, spreads = 20_000, np.arange(1, k + 1)
    draws = np.random.default_rng(4).normal(size=(many, k, n)) * spreads[:, None]
    means, ses = draws.mean(2), draws.std(2, ddof=1) / math.sqrt(n)
    q, p = heterogeneity(means, ses, np.full((many, k), n - 1))
    assert np.mean(p < 0.05) < 0.07
    assert np.mean(stats.chi2.sf(q, k - 1) < 0.05) > 0.08
    wrong = np.mean([not_covered(place_draws) for place_draws in draws[:500]])
    assert wrong <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 500)


def not_covered(draws: np.ndarray) -> bool:
    """Whether the pooled 95 % interval of places without a difference misses 0."""
    low, high = pool([compare(row) for row in draws]).interval()
    return not low <= 0.0 <= high


@pytest.mark.parametrize("comparisons", [1, 3, 5])
def test_size_of_a_claim(comparisons: int) -> None:
    """Without any difference: contradicted in at most 2.5 % with Holm; without it, in 1 - 0.975^m."""
    many, n = 20_000, 5
    draws = np.random.default_rng(comparisons).normal(size=(many, comparisons, n))
    mean, se = draws.mean(2), draws.std(2, ddof=1) / math.sqrt(n)
    p, against = t_test(mean, se, n - 1), mean < 0.0
    corrected = np.mean(((holm(p) < 0.05) & against).any(1))
    uncorrected = np.mean(((p < 0.05) & against).any(1))
    nominal = 1.0 - 0.975**comparisons
    assert corrected <= 0.025 + 4 * math.sqrt(0.025 * 0.975 / many)
    assert uncorrected == pytest.approx(nominal, abs=4 * math.sqrt(nominal * (1 - nominal) / many))
    found = [judged(rows, one_place).verdict for rows in draws[:200]]
    assert found.count(CONTRADICTED) / 200 == pytest.approx(
        np.mean(((holm(p) < 0.05) & against)[:200].any(1)), abs=1e-9
    )


def test_a_claim_is_supported_by_chance_at_most_at_its_weakest_comparison() -> None:
    """Two comparisons with a large difference and one with none: 2.5 % without any correction."""
    draws = np.random.default_rng(7).normal(size=(400, 3, 5)) + np.array([20.0, 20.0, 0.0])[:, None]
    share = np.mean([judged(rows, one_place).verdict == SUPPORTED for rows in draws])
    assert share == pytest.approx(0.025, abs=4 * math.sqrt(0.025 * 0.975 / 400))


@pytest.mark.parametrize("seeds", [3, 5])
def test_size_of_every_verdict_over_three_places(seeds: int) -> None:
    """One comparison on three texts without a difference: contradicted, supported and mixed are each rare."""
    many = 500
    draws = np.random.default_rng(8).normal(size=(many, 3, seeds))
    found = [judged(rows, one_pair).verdict for rows in draws]
    for verdict in (SUPPORTED, CONTRADICTED, MIXED):
        assert found.count(verdict) / many <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / many)


def one_place(i: int) -> tuple[str, str]:
    """Several pairs."""
    return str(i), "text"


def one_pair(i: int) -> tuple[str, str]:
    """Several places."""
    return "pair", str(i)


def judged(rows: np.ndarray, name: Callable[[int], tuple[str, str]]) -> ClaimVerdict:
    return judge([Part(*name(i), compare(row)) for i, row in enumerate(rows)])
