"""A slice of the loss landscape around a solution (Li et al., 2018, filter-normalised random direction)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch


def random_direction(model: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """A Gaussian direction, each row (a filter) as long as the weights'; biases and norms rest (Li)."""
    generator = torch.Generator().manual_seed(seed)
    direction = {}
    for name, weights in model.named_parameters():
        if weights.dim() < 2:
            continue
        drawn = torch.randn(weights.shape, generator=generator).to(weights.device)
        rows, lengths = (t.flatten(1).norm(dim=1, keepdim=True) for t in (drawn, weights.detach()))
        scale = (lengths / rows.clamp(min=1e-12)).view(-1, *[1] * (weights.dim() - 1))
        direction[name] = drawn * scale
    return direction


@contextmanager
def moved(model: torch.nn.Module, direction: dict[str, torch.Tensor], by: float) -> Iterator[None]:
    """``model`` with its weights moved along ``direction``; they are put back exactly."""
    parameters = dict(model.named_parameters())
    kept = {name: parameters[name].detach().clone() for name in direction}
    with torch.no_grad():
        for name, step in direction.items():
            parameters[name].add_(step, alpha=by)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, values in kept.items():
                parameters[name].copy_(values)


def landscape_slice(
    model: torch.nn.Module, loss: Callable[[], float], points: int, seed: int, radius: float = 1.0
) -> list[tuple[float, float]]:
    """(distance, loss) at ``points`` evenly spaced places of one direction, the solution in the middle.

    It reaches ``radius`` times the direction to either side; a direction is as long as the weights.
    """
    direction = random_direction(model, seed)
    found = []
    for by in np.linspace(-radius, radius, points).tolist():
        with moved(model, direction, by):
            found.append((by, loss()))
    return found
