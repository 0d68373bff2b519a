"""Batches of an encoder: examples with a class or a score each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from redrop.objectives import full_precision
from redrop.objectives.consistency import real_pairs
from redrop.objectives.cross_entropy import task_losses
from redrop.objectives.terms import AttentionTerms, Batch, chosen_layers
from redrop.spec_encoder import ConsistencySpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class ExampleBatch(Batch):
    """Padded inputs and their labels."""

    inputs: dict[str, torch.Tensor]
    """What the model takes, (B, T) each, with ``attention_mask``."""
    targets: torch.Tensor
    """(B,): int64 classes, or float32 scores."""

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where the batch lies."""
        return self.targets.device

    def forward(self, model: PreTrainedModel, passes: int, hidden: bool) -> Any:
        """Every input as often as there are passes."""
        inputs = {name: torch.cat([values] * passes) for name, values in self.inputs.items()}
        return model(**inputs, output_hidden_states=hidden)

    def rows(self, logits: torch.Tensor) -> torch.Tensor:
        """All of them."""
        return full_precision(logits)

    def loss(self, rows_NK: torch.Tensor, spec: ConsistencySpec) -> torch.Tensor:
        """Mean over the examples."""
        return self.losses(rows_NK, spec).mean()

    def losses(self, rows_NK: torch.Tensor, spec: ConsistencySpec) -> torch.Tensor:
        """Of every example."""
        return task_losses(rows_NK, self.targets)

    def hidden_states(
        self, output: Any, spec: ConsistencySpec
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The layers' outputs, without the embeddings."""
        states = output.hidden_states[1:]
        for layer in chosen_layers(spec.hidden_layers, len(states), "objective.hidden_layers"):
            yield states[layer], self.inputs["attention_mask"].bool()

    def listener(self, model: PreTrainedModel, spec: ConsistencySpec) -> AttentionTerms:
        """Layers by the order in which they run, as every released encoder has another name for them."""
        count, real_BT = model.config.num_hidden_layers, self.inputs["attention_mask"].bool()
        layers = chosen_layers(spec.attention_layers, count, "objective.attention_layers")
        pairs_BTT = real_pairs(real_BT, real_BT)
        return AttentionTerms(spec, lambda _: pairs_BTT, count, layers)
