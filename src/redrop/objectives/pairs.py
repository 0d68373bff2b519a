"""Batches of an encoder-decoder: inputs and outputs with the masks of both sides.

Shapes: B pairs, so 2B rows when doubled; S source tokens, T target tokens, V vocabulary, C width, H heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F

from redrop.errors import ConfigError
from redrop.objectives import full_precision
from redrop.objectives.consistency import real_pairs
from redrop.objectives.terms import AttentionTerms, Batch, chosen_layers
from redrop.objectives.two_pass_tokens import two_pass_tokens
from redrop.spec_generation import ATTENTIONS, GenerationObjectiveSpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class PairBatch(Batch):
    """Padded inputs and outputs, with what is real in them."""

    FUSED: ClassVar[bool] = True

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
    def device(self) -> torch.device:  # type: ignore[override]
        """Where the batch lies."""
        return self.source_BS.device

    @property
    def tokens(self) -> torch.Tensor:
        """How many target tokens there are, a scalar."""
        return self.real_BT.sum()

    @property
    def targets(self) -> torch.Tensor:  # type: ignore[override]
        """The real target tokens."""
        return self.target_BT[self.real_BT]

    def inputs(self) -> dict[str, torch.Tensor]:
        """What the model takes: the decoder reads the output shifted by one."""
        start_B1 = self.target_BT.new_full((len(self.target_BT), 1), self.start)
        return {
            "input_ids": self.source_BS,
            "attention_mask": self.real_BS.long(),
            "decoder_input_ids": torch.cat([start_B1, self.target_BT[:, :-1]], dim=1),
        }

    def forward(self, model: PreTrainedModel, passes: int, hidden: bool) -> Any:
        """Every pair as often as there are passes."""
        inputs = {name: torch.cat([values] * passes) for name, values in self.inputs().items()}
        return model(**inputs, output_hidden_states=hidden, use_cache=False)

    def rows(self, logits: torch.Tensor) -> torch.Tensor:
        """Those of real target tokens."""
        return full_precision(logits[self.real_BT])

    def loss(self, rows_NK: torch.Tensor, spec: GenerationObjectiveSpec) -> torch.Tensor:
        """Smoothed cross entropy, mean over the real target tokens."""
        return F.cross_entropy(rows_NK, self.targets, label_smoothing=spec.label_smoothing)

    def losses(self, rows_NK: torch.Tensor, spec: GenerationObjectiveSpec) -> torch.Tensor:
        """Of every real target token."""
        smoothing = spec.label_smoothing
        return F.cross_entropy(rows_NK, self.targets, label_smoothing=smoothing, reduction="none")

    def both_passes(
        self, logits: torch.Tensor, spec: GenerationObjectiveSpec
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """In one sweep over the tokens."""
        return two_pass_tokens(logits, self.target_BT, self.real_BT, spec.label_smoothing)

    def hidden_states(
        self, output: Any, spec: GenerationObjectiveSpec
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The chosen layers' outputs of the chosen stacks."""
        stacks = {
            "encoder": (output.encoder_hidden_states, self.real_BS),
            "decoder": (output.decoder_hidden_states, self.real_BT),
        }
        for side in spec.hidden_sides.split("+"):
            states, real = stacks[side]
            for layer in chosen_layers(spec.hidden_layers, len(states) - 1, "objective.hidden_layers"):
                yield states[layer + 1], real

    def listener(self, model: PreTrainedModel, spec: GenerationObjectiveSpec) -> AttentionTerms:
        """The chosen layers of the chosen kinds of attention."""
        chosen, pairs = chosen_attentions(model, spec), _pairs(self)

        def pairs_of(module: torch.nn.Module) -> torch.Tensor | None:
            return pairs[chosen[module]] if module in chosen else None

        return AttentionTerms(spec, pairs_of, len(chosen))


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


def _pairs(batch: PairBatch) -> dict[str, torch.Tensor]:
    """Which pairs of a query and a key count: no padding, and nothing that the decoder cannot see."""
    length = batch.real_BT.shape[1]
    seen_TT = torch.ones(length, length, dtype=torch.bool, device=batch.real_BT.device).tril()
    return {
        "encoder": real_pairs(batch.real_BS, batch.real_BS),
        "decoder": real_pairs(batch.real_BT, batch.real_BT) & seen_TT,
        "cross": real_pairs(batch.real_BT, batch.real_BS),
    }
