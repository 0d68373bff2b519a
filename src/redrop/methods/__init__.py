"""The methods that an objective is built for, a file each: how a batch is passed through, what is added.

A file may have

    WEIGHTS      the terms of paper A's objective that it has, by their weights: alpha, beta, gamma
    divergence   a function from the logits of two passes, (2N, K), to a divergence of each, (N,), for the
                 term of weight gamma; without it the symmetric Kullback-Leibler divergence
    PASSES       forward passes of a batch; without it two where there are WEIGHTS, else one
    term         a function ``term(seen, options)`` to one more term, a scalar, already weighted
    OPTIONS      what it can be set to besides (``redrop.settings``)

Logits are float32 rows of real examples or tokens. torch is imported inside the functions, so that specs
can be checked without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from redrop.checks import check_range
from redrop.errors import ConfigError
from redrop.registry import Registry, resolve

if TYPE_CHECKING:
    import torch

METHODS = Registry(__name__, "method")
"""``objective.name`` -> module."""
WEIGHTS = ("alpha", "beta", "gamma")
"""Of the hidden states', the attention's and the outputs' consistency."""


def weights_of(name: str) -> tuple[str, ...]:
    """The weighted terms that the method called ``name`` has."""
    return getattr(METHODS[name], "WEIGHTS", ())


def check_weights(section: Any, known: tuple[str, ...]) -> None:
    """Refuse a weight below 0, and one of a term that the section's method does not have."""
    for key in known:
        weight = getattr(section, key)
        check_range(f"objective.{key}", weight, 0.0)
        if weight and key not in weights_of(section.name):
            raise ConfigError(f"objective.{key}: {weight!r}, but {section.name} has no such term; give 0")


def passes_of(name: str) -> int:
    """How often an update sends its batch through the model."""
    return getattr(METHODS[name], "PASSES", 2 if weights_of(name) else 1)


def divergence_of(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function by which the method called ``name`` compares the outputs of two passes."""
    own = getattr(METHODS[name], "divergence", None)
    return own or resolve("redrop.objectives.consistency:symmetric_kl")
