"""The whole objective on one forward pass of an encoder-decoder: label smoothing, masks of both sides.

Shapes: B pairs, so 2B rows when doubled; S source tokens, T target tokens, V vocabulary, C width, H heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from redrop.errors import ConfigError
from redrop.methods import METHODS, divergence_of
from redrop.models.attention import Attention, listening
from redrop.objectives import full_precision
from redrop.objectives.doubled import Terms, chosen_layers
from redrop.objectives.lrdrop import attention_consistency, hidden_consistency, over_layers, real_pairs
from redrop.objectives.rdrop import Divergence, symmetric_kl
from redrop.objectives.two_pass_tokens import two_pass_tokens
from redrop.spec_generation import ATTENTIONS, GenerationObjectiveSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class PairBatch:
    """Padded inputs and outputs, with what is real in them."""

    source_BS: torch.Tensor
    """int64."""
    real_BS: torch.Tensor
    """bool."""
    target_BT: torch.Tensor
    """int64; every output ends with its end mark."""
    real_BT: torch.Tensor
    """bool."""
    start: int
    """Token that stands before each output in the decoder's input."""

    @property
    def tokens(self) -> torch.Tensor:
        """How many target tokens there are, a scalar."""
        return self.real_BT.sum()

    def inputs(self) -> dict[str, torch.Tensor]:
        """What the model takes: the decoder reads the output shifted by one."""
        start_B1 = self.target_BT.new_full((len(self.target_BT), 1), self.start)
        return {
            "input_ids": self.source_BS,
            "attention_mask": self.real_BS.long(),
            "decoder_input_ids": torch.cat([start_B1, self.target_BT[:, :-1]], dim=1),
        }


def smoothed_cross_entropy(
    logits_BTV: torch.Tensor, target_BT: torch.Tensor, real_BT: torch.Tensor, smoothing: float
) -> torch.Tensor:
    """Cross entropy against a target with 1 - e + e / V at its token and e / V elsewhere, nats.

    Mean over the real tokens, a scalar. (fairseq's spreads e over the other V - 1 tokens only.)
    """
    logits_NV = full_precision(logits_BTV[real_BT])
    return F.cross_entropy(logits_NV, target_BT[real_BT], label_smoothing=smoothing)


def token_consistency(
    logits_2BTV: torch.Tensor, real_BT: torch.Tensor, divergence: Divergence = symmetric_kl
) -> torch.Tensor:
    """L_OR: the divergence of both passes' distributions, mean over the real target tokens."""
    first, second = logits_2BTV.chunk(2)
    return divergence(torch.cat([first[real_BT], second[real_BT]])).mean()


@dataclass
class AttentionTermsOfStacks:
    """Hears the attentions of a doubled batch and keeps each chosen layer's term, not its tensors."""

    spec: GenerationObjectiveSpec
    pairs: dict[str, torch.Tensor]
    """Kind of attention -> (B, queries, keys) bool: which pairs count."""
    chosen: dict[torch.nn.Module, str]
    """Attention module -> kind."""
    terms: dict[torch.nn.Module, torch.Tensor] = field(default_factory=dict)

    def __call__(self, attention: Attention) -> None:
        kind = self.chosen.get(attention.module)
        if kind is None:
            return
        tensor = getattr(attention, self.spec.attention)
        term = attention_consistency(tensor, self.pairs[kind], self.spec.tokens, self.spec.heads)
        # A layer that gradient checkpointing runs again does the same work for nothing.
        self.terms.setdefault(attention.module, term)


def attentions_of(model: PreTrainedModel) -> dict[torch.nn.Module, tuple[str, int]]:
    """Every attention module of an encoder-decoder -> (``encoder``, ``decoder`` or ``cross``, layer from 0).

    Raises ``ConfigError`` for a model whose stacks are not built like Marian's and BART's.
    """
    found = {}
    kinds = {"encoder.self_attn": "encoder", "decoder.self_attn": "decoder", "decoder.encoder_attn": "cross"}
    for name, module in model.named_modules():
        parts = name.split(".")
        if len(parts) >= 4 and parts[-3] == "layers" and f"{parts[-4]}.{parts[-1]}" in kinds:
            found[module] = (kinds[f"{parts[-4]}.{parts[-1]}"], int(parts[-2]))
    if {kind for kind, _ in found.values()} != set(ATTENTIONS):
        raise ConfigError(
            f"model: the attentions of a {model.config.model_type} are not known; give objective.beta: 0"
        )
    return found


