"""Calibration before and after one temperature (Guo et al., arXiv 1706.04599).

The expected calibration error is that of ``redrop.evaluation.glue``: 15 equal bins of the top probability.
The temperature T of softmax(z / T) is the one with the least cross entropy on other examples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from redrop.evaluation.glue import calibration_error

SPAN = (0.05, 20.0)
"""Between which the temperature is looked for."""


@dataclass(frozen=True)
class Calibration:
    """Of examples on which the temperature was not fitted."""

    error: float
    temperature: float
    error_scaled: float


def cross_entropy(logits_NV: np.ndarray, labels_N: np.ndarray) -> float:
    """Mean, nats."""
    from scipy.special import log_softmax

    return -float(log_softmax(logits_NV, axis=1)[np.arange(len(labels_N)), labels_N].mean())


def fit_temperature(logits_NV: np.ndarray, labels_N: np.ndarray) -> float:
    """The temperature of the least cross entropy, which is convex in 1/T."""
    from scipy.optimize import minimize_scalar

    ends = sorted(-math.log(end) for end in SPAN)
    found = minimize_scalar(
        lambda log: cross_entropy(math.exp(log) * logits_NV, labels_N), bounds=ends, method="bounded"
    )
    return math.exp(-found.x)


def calibration(logits_NV: np.ndarray, labels_N: np.ndarray, fitted_on: np.ndarray) -> Calibration:
    """``fitted_on``: (N,), whether the temperature is fitted on an example; it is judged on the others."""
    logits_NV = logits_NV.astype(np.float64)
    temperature = fit_temperature(logits_NV[fitted_on], labels_N[fitted_on])
    others, labels = logits_NV[~fitted_on], labels_N[~fitted_on]
    errors = [calibration_error(scaled, labels) for scaled in (others, others / temperature)]
    return Calibration(errors[0], temperature, errors[1])
