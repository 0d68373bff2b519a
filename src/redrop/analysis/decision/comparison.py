"""One comparison: n differences of two configurations, paired by seed, and what they decide.

The verdict rests on Student's t. *Supported*: the 95 % interval of the mean difference lies above 0;
*contradicted*: below 0; *equivalent*: the 90 % interval lies inside plus or minus the smallest difference
that matters, which is two one-sided tests at 5 % (Schuirmann, 1987); else *undecided*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special, stats

from redrop.analysis.decision.spread import Spread, own_spread

SUPPORTED = "supported"
SMALL = "supported, but smaller than matters"
CONTRADICTED = "contradicted"
EQUIVALENT = "equivalent"
UNDECIDED = "undecided"
NOT_RUN = "not run"

ALPHA = 0.05
FEWEST_TO_DECIDE = 3
"""Seeds; two differences of one sign say little of their spread."""
FEWEST_FOR_OWN_SPREAD = 5
"""Seeds; with fewer, the spread is pooled over the protocol's configurations."""
FEWEST_FOR_SIGN_FLIPS = 6
"""Seeds; the smallest two-sided p of n sign flips is 2 / 2^n, which is below 0.05 from six on."""
MOST_EXACT_FLIPS = 2**16


@dataclass(frozen=True)
class Comparison:
    """Paired differences, positive where the claim holds, with the spread that their mean is judged by."""

    differences: tuple[float, ...]
    matters: float
    """Smallest difference that matters, in the metric's unit; 0: none was fixed, nothing is equivalent."""
    spread: Spread
    pooled: bool
    """Whether the spread is that of the protocol's configurations."""
    stuck: tuple[str, ...] = ()
    """Names of the runs that got stuck: where there are any, the median stands beside the mean."""

    @property
    def n(self) -> int:
        """Seeds that both configurations have."""
        return len(self.differences)

    @property
    def mean(self) -> float:
        """NaN without a difference, as are all numbers below."""
        return float(np.mean(self.differences)) if self.n else math.nan

    @property
    def median(self) -> float:
        """Not moved by one run that got stuck."""
        return float(np.median(self.differences)) if self.n else math.nan

    @property
    def se(self) -> float:
        """Standard error of the mean."""
        return self.spread.sd / math.sqrt(self.n) if self.n else math.nan

    def interval(self, level: float = 1.0 - ALPHA) -> tuple[float, float]:
        """Student's t interval of the mean."""
        low, high = t_interval(self.mean, self.se, self.spread.df, level)
        return float(low), float(high)

    @cached_property
    def p(self) -> float:
        """Of the two-sided t test that the mean difference is 0."""
        return float(t_test(self.mean, self.se, self.spread.df))

    @cached_property
    def p_equivalent(self) -> float:
        """The larger p of the two one-sided tests that the mean lies outside plus or minus ``matters``."""
        return float(two_one_sided_tests(self.mean, self.se, self.spread.df, self.matters))

    @cached_property
    def p_sign_flip(self) -> float | None:
        """Exact two-sided p over all 2^n signs of the differences; None for fewer than six seeds."""
        return sign_flip_test(self.differences) if self.n >= FEWEST_FOR_SIGN_FLIPS else None

    @cached_property
    def improvement(self) -> Improvement:
        """How often the first configuration was the better one of a pair."""
        return improvement(self.differences)

    @property
    def enough(self) -> bool:
        """Whether there are seeds enough to decide anything."""
        return self.n >= FEWEST_TO_DECIDE

    @property
    def smaller_than_matters(self) -> bool:
        """Whether the whole 95 % interval lies nearer to 0 than the smallest difference that matters."""
        return self.enough and max(map(abs, self.interval())) < self.matters

    @cached_property
    def verdict(self) -> str:
        """By the rule of this module."""
        if not self.n:
            return NOT_RUN
        if not self.enough:
            return UNDECIDED
        low, high = self.interval()
        if low > 0.0:
            return SMALL if self.smaller_than_matters else SUPPORTED
        if high < 0.0:
            return CONTRADICTED
        low, high = self.interval(1.0 - 2.0 * ALPHA)
        return EQUIVALENT if -self.matters < low and high < self.matters else UNDECIDED


@dataclass(frozen=True)
class Improvement:
    """Paired probability of improvement: share of the pairs in which the first is better, ties half."""

    share: float
    low: float
    high: float
    """95 % interval (Clopper and Pearson, 1934); ties are lost for its low end and won for its high one."""


def compare(
    differences: Sequence[float],
    matters: float = 0.0,
    pooled: Spread | None = None,
    stuck: Sequence[str] = (),
) -> Comparison:
    """Judge paired differences by their own spread, or by the pooled one where seeds are few.

    With fewer than five seeds ``pooled`` is used, but where their own spread is the wider one: configurations
    are not all equally noisy, and the pooled spread alone would decide for a noisy one in up to half of the
    cases in which there is no difference.
    """
    values = np.asarray(differences, dtype=float)
    if not np.isfinite(values).all():
        raise ValueError(f"differences {values.tolist()} are not all finite; leave those seeds out")
    if matters < 0.0:
        raise ValueError(f"smallest difference that matters is {matters}; give 0 for none, or a positive one")
    spread = own_spread(values)
    few = len(values) < FEWEST_FOR_OWN_SPREAD
    use_pooled = pooled is not None and few and not spread.sd > pooled.sd
    return Comparison(
        tuple(values.tolist()), matters, pooled if use_pooled else spread, use_pooled, tuple(stuck)
    )


def t_interval(mean: float, se: float, df: float, level: float) -> tuple[float, float]:
    """Mean plus or minus t(df) standard errors; NaN without degrees of freedom. Takes arrays as well."""
    half = special.stdtrit(df, 0.5 + level / 2) * se
    return mean - half, mean + half


def t_test(mean: float, se: float, df: float) -> float:
    """Two-sided p that the mean is 0; NaN without degrees of freedom. Takes arrays as well."""
    return 2.0 * special.stdtr(df, -abs(_ratio(mean, se)))


def two_one_sided_tests(mean: float, se: float, df: float, matters: float) -> float:
    """Larger p of the tests of mean <= -matters and of mean >= matters (Schuirmann, 1987); arrays as well."""
    return special.stdtr(df, -_ratio(matters - abs(mean), se))


def _ratio(value: float, se: float) -> float:
    """Value over standard error; without any spread a value that is not 0 is infinitely far from it."""
    value, se = np.asarray(value, dtype=float), np.asarray(se, dtype=float)
    flat = np.where(value == 0.0, 0.0, np.copysign(np.inf, value))
    return np.divide(value, se, out=flat, where=(se != 0.0))[()]


def sign_flip_test(differences: Sequence[float]) -> float:
    """Two-sided p of the mean over all sign flips (Fisher, 1935); 65,536 random ones from 17 values on."""
    found = stats.permutation_test(
        (np.asarray(differences, dtype=float),),
        lambda x, axis: np.mean(x, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=MOST_EXACT_FLIPS,
        rng=0,
    )
    return float(found.pvalue)


def improvement(differences: Sequence[float]) -> Improvement:
    """Count the pairs; NaN without any."""
    n = len(differences)
    if not n:
        return Improvement(math.nan, math.nan, math.nan)
    better, ties = (sum(d > 0.0 for d in differences), sum(d == 0.0 for d in differences))
    low = stats.binomtest(better, n).proportion_ci(1.0 - ALPHA).low
    high = stats.binomtest(better + ties, n).proportion_ci(1.0 - ALPHA).high
    return Improvement((better + ties / 2) / n, float(low), float(high))