def chosen_attentions(model: PreTrainedModel, spec: GenerationObjectiveSpec) -> dict[torch.nn.Module, str]:
    """The attention modules that are kept consistent -> kind."""
    found = attentions_of(model)
    layers = {}
    for kind in spec.attentions.split("+"):
        count = sum(1 for other, _ in found.values() if other == kind)
        layers[kind] = chosen_layers(spec.attention_layers, count, "objective.attention_layers")
    return {module: kind for module, (kind, layer) in found.items() if layer in layers.get(kind, ())}


@contextmanager
def generation_terms(
    model: PreTrainedModel,
    batch: PairBatch,
    spec: GenerationObjectiveSpec,
    *,
    half: torch.dtype | None = None,
) -> Iterator[Terms]:
    """The objective's terms on one batch; the backward pass belongs into the block.

    Method ``ce`` runs the batch once; the others run [x; x] once. A term whose weight is 0 is not computed.
    ``half``: the model computes in it under autocast; the terms are in float32 in any case.
    """
    inputs, plain = batch.inputs(), not METHODS[spec.name].weights
    if not plain:
        inputs = {name: torch.cat([values, values]) for name, values in inputs.items()}
    with ExitStack() as stack:
        heard = None
        if spec.beta:
            heard = AttentionTermsOfStacks(spec, _pairs(batch), chosen_attentions(model, spec))
            stack.enter_context(listening(heard))
        with torch.autocast(batch.source_BS.device.type, half, enabled=half is not None):
            output = model(**inputs, output_hidden_states=bool(spec.alpha), use_cache=False)

        def task(logits_BTV: torch.Tensor) -> torch.Tensor:
            return smoothed_cross_entropy(logits_BTV, batch.target_BT, batch.real_BT, spec.label_smoothing)

        if plain:
            yield Terms(task(output.logits))
            return
        divergence = divergence_of(spec.name) if spec.gamma else None
        if divergence is symmetric_kl:
            both, between = two_pass_tokens(
                output.logits, batch.target_BT, batch.real_BT, spec.label_smoothing
            )
        else:
            both = sum(task(half) for half in output.logits.chunk(2))
            between = divergence and token_consistency(output.logits, batch.real_BT, divergence)
        terms = Terms(both if spec.passes == "sum" else 0.5 * both, output=between)
        if spec.alpha:
            terms.hidden = over_layers(list(_hidden_terms(output, batch, spec)), spec.layers)
        if heard is not None:
            if len(heard.terms) != len(heard.chosen):
                raise ConfigError(
                    f"model.checkpoint: {len(heard.terms)} of {len(heard.chosen)} attentions of a "
                    f"{model.config.model_type} can be heard; it needs objective.beta: 0"
                )
            terms.attention = over_layers(list(heard.terms.values()), spec.layers)
        yield terms


def _hidden_terms(output: object, batch: PairBatch, spec: GenerationObjectiveSpec) -> Iterator[torch.Tensor]:
    stacks = {
        "encoder": (output.encoder_hidden_states, batch.real_BS),
        "decoder": (output.decoder_hidden_states, batch.real_BT),
    }
    for side in spec.hidden_sides.split("+"):
        states, real = stacks[side]
        for layer in chosen_layers(spec.hidden_layers, len(states) - 1, "objective.hidden_layers"):
            yield hidden_consistency(states[layer + 1], real, spec.tokens)


def _pairs(batch: PairBatch) -> dict[str, torch.Tensor]:
    """Which pairs of a query and a key count: no padding, and nothing that the decoder cannot see."""
    length = batch.real_BT.shape[1]
    seen_TT = torch.ones(length, length, dtype=torch.bool, device=batch.real_BT.device).tril()
    return {
        "encoder": real_pairs(batch.real_BS, batch.real_BS),
        "decoder": real_pairs(batch.real_BT, batch.real_BT) & seen_TT,
        "cross": real_pairs(batch.real_BT, batch.real_BS),
    }
