"""LayerDrop (arXiv 1909.11556): whole blocks are left out, each with probability ``rate``.

One uniform number a block and update, for the whole batch; no scale, in training or in evaluation; all may
drop. A block that is left out is multiplied by 0, so that its weights have a gradient of zeros and decay.
``evaluation.fewer_blocks`` measures what it is for: pruning after training.
"""

from __future__ import annotations

from typing import Any

from redrop.methods import Regulariser
from redrop.settings import Option

NEEDS = ("blocks",)
OPTIONS = {"rate": Option(0.2, 0.0, 1.0)}


class Method(Regulariser):
    """``rate`` is p."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """Nothing is dropped."""
        return options["rate"] == 0.0

    def install(self) -> None:
        """On every block."""
        blocks = self.site("blocks")
        self.kept = [True] * len(blocks)
        for number, block in enumerate(blocks):
            self.change_output(block, lambda taken, given, number=number: self.left(number, taken, given))

    def begin(self) -> None:
        """Which blocks stay."""
        drawn = self.stream.generator.random(len(self.kept))
        self.kept = [bool(number >= self.options["rate"]) for number in drawn]

    def left(self, number: int, taken: Any, given: Any) -> Any:
        """What the block gives, or what it takes."""
        return given if self.kept[number] else taken + 0.0 * given
