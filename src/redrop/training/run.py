"""One run in training, whatever trains it: its curve, whether it diverged, how it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from redrop.dropout_schedules import dropout_scale
from redrop.record import DIVERGED, DONE, Metric
from redrop.schedules import learning_rate
from redrop.spec import RunSpec


class Stopped(Exception):
    """Training was asked to stop; where checkpoints are kept, one was written."""


@dataclass(frozen=True)
class Outcome:
    """What training gives: everything but where and when."""

    status: str
    reason: str | None
    metrics: dict[str, Metric]
    curve: list[dict[str, Any]]
    iterations_now: int
    """Iterations made by this process; fewer than the run's if it was resumed."""
    seconds_training: float
    """This run's share of the time, where several were trained together."""
    seconds_evaluation: float
    files: dict[str, bytes] = field(default_factory=dict)
    """More of the run's record, by file name, such as its predictions."""
    cost: dict[str, Any] = field(default_factory=dict)
    """What else was timed; it goes with the provenance."""


class Run:
    """A run's curve, and what else it leaves; a trainer has one of them for each of its runs."""

    def __init__(self, spec: RunSpec, updates: int) -> None:
        """``updates``: that the learning rate's schedule spans."""
        self.spec, self.updates = spec, updates
        self.curve: list[dict[str, Any]] = []
        self.row: dict[str, float] = {}
        """The part of the curve's next row that was measured when an evaluation was stopped."""
        self.reason: str | None = None
        """Why the run diverged; None: it did not, so far."""
        self.extra: dict[str, Metric] = {}
        """Metrics that were measured once, on the finished model."""
        self.files: dict[str, bytes] = {}
        self.cost: dict[str, Any] = {}

    def learning_rate(self, iteration: int) -> float:
        """The learning rate of the update that follows ``iteration`` finished updates."""
        return learning_rate(self.spec.schedule, iteration, self.updates)

    def dropout_scale(self, iteration: int) -> float:
        """What that update's dropout rates are multiplied by."""
        return dropout_scale(self.spec.model, iteration, self.updates)

    def note(self, iteration: int, losses: dict[str, float]) -> None:
        """Add a row to the curve; a validation loss that is not finite ends the run."""
        row: dict[str, Any] = {"iteration": iteration, "learning_rate": self.learning_rate(iteration)}
        row |= {key: value if math.isfinite(value) else None for key, value in losses.items()}
        self.curve.append(row)
        if row["val_loss"] is None:
            self._diverge(iteration, f"the validation loss is not finite at iteration {iteration}")

    def measured(self, iteration: int) -> bool:
        """Whether the curve has its row of this iteration."""
        return bool(self.curve) and self.curve[-1]["iteration"] == iteration

    def check(self, iteration: int, loss: float) -> None:
        """A training loss that is not finite ends the run, with a row that says at which iteration."""
        if self.reason is None and not math.isfinite(loss):
            rate = self.learning_rate(iteration)
            row = {"iteration": iteration, "learning_rate": rate, "train_loss": None, "val_loss": None}
            self.curve.append(row)
            self._diverge(iteration, f"the training loss became {loss} at iteration {iteration}")

    def _diverge(self, iteration: int, what: str) -> None:
        self.reason = f"{what}; likely cause: {self.likely_cause(iteration)}"

    def likely_cause(self, iteration: int) -> str:
        """A first guess at why the loss is no longer a number."""
        clip = self.spec.optimiser.clip_norm
        if self.spec.schedule.precision != "fp32":
            return f"{self.spec.schedule.precision} lost precision; try schedule.precision: fp32"
        if iteration <= max(10, self.spec.schedule.warmup):  # a share of all updates is below 1
            return "it happened in the first iterations; try a lower schedule.learning_rate"
        if clip is None:
            return "gradients are not clipped; try optimiser.clip_norm: 1.0"
        return "the learning rate is too high for this model; try a lower schedule.learning_rate"

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"curve": self.curve, "reason": self.reason, "row": self.row}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.curve, self.reason = state["curve"], state["reason"]
        self.row = state.get("row", {})  # older checkpoints have none

    def outcome(
        self, metrics: dict[str, Metric], iterations_now: int, training: float, evaluation: float
    ) -> Outcome:
        """The finished run; seconds are its share of the work."""
        return Outcome(
            status=DONE if self.reason is None else DIVERGED,
            reason=self.reason,
            metrics=metrics | self.extra,
            curve=self.curve,
            iterations_now=iterations_now,
            seconds_training=training,
            seconds_evaluation=evaluation,
            files=self.files,
            cost=self.cost,
        )
