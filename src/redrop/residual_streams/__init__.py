"""Ways to combine skips and sub-layers in paper B's model, a file each.

With h a sub-layer's place in the stream, u = LN(h) its input and f its output, a file has

    carried(h, u)     what the skips around the sub-layer carry
    joined(skip, f)   what the skip around it, after its dropout, and f make; without it their sum
    PACKED = False    if that cannot be computed for several models at once

The tensors are (batch, time, width), or (models, batch x time, width) in a pack. Standard library only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING

from redrop.registry import Registry

if TYPE_CHECKING:
    import torch

STREAMS = Registry(__name__, "residual stream")
"""``model.residual_stream`` -> module."""


def joined_of(name: str) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """How the stream of that name joins a skip and a sub-layer."""
    return getattr(STREAMS[name], "joined", operator.add)


def can_be_packed(name: str) -> bool:
    """Whether it can be computed for several models at once."""
    return getattr(STREAMS[name], "PACKED", True)
