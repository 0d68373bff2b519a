"""What is minimised in paper A: pure functions of what two dropout passes of one batch give.

The two passes are one forward pass of the doubled batch [x; x], whose halves draw their own dropout
(R-Drop, arXiv 2106.14448). The total is LR-Drop's (arXiv 2402.16361):

    L = L_CE + alpha L_HSR + beta L_MHAR + gamma L_OR

With alpha = beta = 0 it is R-Drop, with gamma = 0 too it is plain training on the doubled batch.

Shapes: B examples, so 2B rows; T tokens, C width, H heads, K classes (1 for a regression).
"""

from __future__ import annotations

import torch


def full_precision(x: torch.Tensor) -> torch.Tensor:
    """``x`` in float32, or as it is in float64: a difference of two passes is lost in half precision."""
    return x if x.dtype == torch.float64 else x.float()
