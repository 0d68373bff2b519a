"""Batches of a language model: windows of a text, whose every next symbol is to be told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from redrop.objectives import full_precision
from redrop.objectives.terms import AttentionTerms, Batch, chosen_layers
from redrop.objectives.two_pass_tokens import two_pass_tokens
from redrop.streams import MaskStream


@dataclass(frozen=True)
class WindowBatch(Batch):
    """Inputs and targets, and where the dropout masks come from."""

    FUSED: ClassVar[bool] = True

    x_BT: torch.Tensor
    """int64 symbols."""
    y_BT: torch.Tensor
    """int64: the symbol that follows each."""
    masks: MaskStream

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where the batch lies."""
        return self.x_BT.device

    @property
    def targets(self) -> torch.Tensor:  # type: ignore[override]
        """Every one of them."""
        return self.y_BT.flatten()

    def forward(self, model: torch.nn.Module, passes: int, hidden: bool) -> Any:
        """Every window as often as there are passes; each draws its own masks."""
        x_BT = self.x_BT if passes == 1 else torch.cat([self.x_BT] * passes)
        states: list[torch.Tensor] = []
        with contextlib.ExitStack() as hooks:
            for block in model.blocks if hidden else ():
                hook = block.register_forward_hook(lambda _, inputs, output: states.append(output))
                hooks.callback(hook.remove)
            return SimpleNamespace(logits=model(x_BT, self.masks), hidden_states=states)

    def rows(self, logits: torch.Tensor) -> torch.Tensor:
        """Every symbol's."""
        return full_precision(logits).flatten(0, 1)

    def loss(self, rows_NK: torch.Tensor, spec: Any) -> torch.Tensor:
        """Mean over the symbols, nats."""
        return F.cross_entropy(rows_NK, self.targets)

    def losses(self, rows_NK: torch.Tensor, spec: Any) -> torch.Tensor:
        """Of every symbol, nats."""
        return F.cross_entropy(rows_NK, self.targets, reduction="none")

    def both_passes(self, logits: torch.Tensor, spec: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """In one sweep over the symbols."""
        return two_pass_tokens(logits, self.y_BT, torch.ones_like(self.y_BT, dtype=torch.bool), 0.0)

    def hidden_states(self, output: Any, spec: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The stream after each chosen block; every symbol is real."""
        states, real_BT = output.hidden_states, torch.ones_like(self.y_BT, dtype=torch.bool)
        for layer in chosen_layers(spec.hidden_layers, len(states), "objective.hidden_layers"):
            yield states[layer], real_BT

    def listener(self, model: torch.nn.Module, spec: Any) -> AttentionTerms:
        """The pairs of a query and a key that is not after it: further ones are masked away."""
        B, T = self.x_BT.shape
        pairs_BTT = torch.ones(T, T, dtype=torch.bool, device=self.device).tril().expand(B, T, T)
        count = sum(hasattr(part, "c_attn") for part in model.modules())
        layers = chosen_layers(spec.attention_layers, count, "objective.attention_layers")
        return AttentionTerms(spec, lambda _: pairs_BTT, count, layers)
