"""What keeps two dropout passes of one batch consistent: of outputs, of hidden states, of attention.

``output_consistency`` is R-Drop's term (arXiv 2106.14448, equation 2). Those within the layers are LR-Drop's
(arXiv 2402.16361): mean squared errors between the two passes. That paper leaves open what they are averaged
over, so each axis has a setting. Padding counts nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from redrop.objectives import full_precision

Divergence = Callable[[torch.Tensor], torch.Tensor]
"""From the logits of two passes, (2B, ..., K), to a divergence of each, (B, ...)."""


def symmetric_kl(logits_2BK: torch.Tensor) -> torch.Tensor:
    """(KL(p1 || p2) + KL(p2 || p1)) / 2 of every example, nats, (B, ...): the sum over the last axis.

    In one sum: KL(p || q) + KL(q || p) = sum (p - q)(log p - log q). The gradient goes through both sides.
    """
    first, second = F.log_softmax(full_precision(logits_2BK), dim=-1).chunk(2)
    return 0.5 * ((first.exp() - second.exp()) * (first - second)).sum(-1)


def squared_difference(scores_2B1: torch.Tensor) -> torch.Tensor:
    """(s1 - s2)^2 of every example, (B,): what stands in for the divergence in a regression."""
    first, second = full_precision(scores_2B1).squeeze(-1).chunk(2)
    return (first - second).square()


def output_consistency(
    logits_2BK: torch.Tensor, reduction: str, divergence: Divergence = symmetric_kl
) -> torch.Tensor:
    """L_OR, a scalar; one output a row is a regression.

    ``reduction`` over the examples: ``batchmean``, or ``sum`` as R-Drop's GLUE code does with the
    divergence (it takes the mean of squared differences, so those are never summed).
    """
    if logits_2BK.shape[-1] == 1:
        return squared_difference(logits_2BK).mean()
    divergences = divergence(logits_2BK)
    return divergences.sum() if reduction == "sum" else divergences.mean()


def over_real(squares: torch.Tensor, real: torch.Tensor, reduction: str) -> torch.Tensor:
    """Squares (B, ...) where ``real`` (same shape, bool) holds, as a scalar.

    ``mean``: over all real places of the batch; ``sum``: over those of an example, then the mean over
    the examples.
    """
    total = torch.where(real, squares, 0.0).sum()
    return total / (squares.shape[0] if reduction == "sum" else real.sum().clamp(min=1))


def hidden_consistency(hidden_2BTC: torch.Tensor, real_BT: torch.Tensor, tokens: str) -> torch.Tensor:
    """L_HSR of one layer, a scalar: the squared difference, mean over the width, ``tokens`` as ``over_real``.

    ``real_BT`` is True where a token is no padding.
    """
    first, second = full_precision(hidden_2BTC).chunk(2)
    return over_real((first - second).square().mean(-1), real_BT, tokens)


def attention_consistency(
    attention_2BHTS: torch.Tensor, pairs_BTS: torch.Tensor, tokens: str, heads: str
) -> torch.Tensor:
    """L_MHAR of one layer, a scalar, over the pairs of a query (T) and a key (S) that are True in ``pairs``.

    ``tokens``: what is done with the pairs, as ``over_real``; ``heads``: ``mean`` or ``sum``.
    """
    first, second = full_precision(attention_2BHTS).chunk(2)
    squares_BHTS = (first - second).square()
    return over_real(squares_BHTS.sum(1) if heads == "sum" else squares_BHTS.mean(1), pairs_BTS, tokens)


def real_pairs(real_BT: torch.Tensor, real_BS: torch.Tensor) -> torch.Tensor:
    """The pairs of a real query and a real key, (B, T, S) bool."""
    return real_BT[:, :, None] & real_BS[:, None, :]


def over_layers(terms: Sequence[torch.Tensor], reduction: str) -> torch.Tensor:
    """The layers' terms as one scalar, their ``mean`` or ``sum``."""
    stacked = torch.stack(list(terms))
    return stacked.sum() if reduction == "sum" else stacked.mean()
