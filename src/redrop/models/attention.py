"""The attention tap: sees scores and probabilities inside unmodified models of ``transformers``.

Importing this module registers an attention function under ``TAP``. It computes what the library's own
eager attention computes, operation by operation, and hands scores, probabilities before dropout and
probabilities after dropout to whoever listens, layer by layer, while the forward pass goes on. (What the
models return as attention is taken after dropout: a distance between two of those mostly measures the mask.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

TAP = "redrop_tap"
"""For ``model.set_attn_implementation``; ``sdpa`` is faster where nobody listens."""


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
_listeners: list[Listener] = []


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """``listener`` is called by every attention layer that runs within the block.

    With gradient checkpointing the block must enclose the backward pass too: layers run again there, and
    must do the same work again.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def tapped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: object,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention (batch, queries, heads, width) and its weights, as ``transformers`` asks for them."""
    scaling = query.size(-1) ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling
    masked = scores if attention_mask is None else scores + attention_mask
    probabilities = F.softmax(masked, dim=-1)
    dropped = F.dropout(probabilities, p=dropout, training=module.training)
    for listener in _listeners:
        listener(Attention(module, scores, probabilities, dropped))
    output = torch.matmul(dropped, value).transpose(1, 2).contiguous()
    return output, dropped


AttentionInterface.register(TAP, tapped_attention)
AttentionMaskInterface.register(TAP, eager_mask)
