"""LoRA (arXiv 2106.09685): the released weights are frozen, and a product of two thin matrices is learnt.

    W' = W + (alpha / r) B A,  A (r, inputs) drawn by Kaiming's uniform rule, B (outputs, r) at first 0

On every linear layer of the released part, or on those of query and value. The new head, with BERT's pooler,
is trained as it is; all else is frozen. Its rate is about ten times that of full fine-tuning.
"""

from __future__ import annotations

from redrop.methods import Regulariser
from redrop.registry import resolve
from redrop.settings import Option

NEEDS = ("released",)
OPTIONS = {
    "rank": Option(8, 1),
    "lora_alpha": Option(16.0, 0.0),
    "matrices": Option("all", choices=("all", "query-value")),
}


class Method(Regulariser):
    """``rank`` is r, ``lora_alpha`` alpha."""

    def install(self) -> None:
        """Freeze the released part, and add to it."""
        own = self.options
        options = (own["rank"], own["lora_alpha"], own["matrices"] == "query-value")
        resolve("redrop.models.reparametrised:add_lora")(self.site("released"), self.stream, *options)

    def leave(self) -> None:
        """Linear layers as any other."""
        resolve("redrop.models.reparametrised:merge")(self.model)
