"""What attention layers tell to whoever listens: scores and probabilities, while a forward pass goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Attention:
    """What one attention layer computed: (batch, heads, queries, keys) each."""

    module: torch.nn.Module
    scores: torch.Tensor
    """Scaled products, before the mask is added."""
    probabilities: torch.Tensor
    """Before dropout."""
    dropped: torch.Tensor
    """After dropout; the same tensor where nothing is dropped."""


Listener = Callable[[Attention], None]
LISTENERS: list[Listener] = []
"""Whom a layer tells what it computed."""


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """``listener`` is called by every attention layer that runs within the block.

    With gradient checkpointing the block must enclose the backward pass too: layers run again there, and
    must do the same work again.
    """
    LISTENERS.append(listener)
    try:
        yield
    finally:
        LISTENERS.remove(listener)
