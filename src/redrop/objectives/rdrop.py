"""L_OR, consistency of the outputs of two passes: R-Drop's term (arXiv 2106.14448, equation 2)."""

from __future__ import annotations

from collections.abc import Callable

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
