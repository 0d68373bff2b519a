"""Linear layers whose weight is computed from what is trained, by ``torch.nn.utils.parametrize``.

Shapes: O outputs of a layer, I inputs, r rank.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from redrop.errors import ConfigError
from redrop.streams import NumpyStream

QUERY_VALUE = ("query", "value", "q_proj", "v_proj", "q_lin", "v_lin")
"""What models of ``transformers`` call the layers of query and value."""


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """The linear layers of a model by name, without those that share an embedding's matrix."""
    shared = {part.weight for part in model.modules() if isinstance(part, nn.Embedding)}
    linear = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
    return {name: part for name, part in linear.items() if part.weight not in shared}


def _in_full_precision(compute: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Whatever the model computes in: the weight itself is float32."""

    def forward(self: nn.Module, weight_OI: torch.Tensor) -> torch.Tensor:
        with torch.autocast(weight_OI.device.type, enabled=False):
            return compute(self, weight_OI)

    return forward


class Sigma(nn.Module):
    """gamma W / (u^T W v)."""

    def __init__(self, weight_OI: torch.Tensor) -> None:
        super().__init__()
        u, values, v = torch.linalg.svd(weight_OI.detach(), full_matrices=False)
        self.register_buffer("u_O", u[:, 0].contiguous())
        self.register_buffer("v_I", v[0].contiguous())
        self.gamma = nn.Parameter(values[0].clone())
        self.gamma.no_decay = True

    @_in_full_precision
    def forward(self, weight_OI: torch.Tensor) -> torch.Tensor:
        """The layer's weight."""
        return weight_OI * (self.gamma / (self.u_O @ weight_OI @ self.v_I))

    @torch.no_grad()
    def iterate(self, weight_OI: torch.Tensor) -> None:
        """One power iteration."""
        self.v_I.copy_(nn.functional.normalize(self.u_O @ weight_OI, dim=0))
        self.u_O.copy_(nn.functional.normalize(weight_OI @ self.v_I, dim=0))


class Lora(nn.Module):
    """W + (alpha / r) B A."""

    def __init__(self, weight_OI: torch.Tensor, rank: int, alpha: float, stream: NumpyStream) -> None:
        super().__init__()
        bound = 1.0 / math.sqrt(weight_OI.shape[1])  # Kaiming's rule as torch has it for a linear layer
        drawn = stream.generator.uniform(-bound, bound, (rank, weight_OI.shape[1]))
        self.a_RI = nn.Parameter(torch.tensor(drawn).to(weight_OI))
        self.b_OR = nn.Parameter(weight_OI.new_zeros(weight_OI.shape[0], rank))
        self.scale = alpha / rank

    @_in_full_precision
    def forward(self, weight_OI: torch.Tensor) -> torch.Tensor:
        """The layer's weight."""
        return torch.addmm(weight_OI, self.b_OR, self.a_RI, alpha=self.scale)


class Mixout(nn.Module):
    """(m w + (1 - m) w0 - p w0) / (1 - p) while training."""

    def __init__(self, weight_OI: torch.Tensor, rate: float, acting: Callable[[], bool]) -> None:
        super().__init__()
        self.rate, self.acting = rate, acting
        self.register_buffer("released_OI", weight_OI.detach().clone(), persistent=False)
        self.register_buffer("kept_I", weight_OI.new_ones(weight_OI.shape[1]), persistent=False)

    def forward(self, weight_OI: torch.Tensor) -> torch.Tensor:
        """The layer's weight."""
        if not self.acting():
            return weight_OI
        # The equation, as w0 + (w - w0) m / (1 - p): exactly w0 where w is.
        return self.released_OI + (weight_OI - self.released_OI) * (self.kept_I / (1.0 - self.rate))

    def draw(self, stream: NumpyStream) -> None:
        """Another m."""
        kept = stream.generator.random(len(self.kept_I)) >= self.rate
        self.kept_I.copy_(torch.from_numpy(kept))


def add_sigma(model: nn.Module) -> list[tuple[Sigma, torch.Tensor]]:
    """Sigma on all linear layers; each with the weight that is trained."""
    layers = linear_layers(model).values()
    made = [_register(layer, Sigma(layer.weight)) for layer in layers]
    return [(each, layer.parametrizations.weight.original) for each, layer in zip(made, layers, strict=True)]


def add_lora(
    parts: Iterable[nn.Module], stream: NumpyStream, rank: int, alpha: float, query_value: bool
) -> None:
    """Freeze the parts, and add what is trained in their place."""
    layers = _layers_of(parts)
    for part in parts:
        part.requires_grad_(False)
    chosen = {name: layer for name, layer in layers.items() if not query_value or name.endswith(QUERY_VALUE)}
    if not chosen:
        raise ConfigError(
            "objective.matrices: 'query-value', but no layer of this model is called one of "
            f"{', '.join(QUERY_VALUE)}; give all"
        )
    for layer in chosen.values():
        _register(layer, Lora(layer.weight, rank, alpha, stream))


def add_mixout(parts: Iterable[nn.Module], rate: float, acting: Callable[[], bool]) -> list[Mixout]:
    """Mixout on all linear layers of the parts."""
    return [_register(layer, Mixout(layer.weight, rate, acting)) for layer in _layers_of(parts).values()]


def merge(model: nn.Module) -> None:
    """Every layer has the weight that it computes with as its own."""
    for layer in list(model.modules()):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _layers_of(parts: Iterable[nn.Module]) -> dict[str, nn.Linear]:
    found = (linear_layers(part).items() for part in parts)
    return {f"{number}.{name}": layer for number, of_part in enumerate(found) for name, layer in of_part}


def _register(layer: nn.Module, made: Any) -> Any:
    parametrize.register_parametrization(layer, "weight", made)
    return made
