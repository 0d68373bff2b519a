"""Child-Tuning-F (arXiv 2109.05687): every update reaches a random part of the gradient's numbers only.

    g' = g m / r,  m ~ Bernoulli(r) for every number of every parameter

After clipping and before the optimiser's moments; weight decay is untouched, and so is what a gradient is on
average. r = 1 is plain training. The curve's norms of gradients are those of g'.
"""

from __future__ import annotations

from typing import Any

from redrop.methods import Regulariser
from redrop.registry import resolve
from redrop.settings import Option

OPTIONS = {"keep": Option(0.3, 1e-3, 1.0)}


class Method(Regulariser):
    """``keep`` is r; the authors' values are 0.2 to 0.4."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """All is kept."""
        return options["keep"] == 1.0

    def install(self) -> None:
        """Masks are drawn as dropout's are, where the model lies."""
        device = next(self.model.parameters()).device
        self.stream = resolve("redrop.streams:MaskStream")(self.spec.seed, device, "child")

    def gradients(self) -> None:
        """In the order of the parameters."""
        keep = self.options["keep"]
        for parameter in self.model.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(self.stream.mask(parameter.grad.shape, 1.0 - keep, 1.0 / keep))
