"""x = x + f(LN(x)): the skips carry the stream itself, as in GPT-2."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def carried(h: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """The stream."""
    return h
