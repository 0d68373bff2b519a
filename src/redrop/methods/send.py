"""Sensitive-neuron dropout (SeND, arXiv 2410.15460): channels that go on changing are left out for a while.

Definition disputed: the paper and the authors' code disagree; this is the paper's, after a second source.

    e = (mean over tokens + last token) / 2 of the stream after the last block but one, for each tracking text
    V_i = mean over texts of  Var_t(e_i) sum_t |e_i(t) - e_i(t - 1)|       over the last three looks t

From the third look on, the ``share`` of the channels with the highest V are multiplied by 0 there in
training, until the next look; no scale. There are fifteen looks, at a tenth of the training set, without
dropout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redrop.errors import ConfigError
from redrop.methods import Regulariser
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

NEEDS = ("blocks",)
READS = ("windows",)
OPTIONS = {"share": Option(0.2, 0.0, 1.0), "looks": Option(15, 1)}
SAMPLE, KEPT_LOOKS = 0.1, 3


def sensitivity(looks_tNC: torch.Tensor) -> torch.Tensor:
    """V of every channel, (C,), from looks at N texts."""
    moves = looks_tNC.diff(dim=0).abs().sum(0)
    return (looks_tNC.var(0, unbiased=False) * moves).mean(0)


class Method(Regulariser):
    """``share`` is K."""

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """No channel is left out."""
        return options["share"] == 0.0

    def install(self) -> None:
        """After the last block but one."""
        blocks = self.site("blocks")
        if len(blocks) < 2:
            raise ConfigError(
                "model.n_layer: send acts after the last block but one; give two blocks or more"
            )
        self.block = blocks[-2]
        self.looks: list[torch.Tensor] = []
        self.mask: torch.Tensor | None = None
        self.change_output(self.block, lambda _, given: given if self.mask is None else given * self.mask)

    def begin(self) -> None:
        """Look, if it is time."""
        import torch

        if self.update == 0 or self.update % max(1, self.updates // self.options["looks"]):
            return
        self.looks = [*self.looks, self.look()][-KEPT_LOOKS:]
        if len(self.looks) == KEPT_LOOKS:
            found = sensitivity(torch.stack(self.looks))
            self.mask = torch.ones_like(found)
            self.mask[found.topk(round(self.options["share"] * len(found))).indices] = 0.0

    def look(self) -> torch.Tensor:
        """e of every tracking text, (N, C)."""
        import torch

        found: list[torch.Tensor] = []

        def see(_: Any, inputs: Any, given_BTC: torch.Tensor) -> None:
            found.append((given_BTC.mean(1) + given_BTC[:, -1]).float() / 2)

        hook, training = self.block.register_forward_hook(see), self.model.training
        self.model.eval()
        with torch.no_grad():
            for batch in self.task.sample(SAMPLE):
                batch.forward(self.model, 1, False)
        hook.remove()
        self.model.train(training)
        return torch.cat(found)

    def state(self) -> dict[str, Any]:
        """With the looks and what follows from them."""
        return {**super().state(), "looks": self.looks, "mask": self.mask}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        super().restore(state)
        self.looks = [look.to(self.device) for look in state["looks"]]
        self.mask = None if state["mask"] is None else state["mask"].to(self.device)
