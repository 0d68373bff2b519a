"""x = LN(x); x = x + f(x): the stream itself is replaced by its norm first, as in the authors' code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def carried(h: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """The sub-layer's own input."""
    return u
