"""Mixout (arXiv 1909.11299): dropout that puts released weights in the place of what it drops.

    w' = (m w + (1 - m) w0 - p w0) / (1 - p),  m ~ Bernoulli(1 - p)

w0: the released weights, of every linear layer; m is one for an input of the layer, shared by its outputs,
drawn anew for every update. Biases and the new head, with BERT's pooler, are left out (the head is our
choice). In evaluation w' = w; on average it is w in training, too. The gradient is that of the equation,
m / (1 - p), where the authors' code has m. Their example sets all dropout to 0.
"""

from __future__ import annotations

from typing import Any

from redrop.methods import Regulariser
from redrop.registry import resolve
from redrop.settings import Option

NEEDS = ("released",)
OPTIONS = {"rate": Option(0.7, 0.0, 0.999)}


class Method(Regulariser):
    """``rate`` is p."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """Nothing is mixed."""
        return options["rate"] == 0.0

    def install(self) -> None:
        """Keep a copy of the released weights."""
        add = resolve("redrop.models.reparametrised:add_mixout")
        self.layers: list[Any] = add(self.site("released"), self.options["rate"], lambda: self._acting)

    def begin(self) -> None:
        """Which inputs have the trained weights."""
        for layer in self.layers:
            layer.draw(self.stream)

    def leave(self) -> None:
        """Linear layers as any other."""
        resolve("redrop.models.reparametrised:merge")(self.model)
