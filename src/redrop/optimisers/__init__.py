"""Optimisers, a file each.

A file has a function ``make(groups, spec, options)``: torch's optimiser of these parameter groups, which
carry their own ``weight_decay``; ``spec`` is the run's section, ``options`` what the file's ``OPTIONS``
(``redrop.settings``) are set to. torch is imported inside, so that specs can be checked without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redrop.registry import Registry, options_of

if TYPE_CHECKING:
    import torch

    from redrop.spec import OptimiserSpec

OPTIMISERS = Registry(__name__, "optimiser")
"""``optimiser.name`` -> module."""


def make_optimiser(model: torch.nn.Module, spec: OptimiserSpec) -> torch.optim.Optimizer:
    """The optimiser of a model, with weight decay on matrices only, or on everything."""
    parameters = list(model.parameters())
    decayed = [p for p in parameters if spec.decay == "all" or p.dim() >= 2]
    others = [p for p in parameters if spec.decay != "all" and p.dim() < 2]
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": spec.weight_decay}]
    if others:
        groups.append({"params": others, "weight_decay": 0.0})
    optimiser = OPTIMISERS[spec.name]
    return optimiser.make(groups, spec, options_of(optimiser, spec))
