"""DropHead (arXiv 2004.13342): whole attention heads are left out, for every example and layer.

Each head's output, before the projection, is multiplied by a mask and by H / (heads that are kept), which
keeps the expectation given that one is left; where none is, the mask is drawn again. With ``time`` ``v`` the
rate falls to 0 over the first tenth of the updates and rises to ``rate`` over the others (from memory of the
paper, unchecked).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redrop.dropout_schedules import DROPOUT_SCHEDULES
from redrop.methods import Regulariser
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

NEEDS = ("heads",)
OPTIONS = {"rate": Option(0.2, 0.0, 0.9), "time": Option("constant", choices=("constant", "v"))}


class Method(Regulariser):
    """``rate`` is p."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """Nothing is dropped."""
        return options["rate"] == 0.0

    def install(self) -> None:
        """Before every output projection."""
        for projection, heads in self.site("heads"):
            self.change_input(projection, lambda context, heads=heads: self.masked(context, heads))

    def rate(self) -> float:
        """At this update."""
        schedule = DROPOUT_SCHEDULES[self.options["time"]]
        return self.options["rate"] * schedule.scale(self.update, self.updates, {"dropout_turn": 0.1})

    def masked(self, context_BTC: torch.Tensor, heads: int) -> torch.Tensor:
        """Of every example, (B, T, C), some heads."""
        import torch

        B, T, C = context_BTC.shape
        rate = self.rate()
        kept = self.stream.generator.random((B, heads)) >= rate
        while not (some := kept.any(1)).all():
            kept[~some] = self.stream.generator.random(((~some).sum(), heads)) >= rate
        mask = torch.from_numpy(kept * (heads / kept.sum(1, keepdims=True))).to(context_BTC)
        return (context_BTC.view(B, T, heads, -1) * mask[:, None, :, None]).view(B, T, C)
