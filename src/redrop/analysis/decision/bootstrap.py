"""Bootstraps where Student's t does not reach: means over tasks, and metrics of a test set's examples.

A percentile interval of few seeds is too narrow (of three: about 0.4 times Student's t), so verdicts rest on
Student's t and these stand beside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
RESAMPLES = 9_999
"""So that the smallest p is 1 in 10,000."""
SEED = 0
"""Fixed: equal results give equal bytes."""
BATCH = 256
"""Resamples at a time: bounds the memory."""


@dataclass(frozen=True)
class Bootstrap:
    """An estimate, its percentile interval, and the p of no difference."""

    estimate: float
    low: float
    high: float
    p: float
    """Two-sided, at least 1 / (resamples + 1) (Phipson and Smyth, 2010)."""
    resamples: int

    @property
    def p_text(self) -> str:
        """A p at its smallest possible value is a bound: ``p <= 0.0001``."""
        smallest = 1.0 / (self.resamples + 1)
        return f"p <= {smallest:.2g}" if self.p <= smallest else f"p = {self.p:.2g}"


def summarised(estimate: float, resampled: np.ndarray, level: float = LEVEL) -> Bootstrap:
    """Interval and p of resampled estimates.

    p: how often a resampled value is as far from the estimate as the estimate is from 0 (Koehn, 2004, as
    sacrebleu has it), with the observed one counted among them.
    """
    low, high = np.quantile(resampled, [0.5 - level / 2, 0.5 + level / 2])
    as_far = int(np.sum(np.abs(resampled - estimate) >= abs(estimate)))
    p = (1 + as_far) / (len(resampled) + 1)
    return Bootstrap(float(estimate), float(low), float(high), p, len(resampled))


def stratified(
    differences: Sequence[Sequence[float]], resamples: int = RESAMPLES, seed: int = SEED
) -> Bootstrap:
    """Mean over tasks of the mean over seeds; seeds are resampled within each task, tasks are kept.

    As rliable does (Agarwal et al., 2021). ``differences``: a sequence a task, which may differ in length.
    """
    tasks = [np.asarray(values, dtype=float) for values in differences]
    estimate = _mean_of_means(*tasks)
    found = stats.bootstrap(
        tasks,
        _mean_of_means,
        n_resamples=resamples,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return summarised(float(estimate), found.bootstrap_distribution)


def _mean_of_means(*tasks: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.mean([np.mean(task, axis=axis) for task in tasks], axis=0)


def hierarchical(
    first: np.ndarray,
    second: np.ndarray,
    metric: Callable[[np.ndarray], np.ndarray],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Bootstrap:
    """Difference of a test-set metric, first minus second, mean over seeds; over seeds and examples at once.

    ``first``, ``second``: what every example contributes, (seeds, examples, K), same seeds and examples.
    ``metric``: from sums (..., K), as in ``additive``. Every seed is tested on the same examples, so seeds
    and examples are drawn independently, and one draw serves both systems (Owen, 2007: slightly too wide).
    Of S seeds S - 1 are drawn, which makes the variance of their mean unbiased (Rao and Wu, 1988); a single
    seed is kept, and then only the examples vary.
    """
    if first.shape != second.shape:
        raise ValueError(f"outputs of shapes {first.shape}, {second.shape}: give the same seeds and examples")
    estimate = float(np.mean(metric(first.sum(1)) - metric(second.sum(1))))
    batches = list(_resampled(first, second, metric, resamples, np.random.default_rng(seed)))
    return summarised(estimate, np.concatenate(batches))


def _resampled(
    first: np.ndarray,
    second: np.ndarray,
    metric: Callable[[np.ndarray], np.ndarray],
    resamples: int,
    rng: np.random.Generator,
) -> Iterator[np.ndarray]:
    """Differences (B,): sums by how often each example was drawn, then the mean over the drawn seeds."""
    seeds, examples, k = first.shape
    flat = [x.transpose(1, 0, 2).reshape(examples, seeds * k).astype(float) for x in (first, second)]
    for start in range(0, resamples, BATCH):
        size = min(BATCH, resamples - start)
        times = rng.multinomial(examples, np.full(examples, 1.0 / examples), size).astype(float)
        a, b = (metric((times @ x).reshape(size, seeds, k)) for x in flat)
        drawn = rng.integers(0, seeds, (size, max(seeds - 1, 1)))
        yield np.take_along_axis(a - b, drawn, 1).mean(1)
