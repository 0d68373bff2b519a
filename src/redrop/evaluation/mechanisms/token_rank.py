"""How far the representations of a window's tokens are from being one and the same, rank 1.

R = X - mean over the tokens; ||R|| / ||X|| with ||.|| = sqrt(||.||_1 ||.||_inf) (after Dong et al., arXiv
2103.03404; the mean is from memory). 0: all tokens alike, as they become with depth where nothing but
attention acts.
"""

from __future__ import annotations

import torch


def composite_norm(x_BTC: torch.Tensor) -> torch.Tensor:
    """(B,): the root of the largest column sum times the largest row sum, of absolute values."""
    size_BTC = x_BTC.abs()
    return (size_BTC.sum(-2).amax(-1) * size_BTC.sum(-1).amax(-1)).sqrt()


def token_rank(x_BTC: torch.Tensor) -> torch.Tensor:
    """(B,): ||R|| / ||X|| of each window."""
    x_BTC = x_BTC.double()
    return composite_norm(x_BTC - x_BTC.mean(-2, keepdim=True)) / composite_norm(x_BTC)
