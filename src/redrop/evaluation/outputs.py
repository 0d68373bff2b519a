"""Outputs of an encoder with a head, for any examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch

from redrop.data.tokens import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def inputs_of(
    model: PreTrainedModel, tokens: Tokens, examples: np.ndarray, pad: int
) -> dict[str, torch.Tensor]:
    """A padded batch on the CPU, with what this model takes."""
    made = tokens.batch(examples, pad)
    if getattr(model.config, "type_vocab_size", 0) < 2:
        del made["token_type_ids"]
    return made


@torch.no_grad()
def outputs_of(
    forward: Callable[[np.ndarray], torch.Tensor],
    tokens: Tokens,
    examples: np.ndarray,
    size: int,
    check: Callable[[], None] = lambda: None,
) -> np.ndarray:
    """float32 (examples, K), in the order of ``examples``: ``size`` of about equal length at a time.

    ``forward``: numbers of examples -> their logits; ``check`` is called before each batch and may raise.
    """
    order = np.argsort(tokens.lengths[examples], kind="stable")
    found: np.ndarray | None = None
    for begin in range(0, len(order), size):
        check()
        where = order[begin : begin + size]
        logits = forward(examples[where]).float().cpu().numpy()
        if found is None:
            found = np.empty((len(examples), logits.shape[1]), np.float32)
        found[where] = logits
    return found
