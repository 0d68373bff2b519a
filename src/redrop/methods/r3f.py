"""R3F (arXiv 2008.03156): outputs stay as they are when the tokens' embeddings get a little noise.

    L = CE(x) + lambda (KL(p || p') + KL(p' || p)),   p' from embeddings (without gradient) + U(-eps, eps)

gamma, the weight of half that sum, is 2 lambda. Dropout stays on in both passes, as in the authors' code, so
with it the method is nearly R-Drop with the cross entropy of one pass; without, the term is of order eps^2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redrop.methods import Regulariser
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

WEIGHTS = ("gamma",)
NEEDS = ("embeddings",)
OPTIONS = {"eps": Option(1e-5, 0.0)}


class Method(Regulariser):
    """The second pass is the noisy one."""

    def install(self) -> None:
        """On the tokens' embedding."""
        self.change_output(self.site("embeddings"), lambda _, given: self.noisy(given))

    def noisy(self, embedded_2BTC: torch.Tensor) -> torch.Tensor:
        """The first half as it is."""
        import torch

        first, second = embedded_2BTC.chunk(2)
        noise = self.stream.generator.uniform(-self.options["eps"], self.options["eps"], second.shape)
        return torch.cat([first, second.detach() + torch.from_numpy(noise).to(second)])

    def task_loss(self, batch: Any, rows: list[torch.Tensor]) -> torch.Tensor | None:
        """Of the first pass alone."""
        return batch.loss(rows[0], self.spec.objective)
