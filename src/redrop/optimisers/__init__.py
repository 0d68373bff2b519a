"""Optimisers, a file each.

A file has a function ``make(groups, spec, options)``: torch's optimiser of these parameter groups, which
carry their own ``weight_decay``; ``spec`` is the run's section, ``options`` what the file's ``OPTIONS``
(``redrop.settings``) are set to. torch is imported inside, so that specs can be checked without it. What
gradients are scaled down to before is ``optimiser.clip_norm``'s alone. A file may also have

    groups     a function ``groups(model, spec, options)`` to the parameter groups, where the usual two
               (``decay_groups``) will not do
    MOMENTS    names of a tensor's state, where every number is updated by itself: then a pack of runs can
               be updated at once. ``make`` takes ``lr`` and ``capturable`` there, as torch means them
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from redrop.registry import Registry, options_of

if TYPE_CHECKING:
    import torch

    from redrop.spec import OptimiserSpec

OPTIMISERS = Registry(__name__, "optimiser")
"""``optimiser.name`` -> module."""


def decay_groups(parameters: Iterable[torch.Tensor], spec: OptimiserSpec) -> list[dict[str, Any]]:
    """Parameters with weight decay, and those without: it is on matrices only, or on everything.

    A parameter that a method added and marked with ``no_decay`` has none in any case.
    """
    decayed, others = [], []
    for p in parameters:
        decays = (spec.decay == "all" or p.dim() >= 2) and not getattr(p, "no_decay", False)
        (decayed if decays else others).append(p)
    groups: list[dict[str, Any]] = [{"params": decayed, "weight_decay": spec.weight_decay}]
    if others:
        groups.append({"params": others, "weight_decay": 0.0})
    return groups


def make_optimiser(model: torch.nn.Module, spec: OptimiserSpec) -> torch.optim.Optimizer:
    """The optimiser of a model."""
    optimiser = OPTIMISERS[spec.name]
    options = options_of(optimiser, spec)
    if hasattr(optimiser, "groups"):
        groups = optimiser.groups(model, spec, options)
    else:
        groups = decay_groups(model.parameters(), spec)
    return optimiser.make(groups, spec, options)
