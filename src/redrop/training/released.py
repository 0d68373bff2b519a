"""What tasks of ``transformers`` models share: their dropout stream, and which attention computes them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedModel

from redrop.models.attention import TAP
from redrop.spec import RunSpec
from redrop.streams import GlobalStream
from redrop.training.task import Task

if TYPE_CHECKING:
    from redrop.training.trainer import Trainer


class ReleasedModelTask(Task):
    """A task of a model whose dropout draws from torch's generators."""

    model: PreTrainedModel

    def __init__(self, spec: RunSpec, model: PreTrainedModel, device: torch.device) -> None:
        self.spec, self.device, self.model = spec, device, model.to(device)
        self.dropout: GlobalStream = GlobalStream(spec.seed, "dropout", device)

    def begin_training(self) -> None:
        """Training mode, with the attention that it takes."""
        self.use_attention(training=True)
        self.model.train()

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

    def training_terms(self, trainer: Trainer) -> dict[str, float]:
        """The objective's terms since the last evaluation, as they are called in the curve."""
        means = trainer.mean_terms()
        loss = means.pop("task", math.nan)
        return {"train_loss": loss} | {f"term_{name}": mean for name, mean in means.items()}

    def state(self) -> dict[str, Any]:
        """The position of the dropout stream."""
        return {"dropout": self.dropout.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.dropout.restore(state["dropout"])
