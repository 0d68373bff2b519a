"""NovoGrad (arXiv 1905.11286): a second moment for each tensor, not for each number.

    v <- beta2 v + (1 - beta2) ||g||^2   (at first ||g||^2)
    m <- beta1 m + g / (sqrt(v) + eps) + lambda w;  w <- w - lr m

It divides by the gradient's norm itself, so ``optimiser.clip_norm`` is null in its rows; a tensor's first
step has norm lr. The decay goes through m: with beta1 = 0.95 it is 20 lr lambda an update. The authors' betas
are 0.95, 0.98.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from redrop.spec import OptimiserSpec


def make(
    groups: list[dict[str, Any]], spec: OptimiserSpec, options: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """Nothing of the moments is averaged."""
    from redrop.optimisers._torch import RuleOptimiser

    return RuleOptimiser(groups, update, beta1=spec.beta1, beta2=spec.beta2, eps=spec.eps)


def update(w: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
    """The equations."""
    square = g.pow(2).sum()
    if not state:
        state |= {"square": square.clone(), "exp_avg": g.new_zeros(g.shape)}
    state["square"].lerp_(square, 1.0 - group["beta2"])
    m = state["exp_avg"].mul_(group["beta1"]).add_(g / (state["square"].sqrt() + group["eps"]))
    m.add_(w, alpha=group["weight_decay"])
    w.sub_(m, alpha=group["lr"])
