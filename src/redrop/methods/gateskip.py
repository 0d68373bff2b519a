"""GateSkip (arXiv 2510.13876): a gate on each sub-layer's output, pushed to close where it is not missed.

    h + g * f(u),   g = sigmoid(W u + b), a gate a channel, from the sub-layer's normed input without gradient
    L = CE + penalty * mean of g^2

b starts at 5, so that g is 0.993, W at N(0, 0.01^2). Ours: no token is skipped in training (the authors let
the share of skipped tokens rise to 20 %). The finished model is scored with the tokens of the lowest mean
gate left out of a sub-layer, which still are keys and values, for shares of 0.1 to 0.5; each threshold is the
quantile over training text, because one over the tokens of a window would look ahead. Beside it as many
tokens at random.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redrop.methods import Regulariser
from redrop.registry import resolve
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

NEEDS = ("sublayers",)
KEPT = False
OPTIONS = {"penalty": Option(0.01, 0.0), "bias": Option(5.0)}
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
SAMPLE = 0.1
"""Share of the training text from which thresholds are taken."""


class Method(Regulariser):
    """The gates are parameters of the model, in evaluation, too."""

    def install(self) -> None:
        """A linear layer in every sub-layer."""
        import torch

        generator = torch.Generator().manual_seed(
            resolve("redrop.streams:derive_seed")(self.spec.seed, "gateskip")
        )
        self.squares: list[torch.Tensor] = []
        self.rule: Any = None
        """(number of the sub-layer, mean gates (B, T)) -> which tokens are kept; None: every one."""
        sublayers = [one for branches in self.site("sublayers") for one in branches]
        width = self.spec.model.n_embd
        for number, sublayer in enumerate(sublayers):
            sublayer.gate = torch.nn.Linear(width, width)
            with torch.no_grad():
                sublayer.gate.weight.copy_(0.01 * torch.randn(width, width, generator=generator))
                sublayer.gate.bias.fill_(self.options["bias"])
            sublayer.gate.to(self.device)
            sublayer.register_forward_hook(
                lambda module, inputs, output, number=number: self.gated(number, module, inputs[0], output)
            )
        self.count = len(sublayers)

    def gated(self, number: int, module: Any, u_BTC: torch.Tensor, f_BTC: torch.Tensor) -> torch.Tensor:
        """g * f."""
        gate = module.gate(u_BTC.detach()).sigmoid()
        if self.batch is not None:
            self.squares.append(gate.float().square().mean())
        if self.rule is not None:
            gate = gate * self.rule(number, gate.mean(-1))[..., None]
        return gate * f_BTC

    def term(self, seen: Any) -> torch.Tensor | None:
        """The penalty."""
        import torch

        squares, self.squares = self.squares, []
        return self.options["penalty"] * torch.stack(squares).mean()

    def finish(self) -> dict[str, Any]:
        """Losses by the share of tokens that a sub-layer leaves out."""
        import torch

        seen: list[list[torch.Tensor]] = [[] for _ in range(self.count)]

        def collect(number: int, gates: torch.Tensor) -> torch.Tensor:
            seen[number].append(gates.flatten())
            return torch.ones_like(gates)

        self.model.eval()
        self.rule = collect
        with torch.no_grad():
            for batch in self.task.sample(SAMPLE):
                batch.forward(self.model, 1, False)
        gates = torch.stack([torch.cat(each) for each in seen])
        found = {}
        for share in SHARES:
            thresholds = gates.quantile(share, dim=1).tolist()
            draw = resolve("redrop.streams:NumpyStream")(self.spec.seed, "gateskip skipping").generator

            def lowest(number: int, gates: torch.Tensor, thresholds: list[float] = thresholds) -> Any:
                return gates >= thresholds[number]

            def random(number: int, gates: torch.Tensor, share: float = share, draw: Any = draw) -> Any:
                return torch.from_numpy(draw.random(gates.shape) >= share).to(gates.device)

            for name, rule in (("lowest", lowest), ("random", random)):
                self.rule = rule
                found[f"val_loss_skipping_{name}_{round(100 * share)}"] = self.metric(name, share)
        self.rule = None
        return found

    def metric(self, name: str, share: float) -> Any:
        """The validation loss under the rule that holds now."""
        tokens = "those of the lowest gates" if name == "lowest" else "random ones"
        return resolve("redrop.record:Metric")(
            value=self.task.validation_loss(),
            n=self.task.validation_size,
            split="validation",
            higher_is_better=False,
            signature=f"mean cross entropy, nats, no dropout, {share:.0%} of the tokens, {tokens}, "
            "left out of each sub-layer",
        )
