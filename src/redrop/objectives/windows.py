"""Batches of a language model: windows of a text, whose every next symbol is to be told."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from redrop.objectives import full_precision
from redrop.objectives.terms import Batch
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
        return SimpleNamespace(logits=model(x_BT, self.masks))

    def rows(self, logits: torch.Tensor) -> torch.Tensor:
        """Every symbol's."""
        return full_precision(logits).flatten(0, 1)

    def loss(self, rows_NK: torch.Tensor, spec: Any) -> torch.Tensor:
        """Mean over the symbols, nats."""
        return F.cross_entropy(rows_NK, self.targets)

    def both_passes(self, logits: torch.Tensor, spec: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """In one sweep over the symbols."""
        return two_pass_tokens(logits, self.y_BT, torch.ones_like(self.y_BT, dtype=torch.bool), 0.0)
