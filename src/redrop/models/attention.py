"""The attention tap: sees scores and probabilities inside unmodified models of ``transformers``.

Importing this module registers an attention function under ``TAP``. It computes what the library's own
eager attention computes, operation by operation, and hands scores, probabilities before dropout and
probabilities after dropout to whoever listens, layer by layer, while the forward pass goes on. (What the
models return as attention is taken after dropout: a distance between two of those mostly measures the mask.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from redrop.models.listening import LISTENERS, Attention

TAP = "redrop_tap"
"""For ``model.set_attn_implementation``; ``sdpa`` is faster where nobody listens."""


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
    for listener in LISTENERS:
        listener(Attention(module, scores, probabilities, dropped))
    output = torch.matmul(dropped, value).transpose(1, 2).contiguous()
    return output, dropped


AttentionInterface.register(TAP, tapped_attention)
AttentionMaskInterface.register(TAP, eager_mask)
