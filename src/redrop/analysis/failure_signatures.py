"""How a run failed, if it did, read off its curve by fixed rules.

Each rule is a property of a run's signature, with the constants above it. They were set with the whole
validation split in mind, whose loss does not jump from evaluation to evaluation, and with the authors'
records at hand: a cosine schedule ends flat, so a loss that still falls at its end means that the budget was
short.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redrop.record import DIVERGED

if TYPE_CHECKING:
    import pandas as pd

    from redrop.analysis.collect import Group, Results

OVERFITTING_RISE = 0.02
"""How far, relative to the best, the last validation loss must lie above it."""

LATE_SHARE = 0.1
"""The share of the iterations that counts as the end of a run."""

LATE_DROP = 0.01
"""A validation loss that falls by more than this share over the late part has not converged."""

HALF_SHARE = 0.9
"""Share of the best configuration's drop that a run must have made by half of the budget."""

STUCK_SHARE = 1 / 3
"""Share of a run's evaluations, the untrained model's left out, at the entropy of single characters."""

STUCK_LEVEL = 0.7
"""Where that entropy begins, relative to the logarithm of the number of characters (texts: 0.7 to 0.8)."""


@dataclass(frozen=True)
class Signature:
    """One run's numbers (NaN: cannot be measured) and the verdicts that follow from them."""

    run: str
    diverged: bool
    """Whether the loss ceased to be a number; then the run is not judged by the other rules: None."""
    rise: float = math.nan
    """Last validation loss over the best one, minus 1."""
    train_change: float = math.nan
    """Training loss from the best validation loss to the end; negative: it fell."""
    return_above: float = math.nan
    """By how much the validation loss rose, after its minimum, above that of the untrained model."""
    late_drop: float = math.nan
    """Relative fall of the validation loss over the late part; negative: it rose."""
    half_drop: float = math.nan
    """Fall of the validation loss from iteration 0 to half of the budget, nats a character."""
    half_reference: float = math.nan
    """The same of the best configuration; NaN without one."""

    @property
    def divergence(self) -> bool:
        """Divergence: the loss ceased to be a number, or rose from its minimum to above iteration 0's."""
        return self.diverged or self.return_above > 0.0

    @property
    def overfitting(self) -> bool | None:
        """Overfitting: the validation loss ends over 2 % above its best, the training loss fell."""
        return None if self.diverged else self.rise > OVERFITTING_RISE and self.train_change < 0.0

    @property
    def slow(self) -> bool | None:
        """Slow convergence: still falling by over 1 % in the last tenth of the budget, or at half of it less
        than 90 % of the drop that the best configuration of the same protocol, corpus and budget (lowest mean
        last validation loss) had made by then."""
        late = self.late_drop > LATE_DROP
        return None if self.diverged else late or self.half_drop < HALF_SHARE * self.half_reference


def stuck_share(curve: pd.DataFrame, characters: int) -> float:
    """Share of a run's evaluations at which it knew no more than how frequent characters are; NaN: none."""
    val = curve["val_loss"].dropna()[1:]
    return float((val > STUCK_LEVEL * math.log(characters)).mean())


def is_stuck(curve: pd.DataFrame, characters: int) -> bool:
    """Stuck: for a third of its evaluations."""
    return stuck_share(curve, characters) >= STUCK_SHARE


def at(curve: pd.DataFrame, iteration: float) -> float:
    """Validation loss at an iteration, interpolated between the evaluations beside it."""
    import numpy as np

    return float(np.interp(iteration, curve["iteration"], curve["val_loss"]))


def half_drop(curve: pd.DataFrame, budget: int) -> float:
    """Fall of the validation loss over the first half of the iterations."""
    return float(curve["val_loss"].iloc[0]) - at(curve, budget / 2)


def signature(curve: pd.DataFrame, run: str, status: str, budget: int, reference: float) -> Signature:
    """One run's; ``reference``: the best configuration's drop at half, or NaN."""
    measured, diverged = curve.dropna(subset=["val_loss", "train_loss"]), status == DIVERGED
    if measured.empty:
        return Signature(run, diverged, half_reference=reference)
    val = measured["val_loss"]
    best, last = measured.loc[val.idxmin()], measured.iloc[-1]
    rise = float(last["val_loss"] / best["val_loss"] - 1.0)
    change = float(last["train_loss"] - best["train_loss"])
    if diverged:
        return Signature(run, True, rise, change, half_reference=reference)
    above = float(val.loc[val.idxmin() :].max() - val.iloc[0])
    before = at(measured, (1.0 - LATE_SHARE) * budget)
    late = (before - at(measured, budget)) / before
    return Signature(run, False, rise, change, above, late, half_drop(measured, budget), reference)


def half_references(results: Results, groups: list[Group]) -> dict[int, float]:
    """Budget -> mean drop at half of the configuration with the lowest mean last loss."""
    best: dict[int, tuple[float, Group]] = {}
    for group in groups:
        if not group.done:
            continue
        budget = group.spec.schedule.last_iteration
        loss = group.summary("val_loss_last").mean
        if math.isfinite(loss) and (budget not in best or loss < best[budget][0]):
            best[budget] = loss, group
    references = {}
    for budget, (_, group) in best.items():
        curves = [results.curve(record.run).dropna(subset=["val_loss"]) for record in group.done]
        references[budget] = sum(half_drop(curve, budget) for curve in curves) / len(curves)
    return references


def group_signatures(results: Results, groups: list[Group]) -> dict[str, list[Signature]]:
    """Configuration -> a signature a run; ``groups`` are those of one protocol and task."""
    references, found = half_references(results, groups), {}
    for group in groups:
        budgets = [(record, record.spec.schedule.last_iteration) for record in group.records]
        found[group.config] = [
            signature(results.curve(one.run), one.run, one.status, n, references.get(n, math.nan))
            for one, n in budgets
        ]
    return found


def count(verdicts: list[bool | None]) -> tuple[int, int]:
    """How many of the judged runs show it: k, n."""
    judged = [verdict for verdict in verdicts if verdict is not None]
    return sum(judged), len(judged)
