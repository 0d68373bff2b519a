"""How much dropout disturbs a model: what LR-Drop is about (arXiv 2402.16361), measured.

Two dropout passes of the same input are compared with each other, and each with the pass without
dropout: outputs by divergence (squared difference for a regression), hidden states and attention
probabilities by mean squared error, layer by layer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from redrop.models.attention import TAP
from redrop.models.listening import Attention, listening
from redrop.objectives.consistency import (
    attention_consistency,
    hidden_consistency,
    real_pairs,
    squared_difference,
    symmetric_kl,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class Inconsistency:
    """Means over the examples."""

    between_passes: float
    """Of the outputs of two dropout passes: symmetric KL, nats; squared difference for a regression."""
    to_evaluation: float
    """Of the outputs of a dropout pass and of the pass without dropout, likewise."""
    hidden: list[float]
    """Of each layer's output between two dropout passes: mean squared error over a batch's real tokens."""
    attention: list[float]
    """Of each layer's probabilities before dropout: mean squared error over real pairs and heads."""


@torch.no_grad()
def measure(model: PreTrainedModel, batches: Iterable[dict[str, torch.Tensor]], seed: int) -> Inconsistency:
    """Compare passes over ``batches`` (inputs), with random numbers of its own; leaves evaluation mode."""
    implementation = model.config._attn_implementation
    totals: list[float] = []
    examples = 0
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        model.set_attn_implementation(TAP)
        for inputs in batches:
            n = len(inputs["input_ids"])
            model.eval()
            plain = model(**inputs).logits
            model.train()
            real_BT = inputs["attention_mask"].bool()
            pairs_BTS = real_pairs(real_BT, real_BT)
            attention: list[float] = []

            def hear(layer: Attention, pairs_BTS=pairs_BTS, attention=attention) -> None:
                term = attention_consistency(layer.probabilities, pairs_BTS, "mean", "mean")
                attention.append(term.item())

            with listening(hear):
                both = {name: torch.cat([values, values]) for name, values in inputs.items()}
                output = model(**both, output_hidden_states=True)
            hidden = [hidden_consistency(h, real_BT, "mean").item() for h in output.hidden_states[1:]]
            first, second = output.logits.chunk(2)
            between = _distance(output.logits)
            to_plain = 0.5 * (_distance(torch.cat([first, plain])) + _distance(torch.cat([second, plain])))
            examples += n
            layers = [n * value for value in (*hidden, *attention)]
            values = [between.sum().item(), to_plain.sum().item(), *layers]
            totals = [
                total + value for total, value in zip(totals or [0.0] * len(values), values, strict=True)
            ]
    model.eval()
    model.set_attn_implementation(implementation)
    between, to_plain, *layers = (total / examples for total in totals)
    return Inconsistency(between, to_plain, layers[: len(hidden)], layers[len(hidden) :])


def _distance(logits_2BK: torch.Tensor) -> torch.Tensor:
    return squared_difference(logits_2BK) if logits_2BK.shape[-1] == 1 else symmetric_kl(logits_2BK)
