"""LayerSkip (arXiv 2404.16710): later blocks are skipped more often, and early exits are trained.

    block l of an example is left out with probability  p D(l) S(t),
        D(l) = 2^(l / (L - 1)) - 1,   S(t) = 2^(t / T) - 1,  or 1 where ``time`` is ``constant``
    L = (CE(last) + e CE(head(ln_f(h_l)))) / (1 + e)

No scale; the exit l of an update goes round over all blocks but the last one, which is the rotational
curriculum. The exits share the last LayerNorm and the output layer. The curve over time is from a second
source, the published p and e from scratch were not checked. ``evaluation.fewer_blocks`` measures the loss of
every exit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redrop.methods import Regulariser
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

NEEDS = ("blocks", "exit")
OPTIONS = {
    "rate": Option(0.2, 0.0, 1.0),
    "exit_weight": Option(0.2, 0.0),
    "time": Option("rising", choices=("rising", "constant")),
}


class Method(Regulariser):
    """``rate`` is p, ``exit_weight`` is e."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """Nothing is skipped and no exit trained."""
        return options["rate"] == 0.0 and options["exit_weight"] == 0.0

    def install(self) -> None:
        """On every block."""
        blocks = self.site("blocks")
        self.last, self.exit = len(blocks) - 1, self.site("exit")
        self.early: torch.Tensor | None = None
        for number, block in enumerate(blocks):
            self.change_output(block, lambda taken, given, number=number: self.after(number, taken, given))

    def rate(self, number: int) -> float:
        """Of a block, at this update."""
        depth = 2.0 ** (number / max(1, self.last)) - 1.0
        time = 2.0 ** (self.update / self.updates) - 1.0 if self.options["time"] == "rising" else 1.0
        return self.options["rate"] * depth * time

    def after(self, number: int, taken: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """The stream after a block, of some examples that before it; at the exit's block it is looked at."""
        import torch

        if rate := self.rate(number):
            kept = torch.from_numpy(self.stream.generator.random(len(given)) >= rate).to(given.device)
            given = torch.where(kept.view(-1, 1, 1), given, taken)
        if self.options["exit_weight"] and self.last and number == self.update % self.last:
            self.early = self.exit(given)
        return given

    def task_loss(self, batch: Any, rows: list[torch.Tensor]) -> torch.Tensor | None:
        """The weighted mean of both exits' losses."""
        early, self.early = self.early, None
        if early is None:
            return None
        weight, objective = self.options["exit_weight"], self.spec.objective
        both = batch.loss(rows[0], objective) + weight * batch.loss(batch.rows(early), objective)
        return both / (1.0 + weight)
