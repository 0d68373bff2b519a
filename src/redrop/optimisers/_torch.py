"""What optimisers of ours are made of; the only file here that imports torch as it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Rule = Callable[[torch.Tensor, torch.Tensor, dict[str, Any], Mapping[str, Any]], None]
"""``rule(weights, gradient, state, group)`` changes a tensor in place; its ``state`` is at first empty."""


def root_mean_square(x: torch.Tensor) -> torch.Tensor:
    """Of all numbers of a tensor, a scalar."""
    return torch.linalg.vector_norm(x) / x.numel() ** 0.5


class RuleOptimiser(torch.optim.Optimizer):
    """Goes over the tensors that have a gradient, one after the other."""

    def __init__(self, groups: list[dict[str, Any]], rule: Rule, lr: Any = 0.0, **settings: Any) -> None:
        super().__init__(groups, {"lr": lr, **settings})
        self.rule = rule

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update."""
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    self.rule(weights, weights.grad, self.state[weights], group)


class Joined(torch.optim.Optimizer):
    """Several optimisers at one learning rate as one, which has all their parameters."""

    def __init__(
        self,
        groups: list[dict[str, Any]],
        optimisers: Sequence[torch.optim.Optimizer],
        parts: Mapping[torch.Tensor, Sequence[torch.Tensor]],
    ) -> None:
        """``parts``: parameters that are updated in parts -> views of their rows, equally many each."""
        super().__init__(groups, {"lr": 0.0})
        self.optimisers, self.parts = list(optimisers), dict(parts)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """One update of each."""
        for whole, views in self.parts.items():
            gradients = [None] * len(views) if whole.grad is None else whole.grad.chunk(len(views))
            for view, gradient in zip(views, gradients, strict=True):
                view.grad = gradient
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.param_groups[0]["lr"]
            optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        """Of each."""
        return {"optimisers": [optimiser.state_dict() for optimiser in self.optimisers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse."""
        for optimiser, state in zip(self.optimisers, state_dict["optimisers"], strict=True):
            optimiser.load_state_dict(state)
