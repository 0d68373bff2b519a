"""Progressive data dropout (arXiv 2505.22342): the loss of what is told well already is left out.

    L = mean of CE over the symbols, tokens or examples with p(target) < tau    rule ``dbpd``
    L = mean of CE over as many at random                                       rule ``smrd``, its control

p is that of the same forward pass, so there is no second one. In the last ``revision`` share of the updates
everything counts. The authors choose whole images by a forward pass of its own, an epoch at a time, with tau
0.3 and one epoch of revision in 30. Where nothing is kept the loss is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redrop.errors import ConfigError
from redrop.methods import Regulariser
from redrop.registry import resolve
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

OPTIONS = {
    "tau": Option(0.3, 0.0),
    "rule": Option("dbpd", choices=("dbpd", "smrd")),
    "revision": Option(0.04, 0.0, 1.0),
}


class Method(Regulariser):
    """Counts what is trained on, too."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """Every probability is below tau."""
        return options["tau"] > 1.0

    def install(self) -> None:
        """Nothing in the model."""
        import torch

        self.counts = torch.zeros(2, dtype=torch.float64, device=self.device)
        """Of what was kept and of everything, so far."""

    def task_loss(self, batch: Any, rows: list[torch.Tensor]) -> torch.Tensor | None:
        """The mean over what is kept."""
        import torch

        if batch.targets.is_floating_point():
            raise ConfigError("objective.name: data-dropout needs classes, not scores; give another task")
        probability = rows[0].detach().softmax(-1).gather(1, batch.targets[:, None]).squeeze(1)
        kept = probability < self.options["tau"]
        if self.update >= (1.0 - self.options["revision"]) * self.updates:
            self.counts += len(kept)
            return None
        count = kept.sum()
        if self.options["rule"] == "smrd":
            order = torch.from_numpy(self.stream.generator.permutation(len(kept)))
            kept = order.to(self.device) < count
        self.counts += torch.stack([count, torch.full_like(count, len(kept))])
        losses = batch.losses(rows[0], self.spec.objective)
        return torch.where(kept, losses, 0.0).sum() / count.clamp(min=1)

    def share(self) -> float:
        """Of all that was passed through the model, what counted."""
        kept, everything = self.counts.tolist()
        return kept / everything if everything else 1.0

    def curve(self) -> dict[str, float]:
        """Up to here."""
        return {"share_kept": self.share()}

    def finish(self) -> dict[str, Any]:
        """In the whole run."""
        metric = resolve("redrop.record:Metric")
        how = "share of the symbols or examples passed through the model whose loss counted"
        return {
            "share_kept": metric(
                value=self.share(), n=self.updates, split="train", higher_is_better=None, signature=how
            )
        }

    def state(self) -> dict[str, Any]:
        """With the counts."""
        return {**super().state(), "counts": self.counts}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        super().restore(state)
        self.counts.copy_(state["counts"])
