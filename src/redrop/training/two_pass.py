"""What every trainer of paper A does: an update of a released model, plain or with consistency terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from transformers import PreTrainedModel

from redrop.models.attention import TAP
from redrop.models.pretrained import compute_layers_again
from redrop.objectives.doubled import Terms
from redrop.spec import RunSpec
from redrop.streams import GlobalStream
from redrop.training.lane import Lane
from redrop.training.single import make_optimiser

HALF = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Precision -> what the model computes in under autocast."""
TERMS = ("task", "hidden", "attention", "output")


class TwoPassTrainer(ABC):
    """Model, optimiser and dropout stream of one run; a subclass says what it reads and measures.

    ``redrop.training.loop.Trainer`` says what the public parts are.
    """

    def __init__(
        self,
        spec: RunSpec,
        model: PreTrainedModel,
        lane: Lane,
        device: torch.device,
        *,
        updates: int,
        every: int,
    ) -> None:
        self.spec, self.device, self.lane, self.lanes = spec, device, lane, [lane]
        self.model = model.to(device)
        if spec.schedule.gradient_checkpointing:
            compute_layers_again(self.model)
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimiser = make_optimiser(self.model, spec.optimiser)
        self.dropout = GlobalStream(spec.seed, "dropout", device)
        self.half = HALF[spec.schedule.precision]
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.half is torch.float16)
        """Keeps small gradients apart from 0 in fp16, and leaves out an update that overflows."""
        self.iteration, self.last_iteration, self.evaluate_every = 0, updates, every
        self._sums = torch.zeros(len(TERMS), device=device)
        self._summed = 0

    @abstractmethod
    def parts(self) -> Iterable[tuple[Any, float]]:
        """The next update's batch, in the parts that it is computed in, each with its share of the whole."""

    @abstractmethod
    def terms(self, part: Any) -> AbstractContextManager[Terms]:
        """The objective's terms on a part; the backward pass belongs into the block."""

    def step(self) -> torch.Tensor:
        """Make one update; returns the batch's total loss, (1,) on the device."""
        spec = self.spec
        self.use_attention(training=True)
        self.model.train()
        total = torch.zeros((), device=self.device)
        self.optimiser.zero_grad(set_to_none=True)
        for part, share in self.parts():
            with self.dropout, self.terms(part) as terms:
                loss = terms.total(spec.objective, share)
                self.scaler.scale(loss).backward()
            total += loss.detach()
            for number, name in enumerate(TERMS):
                if getattr(terms, name) is not None:
                    weight = 1.0 if name == "output" and terms.output_is_sum else share
                    self._sums[number] += weight * getattr(terms, name).detach()
        self._summed += 1
        if spec.optimiser.clip_norm is not None:
            self.scaler.unscale_(self.optimiser)
            torch.nn.utils.clip_grad_norm_(self.parameters, spec.optimiser.clip_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self.lane.learning_rate(self.iteration)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.iteration += 1
        return total[None]

    def use_attention(self, *, training: bool) -> None:
        """The tap only where somebody listens; on a CPU plain products train faster than the fused call."""
        if not training:
            wanted = "sdpa"
        elif self.spec.objective.beta:
            wanted = TAP
        else:
            wanted = "eager" if self.device.type == "cpu" else "sdpa"
        if self.model.config._attn_implementation != wanted:
            self.model.set_attn_implementation(wanted)

    def mean_terms(self) -> dict[str, float]:
        """Each term's mean over the updates since this was last asked; a term without weight is left out."""
        if not self._summed:
            return {}
        means = dict(zip(TERMS, (self._sums / self._summed).tolist(), strict=True))
        self._sums.zero_()
        self._summed = 0
        return {name: mean for name, mean in means.items() if name == "task" or mean}

    def state(self, lane: int = 0) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "iteration": self.iteration,
            "dropout": self.dropout.state(),
            "scaler": self.scaler.state_dict(),
            "sums": self._sums,
            "summed": self._summed,
            **self.lane.state(),
        }

    def restore(self, lane: int, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.iteration = state["iteration"]
        self.dropout.restore(state["dropout"])
        self.scaler.load_state_dict(state["scaler"])
        self._sums.copy_(state["sums"])
        self._summed = state["summed"]
        self.lane.restore(state)
