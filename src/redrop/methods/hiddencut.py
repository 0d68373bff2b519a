"""HiddenCut (ACL 2021, Chen et al.): a second pass in which every layer misses a span of its hidden states.

    L = CE(x) + CE(cut x) + gamma JS(p, p_cut)           ``passes: sum``

In the second pass max(1, floor(ratio n)) neighbouring positions of each MLP's output, of a text of n tokens,
are 0, in the place of its dropout. The span starts at a token drawn from the floor(0.4 n) that get the most
attention in that layer (summed over queries, mean of the heads), and ends with the text. JS is the usual
Jensen-Shannon divergence; the authors' code has the arguments of its two halves the other way round.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from redrop.methods import Regulariser
from redrop.methods.jsdrop import divergence  # noqa: F401 - this method's, too
from redrop.registry import resolve
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

WEIGHTS = ("gamma",)
NEEDS = ("mlp_dropouts",)
LISTENS = True
OPTIONS = {"ratio": Option(0.1, 0.0, 1.0)}
CANDIDATES = 0.4


class Method(Regulariser):
    """Hears each layer's attention just before its MLP."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """A second pass as any other."""
        return options["ratio"] == 0.0

    def install(self) -> None:
        """On the dropout of every MLP's output."""
        self.attention: torch.Tensor | None = None
        for dropout in self.site("mlp_dropouts"):
            self.change_output(dropout, self.cut)

    @contextlib.contextmanager
    def acting(self, batch: Any) -> Iterator[None]:
        """Listens, too."""
        with super().acting(batch), resolve("redrop.models.listening:listening")(self.hear):
            yield

    def hear(self, attention: Any) -> None:
        """How much of it each token of the second pass gets, (B, T), 0 for padding."""
        real_BT = self.batch.inputs["attention_mask"].to(attention.probabilities)
        second_BHTS = attention.probabilities.detach().chunk(2)[1]
        self.attention = (second_BHTS.mean(1) * real_BT[:, :, None]).sum(1)

    def cut(self, given_2BTC: torch.Tensor, dropped_2BTC: torch.Tensor) -> torch.Tensor:
        """The first pass with its dropout, the second with its span."""
        import torch

        gone_BT = self.spans(self.attention, self.batch.inputs["attention_mask"].sum(1))
        second = given_2BTC.chunk(2)[1].masked_fill(gone_BT[:, :, None], 0.0)
        return torch.cat([dropped_2BTC.chunk(2)[0], second])

    def spans(self, attention_BT: torch.Tensor, length_B: torch.Tensor) -> torch.Tensor:
        """Which positions are cut, bool, of texts that begin at position 0."""
        import torch

        B, T = attention_BT.shape
        place_T = torch.arange(T, device=attention_BT.device)
        real_BT = place_T < length_B[:, None]
        ranked = attention_BT.masked_fill(~real_BT, -1.0).argsort(dim=1, descending=True, stable=True)
        candidates = (CANDIDATES * length_B).floor().clamp(min=1)
        drawn = torch.from_numpy(self.stream.generator.random(B)).to(attention_BT.device)
        start = ranked.gather(1, (drawn * candidates).long()[:, None])
        span = (self.options["ratio"] * length_B).floor().clamp(min=1)[:, None]
        return (place_T >= start) & (place_T < start + span) & real_BT
