"""FAdam (arXiv 2405.12807): Adam as natural gradient descent by an empirical, diagonal Fisher matrix F.

    b = beta2 (1 - beta2^t) / (1 - beta2^(t+1));  F <- b F + (1 - b) g^2       t updates were made before
    n = g / D, divided by max(1, rms n);  D = sqrt(F) + eps max(1, rms g)
    m <- beta1 m + (1 - beta1) n, without correction of its bias
    d = w / D, divided by max(1, rms d);  w <- w - lr (m + lambda d)

After somebody else's code, not the authors'. It clips by itself, so ``optimiser.clip_norm`` is null in its
rows. As rms d is at most 1, its decay is 1 / rms(w) times that of AdamW at the same lambda, 20 to 50 times.
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
    """The norms are those of a tensor."""
    from redrop.optimisers._torch import RuleOptimiser

    return RuleOptimiser(groups, update, beta1=spec.beta1, beta2=spec.beta2, eps=spec.eps)


def update(w: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
    """The equations."""
    from redrop.optimisers._torch import root_mean_square

    if not state:
        state |= {"step": 0, "fisher": g.new_zeros(g.shape), "exp_avg": g.new_zeros(g.shape)}
    beta2, t = group["beta2"], state["step"]
    b = beta2 * (1.0 - beta2**t) / (1.0 - beta2 ** (t + 1))
    state["step"] += 1
    fisher = state["fisher"].mul_(b).addcmul_(g, g, value=1.0 - b)
    below = fisher.sqrt() + group["eps"] * root_mean_square(g).clamp(min=1.0)
    natural, decay = g / below, w / below
    for part in (natural, decay):
        part.div_(root_mean_square(part).clamp(min=1.0))
    m = state["exp_avg"].lerp_(natural, 1.0 - group["beta1"])
    w.sub_(m.add(decay, alpha=group["weight_decay"]), alpha=group["lr"])
