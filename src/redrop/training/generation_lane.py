"""A run of translation or summarisation in training: its schedule, its metrics."""

from __future__ import annotations

import math

from redrop.record import Metric
from redrop.spec import RunSpec
from redrop.spec_generation import GenerationScheduleSpec
from redrop.training.lane import Lane


def learning_rate(schedule: GenerationScheduleSpec, update: int) -> float:
    """The learning rate of the update that follows ``update`` finished ones.

    Linear from near 0 over ``warmup`` updates; then constant, falling with the root of the update as
    fairseq's ``inverse_sqrt`` does, or linear to 0 at the end (polynomial decay of power 1).
    """
    done, warmup = update + 1, schedule.warmup
    if done <= warmup:
        return schedule.learning_rate * done / warmup
    if schedule.shape == "constant":
        return schedule.learning_rate
    if schedule.shape == "inverse-sqrt":
        return schedule.learning_rate * math.sqrt(warmup / done)
    return schedule.learning_rate * max(0.0, (schedule.updates - update) / max(1, schedule.updates - warmup))


class GenerationLane(Lane):
    """Adds what decoding the test sets gives."""

    def __init__(self, spec: RunSpec, tokens: int, decoded: int, metric: str) -> None:
        """``tokens``: of the validation targets; the first ``decoded`` inputs are scored by ``metric``."""
        super().__init__(spec)
        self.tokens, self.decoded, self.metric = tokens, decoded, metric
        self.extra: dict[str, Metric] = {}
        """Metrics of the test sets."""

    def learning_rate(self, iteration: int) -> float:
        """By the schedule of generation."""
        return learning_rate(self.spec.schedule, iteration)

    def metrics(self) -> dict[str, Metric]:
        """Validation losses and scores, then the test sets' scores.

        ``score`` is the main test set's first metric under a name that all tasks share.
        """
        rows = [row for row in self.curve if row["val_loss"] is not None]
        last = rows[-1] if rows and self.reason is None else None
        lowest = min(rows, key=lambda row: row["val_loss"], default=None)
        found = {}
        what = "cross entropy without label smoothing, nats a target token, no dropout"
        for key, row, when in (("val_loss_last", last, "at the end"), ("val_loss_best", lowest, "lowest")):
            found[key] = Metric(
                value=None if row is None else row["val_loss"],
                n=self.tokens,
                split="valid",
                higher_is_better=False,
                signature=f"mean {what}, {when}",
            )
        name = f"{self.metric}_valid"
        decoded = [row for row in rows if row.get(name) is not None]
        best = max(decoded, key=lambda row: row[name], default=None)
        for key, row, when in ((name, last, "at the end"), (f"{name}_best", best, "highest")):
            if decoded:
                found[key] = Metric(
                    value=None if row is None else row[name],
                    n=self.decoded,
                    split="valid",
                    higher_is_better=True,
                    signature=f"{self.metric} of the first validation inputs, {when}",
                )
        return found | self.extra
