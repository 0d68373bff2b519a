"""L_HSR and L_MHAR, consistency within the layers: LR-Drop's terms (arXiv 2402.16361).

Both are mean squared errors between the two passes. The paper leaves open what they are averaged over,
so each axis has a setting. Padding counts nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from redrop.objectives import full_precision


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
