"""GLUE's metrics (Wang et al., 2019), from scikit-learn and scipy, and calibration."""

from __future__ import annotations

import numpy as np

from redrop.data.tasks import TASKS

METRICS: dict[str, tuple[str, ...]] = {name: task.metrics for name, task in TASKS.items()}
"""Task -> its metrics; the first one is what enters the GLUE average, as in R-Drop's tables."""

BINS = 15
"""Of the calibration error."""


def scores(task: str, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The task's metrics, no percentages, of (N, K) logits or (N, 1) scores; a constant correlates by 0."""
    return {name: _metric(name, logits, labels) for name in METRICS[task]}


def _metric(name: str, logits: np.ndarray, labels: np.ndarray) -> float:
    from scipy import stats
    from sklearn import metrics

    if name in ("pearson", "spearman"):
        predicted = logits[:, 0].astype(float)
        if len(predicted) < 2 or np.ptp(predicted) == 0.0 or np.ptp(labels) == 0.0:
            return 0.0
        correlate = stats.pearsonr if name == "pearson" else stats.spearmanr
        return float(correlate(predicted, labels.astype(float)).statistic)
    predicted = logits.argmax(1)
    if name == "accuracy":
        return float(metrics.accuracy_score(labels, predicted))
    if name == "f1":
        return float(metrics.f1_score(labels, predicted, zero_division=0.0))
    return float(metrics.matthews_corrcoef(labels, predicted))


def calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error (Guo et al., 2017): |accuracy - confidence|, mean over equal bins by n."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    probabilities = shifted / shifted.sum(1, keepdims=True)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for place in np.unique(which):
        inside = which == place
        total += inside.sum() * abs(right[inside].mean() - confidence[inside].mean())
    return float(total / len(labels))
