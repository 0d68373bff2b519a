"""A contrast of two single runs, such as the authors', beside our seeds' paired differences.

A single run of each configuration is one more paired difference, scored less exactly: on sampled batches
(200 of 8 x 64 characters), where ours use the whole split. The question is whether it lies where one more
difference like ours would, not whether two means are equal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from redrop.analysis.decision.comparison import Comparison, t_interval, t_test

LEVEL = 0.95


@dataclass(frozen=True)
class Contrast:
    """Where their contrast was to be expected, and where it is."""

    theirs: float
    ours: float
    """Mean of our paired differences."""
    low: float
    high: float
    """Prediction interval of one paired difference, scored as theirs were."""
    p: float
    """Two-sided, that theirs is one more of ours."""

    @property
    def inside(self) -> bool:
        """Whether theirs is what ours let expect; False where the interval is not known."""
        return self.low <= self.theirs <= self.high


def contrast(ours: Comparison, theirs: float, evaluation_error: float = 0.0) -> Contrast:
    """Compare; ``evaluation_error``: standard error of their *difference* due to sampled batches.

    The variance of theirs minus our mean is sd^2 (1 + 1/n) + error^2. Only the first is estimated, so the
    degrees of freedom are Satterthwaite's (1946): they grow with the error's share, which is taken as known.
    """
    if not ours.n or not ours.spread.df:
        return Contrast(theirs, ours.mean, math.nan, math.nan, math.nan)
    sampled = ours.spread.sd**2 * (1.0 + 1.0 / ours.n)
    variance = sampled + evaluation_error**2
    df = ours.spread.df * (variance / sampled) ** 2 if sampled else math.inf
    se = math.sqrt(variance)
    low, high = t_interval(ours.mean, se, df, LEVEL)
    return Contrast(theirs, ours.mean, float(low), float(high), float(t_test(theirs - ours.mean, se, df)))


def error_of_sampling(window_sd: float, batches: int = 200, batch_size: int = 8) -> float:
    """Standard error of a loss on random windows, from the standard deviation of a window's mean loss.

    Windows are drawn independently; the characters within one are not independent, so the spread must be that
    of windows of the length used, not of characters.
    """
    return window_sd / math.sqrt(batches * batch_size)


def error_of_curve(losses: Sequence[float]) -> float:
    """The same from a recorded curve, over a part in which it hardly bends.

    Second differences take off any straight trend; those of independent errors have six times their variance.
    Given the curve of a difference of two runs, it is the error of their contrast, shared batches included.
    """
    bends = np.diff(np.asarray(losses, dtype=float), 2)
    return math.sqrt(float(np.mean(bends**2)) / 6.0) if len(bends) else math.nan


def error_of_difference(error: float, correlation: float = 0.0) -> float:
    """Of the difference of two runs' losses, each with this error.

    Runs of one seed whose batches come from the same generator are scored on the same ones: the errors of the
    authors' runs correlate by about 0.95, and most of them cancels.
    """
    return error * math.sqrt(2.0 * (1.0 - correlation))
