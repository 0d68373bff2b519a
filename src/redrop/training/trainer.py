"""The trainer of one run, whatever its kind of model: optimiser, schedule, objective and task together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from redrop.methods import regulariser_of
from redrop.objectives.terms import NAMES, risen, terms_of
from redrop.optimisers import make_optimiser
from redrop.record import Metric
from redrop.training.checkpoint import Checkpoint
from redrop.training.loop import drive
from redrop.training.run import Outcome, Run, Stopped
from redrop.training.task import Task

HALF = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Precision -> what the model computes in under autocast."""


class Trainer:
    """One run in training; ``redrop.training.loop.Training`` says what its parts are."""

    def __init__(self, task: Task) -> None:
        self.task, self.spec, self.model, self.device = task, task.spec, task.model, task.device
        self.run = Run(task.spec, task.updates)
        self.runs = [self.run]
        if getattr(self.spec.schedule, "gradient_checkpointing", False):
            from redrop.models.pretrained import compute_layers_again

            compute_layers_again(self.model)
        self.regulariser = regulariser_of(task)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = make_optimiser(self.model, self.spec.optimiser)
        self.half = HALF[self.spec.schedule.precision]
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.half is torch.float16)
        """Keeps small gradients apart from 0 in fp16, and leaves out an update that overflows."""
        self.iteration, self.last_iteration, self.evaluate_every = 0, task.last_update, task.every
        self.updated = False
        """Whether an update was made here, so that there is a gradient to look at."""
        self.norm: torch.Tensor | None = None
        """Norm of the last update's gradient before it was clipped; None: it is not clipped."""
        self._sums = torch.zeros(len(NAMES), device=self.device)
        self._summed = 0

    def step(self) -> torch.Tensor:
        """Make one update; returns the batch's total loss, (1,) on the device."""
        spec = self.spec
        self.task.begin_training()
        scale = self.run.dropout_scale(self.iteration)
        total = torch.zeros((), device=self.device)
        rise = risen(spec.objective, self.iteration, self.task.updates)
        self.optimiser.zero_grad(set_to_none=True)
        if self.regulariser is not None:
            self.regulariser.update = self.iteration
            self.regulariser.begin()
        options = {"half": self.half, "regulariser": self.regulariser}
        for batch, share in self.task.batches(self.iteration):
            with (
                self.task.dropout,
                self.task.scaled(scale),
                terms_of(self.model, batch, spec.objective, **options) as terms,
            ):
                loss = terms.total(spec.objective, share, rise)
                self.scaler.scale(loss).backward()
            total += loss.detach()
            for number, name in enumerate(NAMES):
                if getattr(terms, name) is not None:
                    weight = 1.0 if name == "output" and terms.output_is_sum else share
                    self._sums[number] += weight * getattr(terms, name).detach()
        self._summed += 1
        if spec.optimiser.clip_norm is not None:
            self.scaler.unscale_(self.optimiser)
            self.norm = torch.nn.utils.clip_grad_norm_(self.parameters, spec.optimiser.clip_norm)
        if self.regulariser is not None:
            self.regulariser.gradients()
        rate = self.run.learning_rate(self.iteration)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.updated = True
        self.iteration += 1
        return total[None]

    def mean_terms(self) -> dict[str, float]:
        """Each term's mean over the updates since this was last asked; a term without weight is left out."""
        if not self._summed:
            return {}
        means = dict(zip(NAMES, (self._sums / self._summed).tolist(), strict=True))
        self._sums.zero_()
        self._summed = 0
        return {name: mean for name, mean in means.items() if name == "task" or mean}

    def watch(self, check: Callable[[], None]) -> None:
        """Let the task ask whether to stop while it measures."""
        self.task.check = check

    def losses(self) -> list[dict[str, float]]:
        """The task's row of the curve."""
        row, self.run.row = self.run.row, {}
        more = self.regulariser.curve() if self.regulariser is not None and not row else {}
        try:
            self.task.measure(self, row)
        except Stopped:
            self.run.row = row | more
            raise
        return [row | more]

    def finish(self) -> None:
        """What only the finished model shows; a run that diverged has none."""
        if self.run.reason is None:
            self.task.finish(self)
            if self.regulariser is not None:
                self.run.extra.update(self.regulariser.finish())

    def keep(self, number: int, folder: Path) -> None:
        """The task's model."""
        if self.regulariser is not None:
            self.regulariser.leave()
        self.task.keep(folder)

    def metrics(self) -> list[dict[str, Metric]]:
        """The task's metrics of the curve."""
        return [self.task.metrics(self.run)]

    def state(self, number: int = 0) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "iteration": self.iteration,
            "scaler": self.scaler.state_dict(),
            "sums": self._sums,
            "summed": self._summed,
            "task": self.task.state(),
            **({} if self.regulariser is None else {"regulariser": self.regulariser.state()}),
            **self.run.state(),
        }

    def restore(self, number: int, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.iteration = state["iteration"]
        self.scaler.load_state_dict(state["scaler"])
        self._sums.copy_(state["sums"])
        self._summed = state["summed"]
        self.task.restore(state["task"])
        if self.regulariser is not None:
            self.regulariser.restore(state["regulariser"])
        self.run.restore(state)


def train(
    task: Task,
    *,
    checkpoint_folder: Path | None = None,
    checkpoint_seconds: float = 60.0,
    should_stop: Callable[[], bool] | None = None,
    interrupted: Callable[[], bool] | None = None,
    progress: bool = True,
) -> Outcome:
    """Train one run; ``checkpoint_folder``: where it resumes from, None keeps no checkpoints."""
    trainer = Trainer(task)
    checkpoints = [Checkpoint(checkpoint_folder, task.spec.run)] if checkpoint_folder else []
    for checkpoint in checkpoints:
        stored = checkpoint.load()
        if stored is not None:
            trainer.restore(0, stored)
    (outcome,) = drive(
        trainer,
        checkpoints=checkpoints,
        checkpoint_seconds=checkpoint_seconds,
        should_stop=should_stop,
        interrupted=interrupted,
        progress=progress,
    )
    return outcome
