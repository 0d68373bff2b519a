"""Stochastic depth, an example and a sub-layer at a time (DropPath; after arXiv 1603.09382).

    h + b f(h) / q_l      b ~ Bernoulli(q_l),  q_l = 1 - p l / (L - 1),  blocks l = 0 ... L - 1

Both sub-layers of a block share the rate, not the draw; the first block never drops. Evaluation is the
identity, as in the repository of arXiv 2303.01500 (the first paper has no 1 / q and scales in evaluation).
A draw of b = 0 leaves a gradient of zeros, so weight decay goes on.
"""

from __future__ import annotations

from typing import Any

from redrop.methods import Regulariser
from redrop.settings import Option

NEEDS = ("branches",)
OPTIONS = {"rate": Option(0.1, 0.0, 0.999)}


class Method(Regulariser):
    """``rate`` is p, the last block's."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """Nothing is dropped."""
        return options["rate"] == 0.0

    def install(self) -> None:
        """Every branch, but the first block's."""
        blocks = self.site("branches")
        for number, branches in enumerate(blocks[1:], 1):
            keep = 1.0 - self.options["rate"] * number / (len(blocks) - 1)
            for branch in branches:
                self.change_output(branch, lambda _, output, keep=keep: output * self.mask(output, keep))

    def mask(self, output: Any, keep: float) -> Any:
        """b / q of each example, (B, 1, ...)."""
        import torch

        kept = self.stream.generator.random(len(output)) < keep
        values = torch.tensor(kept, dtype=output.dtype, device=output.device) / keep
        return values.view(-1, *[1] * (output.dim() - 1))
