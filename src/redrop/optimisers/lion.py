"""Lion (Symbolic Discovery of Optimization Algorithms, arXiv 2302.06675).

    w <- (1 - lr lambda) w - lr sign(beta1 m + (1 - beta1) g);  m <- beta2 m + (1 - beta2) g

Every number moves by exactly lr besides its decay. The authors take a rate 3 to 10 times lower than AdamW's,
lambda as much higher, and betas 0.95, 0.98 for language. Once within 1 / lambda, every weight stays there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from redrop.spec import OptimiserSpec

MOMENTS = ("exp_avg",)


def make(
    groups: list[dict[str, Any]],
    spec: OptimiserSpec,
    options: Mapping[str, Any],
    lr: Any = 0.0,
    capturable: bool = True,
) -> torch.optim.Optimizer:
    """``capturable``: a CUDA graph can have it in any case."""
    from redrop.optimisers._torch import RuleOptimiser

    return RuleOptimiser(groups, update, lr, beta1=spec.beta1, beta2=spec.beta2)


def update(w: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
    """The equation; the rate may be a tensor."""
    if "exp_avg" not in state:
        state["exp_avg"] = g.new_zeros(g.shape)
    m = state["exp_avg"]
    step = m.lerp(g, 1.0 - group["beta1"]).sign_().mul_(group["lr"])
    w.mul_(1.0 - group["lr"] * group["weight_decay"]).sub_(step)
    m.lerp_(g, 1.0 - group["beta2"])
