"""How small a difference n seeds can show, and how many seeds a difference needs.

Computed for the smallest difference that matters or another one fixed beforehand, never for the difference
that was observed: the power at that one is a function of its p and says nothing more (Hoenig and Heisey,
2001).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from scipy import integrate, optimize, special, stats

from redrop.analysis.decision.comparison import ALPHA, FEWEST_TO_DECIDE, Comparison

POWER = 0.8
MOST_SEEDS = 100_000


def power(difference: float, n: int, sd: float, df: float | None = None) -> float:
    """Probability that the 95 % interval of n differences lies above 0: noncentral t.

    ``sd``: of one paired difference. ``df``: of that standard deviation, n - 1 unless it is pooled.
    """
    df = n - 1 if df is None else df
    if sd == 0.0:
        return float(difference > 0.0)
    return float(stats.nct.sf(stats.t.ppf(1.0 - ALPHA / 2, df), df, difference * math.sqrt(n) / sd))


def equivalence_power(matters: float, n: int, sd: float, df: float | None = None, true: float = 0.0) -> float:
    """Probability that two one-sided tests at 5 % show equivalence where the difference is ``true``.

    Given the estimated standard error s, the mean must lie within matters - t s of 0: a normal probability,
    integrated over the chi distribution of s (Phillips, 1990).
    """
    df = n - 1 if df is None else df
    if sd == 0.0:
        return float(abs(true) < matters)
    se, t = sd / math.sqrt(n), stats.t.ppf(1.0 - ALPHA, df)
    scale = (df / 2 - 1) * math.log(2.0) + special.gammaln(
        df / 2
    )  # of the chi density, by hand for its speed

    def given(x: float) -> float:
        """``x``: estimated over true standard deviation, times the root of df."""
        room = matters / se - t * x / math.sqrt(df)
        inside = special.ndtr(room - true / se) - special.ndtr(-room - true / se)
        return inside * math.exp((df - 1) * math.log(x) - x * x / 2 - scale) if x > 0.0 else 0.0

    widest = math.sqrt(df) * matters / (t * se)
    spread = 12.0 / math.sqrt(2.0)
    low, high = max(0.0, math.sqrt(df) - spread), min(widest, math.sqrt(df) + spread)
    return float(integrate.quad(given, low, high)[0]) if low < high else 0.0


def detectable(n: int, sd: float, df: float | None = None, wanted: float = POWER) -> float:
    """Smallest difference that is shown with the wanted power; NaN with fewer than three seeds."""
    return _solve(lambda difference: power(difference, n, sd, df), n, sd, wanted)


def detectable_equivalence(n: int, sd: float, df: float | None = None, wanted: float = POWER) -> float:
    """Smallest margin within which a difference of 0 is shown to be; NaN with fewer than three seeds."""
    return _solve(lambda matters: equivalence_power(matters, n, sd, df), n, sd, wanted)


def _solve(power_at: Callable[[float], float], n: int, sd: float, wanted: float) -> float:
    if n < FEWEST_TO_DECIDE or not math.isfinite(sd):
        return math.nan
    if sd == 0.0:
        return 0.0
    high = sd
    while power_at(high) < wanted:
        high *= 2.0
    return float(optimize.brentq(lambda value: power_at(value) - wanted, 0.0, high, xtol=1e-6 * sd))


def seeds_to_show(difference: float, sd: float, wanted: float = POWER) -> int | None:
    """Seeds that show a difference of this size with the wanted power; None beyond a hundred thousand."""
    return _fewest(lambda n: power(difference, n, sd), wanted)


def seeds_to_show_equivalence(matters: float, sd: float, wanted: float = POWER) -> int | None:
    """Seeds that show a difference of 0 to lie within plus or minus ``matters``; None beyond 100,000."""
    return _fewest(lambda n: equivalence_power(matters, n, sd), wanted)


def _fewest(power_of: Callable[[int], float], wanted: float) -> int | None:
    """Bisection: power rises with n."""
    low, high = FEWEST_TO_DECIDE - 1, FEWEST_TO_DECIDE
    while power_of(high) < wanted:
        low, high = high, 2 * high
        if low > MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= wanted else (middle, high)
    return high


@cache
def seeds_to_decide(matters: float, sd: float) -> int | None:
    """Seeds that show either: the smallest difference that matters where it is there, or that there is none.

    None beyond a hundred thousand, or where no difference is known to matter or no spread is known.
    """
    if not matters or not math.isfinite(sd):
        return None
    found = seeds_to_show(matters, sd), seeds_to_show_equivalence(matters, sd)
    return None if None in found else max(found)


@cache
def detectable_by(comparison: Comparison) -> float:
    """What a comparison could have shown, with the seeds and the spread that it has."""
    return detectable(comparison.n, comparison.spread.sd, comparison.spread.df)
