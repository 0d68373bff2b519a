"""Loss by how frequent a symbol is: thirds of the symbols in the order of their counts in the training text.

Thirds are of the symbols, not of the text (our choice: the list of methods says thirds by training count), so
almost all of a text is of the first one. Weighted by ``n`` they give the loss of all.
"""

from __future__ import annotations

import math

import numpy as np

THIRDS = ("frequent", "middle", "rare")


def loss_by_frequency(
    losses_N: np.ndarray, targets_N: np.ndarray, counts_V: np.ndarray
) -> dict[str, tuple[float, int]]:
    """Mean loss, and of how many targets, by third; NaN of none.

    ``counts_V``: of each symbol in the training text; of equal ones the first is the more frequent.
    """
    order = np.argsort(-np.asarray(counts_V), kind="stable")
    found = {}
    for name, symbols in zip(THIRDS, np.array_split(order, len(THIRDS)), strict=True):
        own = losses_N[np.isin(targets_N, symbols)].astype(np.float64)
        found[name] = (float(own.mean()) if len(own) else math.nan, len(own))
    return found
