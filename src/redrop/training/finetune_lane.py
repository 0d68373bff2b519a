"""A fine-tuning run in training: its schedule, its metrics."""

from __future__ import annotations

from typing import Any

from redrop.evaluation.glue import METRICS
from redrop.record import Metric
from redrop.spec import RunSpec
from redrop.spec_encoder import FineTuneScheduleSpec
from redrop.training.lane import Lane

CORRELATIONS = ("pearson", "spearman")


def updates_of(schedule: FineTuneScheduleSpec, examples: int) -> int:
    """Optimiser updates of the whole run."""
    return schedule.updates_on(examples)


def learning_rate(schedule: FineTuneScheduleSpec, update: int, updates: int) -> float:
    """The learning rate of the update that follows ``update`` finished ones of ``updates``.

    Linear from 0 over the warm-up (``warmup`` updates, or below 1 that share of all), then constant, or
    linear to 0 at the end: fairseq's polynomial decay of power 1.
    """
    warmup = int(schedule.warmup if schedule.warmup >= 1 else schedule.warmup * updates)
    if update < warmup:
        return schedule.learning_rate * (update + 1) / warmup
    if schedule.shape == "constant":
        return schedule.learning_rate
    return schedule.learning_rate * max(0.0, (updates - update) / max(1, updates - warmup))


class FineTuneLane(Lane):
    """Adds the task's metrics, at the end and at their best."""

    def __init__(self, spec: RunSpec, updates: int, examples: dict[str, int]) -> None:
        """``examples``: name of a development split -> how many it has; the first one is the main one."""
        super().__init__(spec)
        self.updates, self.examples = updates, examples
        self.extra: dict[str, Metric] = {}
        """Metrics that were measured once, on the finished model."""

    def learning_rate(self, iteration: int) -> float:
        """By the fine-tuning schedule."""
        return learning_rate(self.spec.schedule, iteration, self.updates)

    def metrics(self) -> dict[str, Metric]:
        """Task metrics and losses, then extras.

        ``score`` is the task's first metric under a name that all tasks share. ``_best`` is said of the
        evaluation where that was highest; what belongs to the second development split, where there is one,
        ends in ``_mismatched``.
        """
        names = METRICS[self.spec.task]
        main = next(iter(self.examples))
        rows = [row for row in self.curve if row["val_loss"] is not None]
        last = rows[-1] if rows and self.reason is None else None
        best = max(rows, key=lambda row: row[names[0]], default=None)
        found = {}
        for split, suffix in zip(self.examples, ("", "_mismatched"), strict=False):
            for name in names:
                key, n = name + suffix, self.examples[split]
                found[key] = _metric(last, key, n, split, True, f"{name}, no dropout, at the end")
                how = f"{name}, no dropout, at the evaluation with the highest {names[0]}"
                found[f"{key}_best"] = _metric(best, key, n, split, True, how)
        found["score"], found["score_best"] = found[names[0]], found[f"{names[0]}_best"]
        what = "squared error" if names[0] in CORRELATIONS else "cross entropy, nats an example"
        lowest = min(rows, key=lambda row: row["val_loss"], default=None)
        for key, row, when in (("val_loss_last", last, "at the end"), ("val_loss_best", lowest, "lowest")):
            signature = f"mean {what}, no dropout, {when}"
            found[key] = _metric(row, "val_loss", self.examples[main], main, False, signature)
        return found | self.extra


def _metric(row: dict[str, Any] | None, key: str, n: int, split: str, higher: bool, signature: str) -> Metric:
    value = None if row is None else row[key]
    return Metric(value=value, n=n, split=split, higher_is_better=higher, signature=signature)
