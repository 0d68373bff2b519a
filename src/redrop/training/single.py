"""The single-run trainer: one model, nanoGPT's optimiser and schedule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from redrop.data.corpus import Corpus
from redrop.evaluation.language_model import mean_loss, take
from redrop.models.residual_gpt import build
from redrop.spec import OptimiserSpec, RunSpec
from redrop.training.character_lane import CharacterLane
from redrop.training.checkpoint import Checkpoint
from redrop.training.gradients import norms
from redrop.training.lane import Outcome
from redrop.training.loop import drive
from redrop.training.schedule import learning_rate


def make_optimiser(model: torch.nn.Module, spec: OptimiserSpec) -> torch.optim.AdamW:
    """AdamW with weight decay on matrices only, or on everything; fused, which is several times faster."""
    parameters = list(model.parameters())
    decayed = [p for p in parameters if spec.decay == "all" or p.dim() >= 2]
    others = [p for p in parameters if spec.decay != "all" and p.dim() < 2]
    groups = [{"params": decayed, "weight_decay": spec.weight_decay}]
    if others:
        groups.append({"params": others, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, betas=(spec.beta1, spec.beta2), eps=spec.eps, fused=True)


class SingleTrainer:
    """State of one run in training; ``redrop.training.loop.Trainer`` says what its parts are."""

    def __init__(self, spec: RunSpec, corpus: Corpus, device: torch.device) -> None:
        self.device = device
        self.lane = CharacterLane(spec, corpus, device)
        self.lanes = [self.lane]
        self.model = build(spec.model, corpus.vocab_size, spec.seed).to(device).train()
        self.parameters = list(self.model.parameters())
        self.optimiser = make_optimiser(self.model, spec.optimiser)
        self._updated = False
        """Whether an update was made here, so that there is a gradient to look at."""
        self._norm: torch.Tensor | None = None
        """Norm of the last update's gradient before it was clipped; None: it is not clipped."""
        self.iteration = 0
        schedule, evaluation = spec.schedule, spec.evaluation
        self.last_iteration, self.evaluate_every = schedule.last_iteration, evaluation.every

    def step(self) -> torch.Tensor:
        """Make one update; returns the training batch's loss, (1,) on the device."""
        lane, spec = self.lane, self.lane.spec
        x_BT, y_BT = take(lane.corpus.train, lane.next_starts(), spec.model.block_size, self.device)
        bf16 = spec.schedule.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            logits_BTV = self.model(x_BT, lane.masks)
            loss = F.cross_entropy(logits_BTV.flatten(0, 1), y_BT.flatten())
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if spec.optimiser.clip_norm is not None:
            self._norm = torch.nn.utils.clip_grad_norm_(self.parameters, spec.optimiser.clip_norm)
        rate = learning_rate(spec.schedule, self.iteration)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        self._updated = True
        self.iteration += 1
        return loss.detach()[None]

    def losses(self) -> list[dict[str, float]]:
        """Losses without dropout, nats a character; norms of the last update's gradient."""
        parts = self.lane.evaluation.parts()
        row = {name: mean_loss(self.model, tokens, starts) for name, tokens, starts in parts}
        return [row | self._gradient_norms()]

    def _gradient_norms(self) -> dict[str, float]:
        if not self._updated:
            return {}
        spec, clipped = self.lane.spec, torch.ones(1, device=self.device)
        if self._norm is not None:
            clipped = (spec.optimiser.clip_norm / (self._norm[None] + 1e-6)).clamp(max=1.0)
        # A skip at rate 1 leaves what only feeds it without a gradient.
        named = [(name, one.grad) for name, one in self.model.named_parameters() if one.grad is not None]
        return norms({name: grad[None] for name, grad in named}, clipped, spec.model)[0]

    def finish(self) -> None:
        """Nothing is left to measure."""

    def state(self, lane: int = 0) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "iteration": self.iteration,
            **self.lane.state(),
        }

    def restore(self, lane: int, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.iteration = state["iteration"]
        self.lane.restore(state)


def train(
    spec: RunSpec,
    corpus: Corpus,
    *,
    device: torch.device | None = None,
    checkpoint_folder: Path | None = None,
    checkpoint_seconds: float = 60.0,
    should_stop: Callable[[], bool] | None = None,
    progress: bool = True,
) -> Outcome:
    """Train one run; ``checkpoint_folder``: where it resumes from, None keeps no checkpoints."""
    trainer = SingleTrainer(spec, corpus, device or torch.device("cpu"))
    checkpoints = [Checkpoint(checkpoint_folder, spec.run)] if checkpoint_folder else []
    for checkpoint in checkpoints:
        stored = checkpoint.load()
        if stored is not None:
            trainer.restore(0, stored)
    (outcome,) = drive(
        trainer,
        checkpoints=checkpoints,
        checkpoint_seconds=checkpoint_seconds,
        should_stop=should_stop,
        progress=progress,
    )
    return outcome
