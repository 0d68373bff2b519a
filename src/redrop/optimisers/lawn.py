"""LAWN (arXiv 2108.05839): the norm of the weights is free at first, then held. Its definition is uncertain.

    for E updates   Adam without weight decay
    then            g' = g - w (w.g) / ||w||^2;  Adam's step from g';  w scaled back to the norm it had at E

Read in the abstract only; the rest is from memory. The paper holds the layers of a homogeneous sub-network,
which is unclear where there are LayerNorms: here every matrix is held, also embeddings, and nothing else.
There is no decay, whatever ``optimiser.weight_decay`` says. E = T is Adam without decay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redrop.settings import Option

if TYPE_CHECKING:
    import torch

    from redrop.spec import OptimiserSpec

OPTIONS = {"free_updates": Option(500, 0)}  # E


def make(
    groups: list[dict[str, Any]], spec: OptimiserSpec, options: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """Moments go on over E as they are."""
    from redrop.optimisers._torch import RuleOptimiser

    settings = {"beta1": spec.beta1, "beta2": spec.beta2, "eps": spec.eps, "free": options["free_updates"]}
    return RuleOptimiser(groups, update, **settings)


def update(w: torch.Tensor, g: torch.Tensor, state: dict[str, Any], group: Mapping[str, Any]) -> None:
    """The equations."""
    if not state:
        state |= {"step": 0, "exp_avg": g.new_zeros(g.shape), "exp_avg_sq": g.new_zeros(g.shape)}
    held = w.dim() >= 2 and state["step"] >= group["free"]
    if held:
        if "norm" not in state:
            state["norm"] = w.norm()
        g = g - w * ((w * g).sum() / w.pow(2).sum().clamp(min=1e-30))
    state["step"] += 1
    m = state["exp_avg"].lerp_(g, 1.0 - group["beta1"])
    v = state["exp_avg_sq"].mul_(group["beta2"]).addcmul_(g, g, value=1.0 - group["beta2"])
    m_scale, v_scale = (1.0 - group[beta] ** state["step"] for beta in ("beta1", "beta2"))
    w.addcdiv_(m, (v / v_scale).sqrt_().add_(group["eps"]), value=-group["lr"] / m_scale)
    if held:
        w.mul_(state["norm"] / w.norm().clamp(min=1e-30))
