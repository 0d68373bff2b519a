"""Multi-sample dropout (arXiv 1905.09788): several masks on the last features, one head, mean loss.

    L = (1 / M) sum_m CE(W (mask_m * h) + b)

The masks are inverted ones; evaluation has none. With M = 1 it is ordinary dropout before the head, and the
expected gradient is that of it. (Code that averages the logits, or gives each mask a head, does otherwise.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redrop.methods import Regulariser
from redrop.registry import resolve
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

NEEDS = ("head",)
OPTIONS = {"rate": Option(0.5, 0.0, 0.999), "masks": Option(8, 1, 1000)}


class Method(Regulariser):
    """``masks`` is M."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """Equal losses have the same mean."""
        return options["rate"] == 0.0

    def install(self) -> None:
        """Before the head, which gives M rows of logits for one."""
        self.copies = self.options["masks"]
        self.stream = resolve("redrop.streams:MaskStream")(self.spec.seed, self.device, "multi-sample")
        self.change_input(self.site("head"), self.masked)

    def masked(self, features: torch.Tensor) -> torch.Tensor:
        """(M B, ...) of (B, ...)."""
        import torch

        keep = 1.0 - self.options["rate"]
        shape = (self.copies * len(features), *features.shape[1:])
        return torch.cat([features] * self.copies) * self.stream.mask(shape, 1.0 - keep, 1.0 / keep)
