"""The methods that paper A's objective is built for: which of its terms each has, how it compares outputs.

Read by the Snakefile in every job: standard library only. A divergence is imported when it is used.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

WEIGHTS = ("alpha", "beta", "gamma")
"""Of the hidden states', the attention's and the outputs' consistency."""


@dataclass(frozen=True)
class Method:
    """What distinguishes a method."""

    weights: tuple[str, ...]
    """The terms that it has, by their weights; without any, the batch is passed through once."""
    divergence: str = "redrop.objectives.rdrop:symmetric_kl"
    """``module:function`` from the logits of two passes, (2B, ..., K), to a divergence of each, (B, ...)."""


METHODS = {
    "ce": Method(()),
    "rdrop": Method(("gamma",)),
    "lrdrop": Method(WEIGHTS),
}
"""``objective.name`` -> method."""


def divergence_of(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function by which the method called ``name`` compares the outputs of two passes."""
    module, _, function = METHODS[name].divergence.partition(":")
    return getattr(importlib.import_module(module), function)
