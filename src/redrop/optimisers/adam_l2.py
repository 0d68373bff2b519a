"""Adam with L2 regularisation (as in Decoupled Weight Decay Regularization, arXiv 1711.05101, Algorithm 2).

    g' = g + lambda w,  then Adam's moments and step from g'

AdamW takes lambda w off the weights instead: its lambda is another unit. At lambda = 0 both are Adam.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from redrop.spec import OptimiserSpec

MOMENTS = ("exp_avg", "exp_avg_sq")


def make(
    groups: list[dict[str, Any]], spec: OptimiserSpec, options: Mapping[str, Any], **more: Any
) -> torch.optim.Optimizer:
    """torch's, fused; ``more``: for a pack, what torch calls it."""
    import torch

    return torch.optim.Adam(groups, betas=(spec.beta1, spec.beta2), eps=spec.eps, fused=True, **more)
