"""What one attention or MLP does for the loss, by leaving out its output.

    total     its output is 0, and all that follows sees it so
    direct    its output is 0 in the sum that the last LayerNorm takes alone: all others give what they gave
    repair    direct - total: what the others make good for
    turn      1 - cos(h, h + f(h)): by how much it turns the stream at all

Total and direct are what the loss rises by. After Hydra (McGrath et al., arXiv 2307.15771), simplified: zeros
in the place of other inputs' outputs; the turn after LLM-Drop (arXiv 2406.15786); both from memory.
Skips with a rate, a norm on them, or longer ones are a part of the sum, as they are in evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from redrop.evaluation.mechanisms.traced import giving, sublayers, traced

if TYPE_CHECKING:
    from redrop.models.residual_gpt import ResidualGPT


def turn(h: torch.Tensor, joined: torch.Tensor) -> torch.Tensor:
    """1 - cos of the last axis."""
    return 1.0 - F.cosine_similarity(h.double(), joined.double(), dim=-1)


def ablation(
    model: ResidualGPT,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    check: Callable[[], None] = lambda: None,
) -> tuple[float, dict[str, list[float]]]:
    """The loss with nothing left out; and each of the four, a number a sub-layer.

    ``batches``: inputs and targets, (B, T) each. ``check`` is called before every forward pass.
    """
    parts = sublayers(model)
    losses_3P, turns, count = torch.zeros(3, len(parts), dtype=torch.float64), [0.0] * len(parts), 0
    for x_BT, y_BT in batches:

        def summed(logits_BTV: torch.Tensor, y_BT=y_BT) -> float:
            return F.cross_entropy(logits_BTV.flatten(0, 1), y_BT.flatten(), reduction="sum").double().item()

        check()
        logits, trace = traced(model, x_BT)
        count += y_BT.numel()
        losses_3P[0] += summed(logits)
        given = dict(zip(parts, trace.outputs, strict=True))
        for number, part in enumerate(parts):
            turns[number] += turn(trace.carried[number], trace.stream[number + 1]).sum().item()
            nothing = {part: torch.zeros_like(given[part])}
            for row, outputs in enumerate((nothing, given | nothing), 1):
                check()
                with giving(outputs):
                    losses_3P[row, number] += summed(model(x_BT))
    plain, total, direct = losses_3P / count
    effects = {"total": total - plain, "direct": direct - plain, "repair": direct - total}
    found = {name: effect.tolist() for name, effect in effects.items()}
    return plain[0].item(), found | {"turn": [value / count for value in turns]}
