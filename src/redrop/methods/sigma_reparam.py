"""Sigma-reparametrisation (arXiv 2303.06296): every linear layer learns its spectral norm by itself.

    W' = gamma W / sigma,  sigma = u^T W v

u and v follow the largest singular vectors by one power iteration an update and are constants to the
gradient, which goes through W in sigma. They and gamma start at the singular value decomposition of W, so
that the model computes at first what it did. Not on a matrix that an embedding shares; LayerNorms stay; gamma
has no weight decay. In float32 always.
"""

from __future__ import annotations

from typing import Any

from redrop.methods import Regulariser
from redrop.registry import resolve


class Method(Regulariser):
    """Evaluation does not move u and v: ``begin`` does."""

    def install(self) -> None:
        """On the linear layers of the whole model."""
        add = resolve("redrop.models.reparametrised:add_sigma")
        self.layers: list[tuple[Any, Any]] = add(self.model)

    def begin(self) -> None:
        """One power iteration."""
        for sigma, weight in self.layers:
            sigma.iterate(weight)

    def leave(self) -> None:
        """Linear layers as any other."""
        resolve("redrop.models.reparametrised:merge")(self.model)
