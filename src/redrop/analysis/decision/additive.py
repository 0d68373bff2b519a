"""Metrics of a test set as functions of sums over its examples, so that a bootstrap only adds up.

Each takes sums of shape (..., K) and returns (...). What an example contributes is said by each function;
a corpus metric is not the mean of the examples' metrics.
"""

from __future__ import annotations

import numpy as np


def mean(sums: np.ndarray) -> np.ndarray:
    """Accuracy, or ROUGE a summary: value, 1."""
    return sums[..., 0] / sums[..., 1]


def matthews(sums: np.ndarray) -> np.ndarray:
    """Correlation of two classes: one of (true positive, true negative, false positive, false negative) is 1.

    0 where either side has a single class, as in scikit-learn.
    """
    tp, tn, fp, fn = np.moveaxis(sums.astype(float), -1, 0)
    below = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return np.divide(tp * tn - fp * fn, below, out=np.zeros_like(below), where=below > 0.0)


def f1(sums: np.ndarray) -> np.ndarray:
    """Same four counts as ``matthews``; 0 without a positive on either side."""
    tp, _, fp, fn = np.moveaxis(sums.astype(float), -1, 0)
    below = 2.0 * tp + fp + fn
    return np.divide(2.0 * tp, below, out=np.zeros_like(below), where=below > 0.0)


def pearson(sums: np.ndarray) -> np.ndarray:
    """Correlation: 1, x, y, x x, y y, x y; 0 if one is constant. Take the means off first to keep digits."""
    n, x, y, xx, yy, xy = np.moveaxis(sums.astype(float), -1, 0)
    below = np.sqrt(np.maximum(n * xx - x * x, 0.0) * np.maximum(n * yy - y * y, 0.0))
    return np.divide(n * xy - x * y, below, out=np.zeros_like(below), where=below > 0.0)


def bleu(sums: np.ndarray) -> np.ndarray:
    """BLEU (Papineni et al., 2002), 0 to 100: length of hypothesis and reference, then matches and totals of
    1- to 4-grams (10 numbers). No smoothing: 0 where an order has no match.
    """
    ours, theirs = sums[..., 0].astype(float), sums[..., 1].astype(float)
    matches, totals = sums[..., 2:6].astype(float), sums[..., 6:10].astype(float)
    some = (matches > 0.0) & (totals > 0.0)
    logs = np.log(np.divide(matches, totals, out=np.ones_like(matches), where=some))
    brevity = np.minimum(0.0, 1.0 - theirs / np.maximum(ours, 1.0))
    return np.where(some.all(-1), 100.0 * np.exp(logs.mean(-1) + brevity), 0.0)
