"""The same comparison in several places (texts, tasks, scales): does it differ between them, and its mean.

Cochran's Q (1954) weights each mean by its inverse variance and takes these as known. With a few seeds they
are not, and Q then rejects far too often; Welch (1951) corrects it by the degrees of freedom of each, and
that is the test used here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from redrop.analysis.decision.comparison import Comparison
from redrop.analysis.decision.spread import Spread


def heterogeneity(
    means: Sequence[float], ses: Sequence[float], dfs: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Cochran's Q and the p of Welch's form of it, that k means are equal. Along the last axis.

    Without any spread in one of them: Q is infinite and p is 0 where the means differ, else 0 and 1.
    """
    mean, se, df = (np.asarray(values, dtype=float) for values in (means, ses, dfs))
    k = mean.shape[-1]
    smallest = np.finfo(float).tiny ** 0.25
    weight = np.maximum(se, smallest) ** -2.0
    total = weight.sum(-1, keepdims=True)
    centre = (weight * mean).sum(-1, keepdims=True) / total
    q = (weight * (mean - centre) ** 2).sum(-1)
    correction = ((1.0 - weight / total) ** 2 / df).sum(-1) / (k**2 - 1.0)
    f = q / (k - 1.0) / (1.0 + 2.0 * (k - 2.0) * correction)
    return q, stats.f.sf(f, k - 1.0, 1.0 / (3.0 * correction))


def pool(comparisons: Sequence[Comparison]) -> Comparison:
    """All places as one comparison: each counts by its seeds, and has a spread of its own.

    Weights of inverse variance would be sharper were the variances known; estimated from three seeds they
    favour the place that happens to look sure. Degrees of freedom: Satterthwaite (1946), rounded down.
    """
    n = sum(each.n for each in comparisons)
    parts = np.array([(each.n / n * each.se) ** 2 for each in comparisons])
    dfs = np.array([each.spread.df for each in comparisons])
    variance = float(parts.sum())
    df = int(variance**2 / (parts**2 / dfs).sum()) if variance else int(dfs.sum())
    return Comparison(
        tuple(d for each in comparisons for d in each.differences),
        max(each.matters for each in comparisons),
        Spread(math.sqrt(variance * n), df),
        any(each.pooled for each in comparisons),
        tuple(name for each in comparisons for name in each.stuck),
    )
