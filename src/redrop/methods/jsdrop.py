"""Jensen-Shannon divergence between the outputs of two dropout passes, in the place of R-Drop's.

    JS = (KL(p || m) + KL(q || m)) / 2,  m = (p + q) / 2

It is 0 for equal passes, at most log 2, and about a quarter of the symmetric Kullback-Leibler divergence for
close ones.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

WEIGHTS = ("gamma",)


def divergence(logits_2BK: torch.Tensor) -> torch.Tensor:
    """Of every example, nats, (B, ...)."""
    import torch
    import torch.nn.functional as F

    first, second = F.log_softmax(logits_2BK, dim=-1).chunk(2)
    middle = torch.logaddexp(first, second) - math.log(2.0)
    return 0.5 * sum((one.exp() * (one - middle)).sum(-1) for one in (first, second))
