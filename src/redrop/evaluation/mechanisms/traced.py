"""What paper B's decoder computes on the way to its logits, heard by hooks that are removed again.

Shapes: those of ``redrop.models.residual_gpt``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING

import torch

from redrop.models.sites import gpt_branches

if TYPE_CHECKING:
    from redrop.models.residual_gpt import ResidualGPT
    from redrop.streams import MaskStream


@dataclass
class Trace:
    """One forward pass; n sub-layers, (B, T, C) each."""

    stream: list[torch.Tensor] = field(default_factory=list)
    """Before each sub-layer, and what the last LayerNorm takes: n + 1."""
    carried: list[torch.Tensor] = field(default_factory=list)
    """What the skips around each sub-layer carry: the stream, or its norm."""
    outputs: list[torch.Tensor] = field(default_factory=list)
    """Of each sub-layer."""


def sublayers(model: ResidualGPT) -> list[torch.nn.Module]:
    """All attentions and MLPs, from first to last."""
    return list(chain.from_iterable(gpt_branches(model)))


def names(model: ResidualGPT) -> list[str]:
    """``attention 1``, ``mlp 1``, ``attention 2``, ..."""
    kinds = [kind for block in model.blocks for kind in block.spec.block]
    return [f"{kind} {kinds[: number + 1].count(kind)}" for number, kind in enumerate(kinds)]


def traced(
    model: ResidualGPT, x_BT: torch.Tensor, masks: MaskStream | None = None
) -> tuple[torch.Tensor, Trace]:
    """Logits (B, T, V) and what they were made of; with ``masks`` as in training."""
    trace = Trace()
    with ExitStack() as hooks:

        def hear(module: torch.nn.Module, hook: object) -> None:
            hooks.callback(module.register_forward_hook(hook).remove)

        for block in model.blocks:
            for norm in block.norms:

                def normed(_, inputs, u_BTC, carried=block.carried):
                    trace.stream.append(inputs[0])
                    trace.carried.append(carried(inputs[0], u_BTC))

                hear(norm, normed)
        for sublayer in sublayers(model):
            hear(sublayer, lambda _, inputs, f_BTC: trace.outputs.append(f_BTC))
        hear(model.ln_f, lambda _, inputs, u_BTC: trace.stream.append(inputs[0]))
        return model(x_BT, masks), trace


@contextmanager
def giving(outputs: Mapping[torch.nn.Module, torch.Tensor]) -> Iterator[None]:
    """Within the block these modules give these tensors."""
    with ExitStack() as hooks:
        for module, output in outputs.items():
            hook = module.register_forward_hook(lambda *_, output=output: output)
            hooks.callback(hook.remove)
        yield


@contextmanager
def without_skips(model: ResidualGPT) -> Iterator[None]:
    """Within the block the stream after a sub-layer is what the sub-layer gives: skips have rate 1."""
    kept = model.spec
    skips = {key: getattr(kept, key) for key in ("skip1_dropout", "skip2_dropout", "skip4_dropout")}
    cut = replace(kept, **{key: 1.0 for key, rate in skips.items() if rate is not None})
    try:
        for block in model.blocks:
            block.spec = cut
        yield
    finally:
        for block in model.blocks:
            block.spec = kept


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Within the block the model is in evaluation mode, and nothing keeps a gradient."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)
