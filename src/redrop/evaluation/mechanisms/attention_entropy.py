"""How evenly a head spreads its attention: 1 where it is uniform, 0 where it is on one token.

The entropy of its probabilities over the t + 1 tokens that a query at place t can see, divided by log(t + 1);
mean over the queries with t >= 1. Low entropy goes with unstable training (Zhai et al., arXiv 2303.06296).
"""

from __future__ import annotations

import torch


def attention_entropy(probabilities_BHTT: torch.Tensor) -> torch.Tensor:
    """(B, H), from causal probabilities of queries and keys."""
    entropy_BHT = torch.special.entr(probabilities_BHTT.double()).sum(-1)
    seen_T = torch.arange(1, entropy_BHT.shape[-1] + 1, device=entropy_BHT.device)
    return (entropy_BHT / seen_T.log())[..., 1:].mean(-1)
