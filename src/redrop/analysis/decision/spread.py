"""The standard deviation of a paired difference, pooled over configurations where seeds are few.

With configurations c and seeds s, a metric is modelled as x_cs = a_c + b_s + e_cs: an effect of each
configuration, one of each seed (shared by all configurations that start from it) and what is left. A paired
difference of two configurations has the variance 2 var(e), whatever a and b are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Spread:
    """Standard deviation of one paired difference and the degrees of freedom that it rests on."""

    sd: float
    df: int


def own_spread(differences: np.ndarray) -> Spread:
    """Of the differences themselves; NaN and 0 degrees of freedom for fewer than two."""
    n = len(differences)
    return Spread(float(np.std(differences, ddof=1)), n - 1) if n > 1 else Spread(math.nan, 0)


def pooled_spread(values: Mapping[str, Mapping[int, float]]) -> Spread | None:
    """From a protocol's values, configuration -> seed -> metric; None where no degree of freedom is left.

    Least squares of the two-way layout, in which configurations need not share all seeds. Leave out runs that
    got stuck or diverged: the model takes one variance for all.
    """
    cells = [
        (config, seed, x) for config, row in values.items() for seed, x in row.items() if math.isfinite(x)
    ]
    if not cells:
        return None
    configs, seeds, x = (np.array(column) for column in zip(*cells, strict=True))
    is_config = (configs[:, None] == np.unique(configs)).astype(float)
    is_seed = (seeds[:, None] == np.unique(seeds)).astype(float)
    design = np.hstack([is_config, is_seed])
    fit, _, rank, _ = np.linalg.lstsq(design, x, rcond=None)
    df = len(x) - int(rank)
    if df == 0:
        return None
    return Spread(math.sqrt(2.0 * float(np.sum((x - design @ fit) ** 2)) / df), df)
