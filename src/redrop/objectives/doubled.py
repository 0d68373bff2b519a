"""The whole objective on one forward pass: listens to the layers, adds the terms up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from redrop.errors import ConfigError
from redrop.methods import METHODS, divergence_of
from redrop.models.attention import Attention, listening
from redrop.objectives.cross_entropy import doubled_task_loss, task_losses
from redrop.objectives.lrdrop import attention_consistency, hidden_consistency, over_layers, real_pairs
from redrop.objectives.rdrop import output_consistency
from redrop.spec_encoder import ConsistencySpec

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def chosen_layers(text: str, count: int, key: str) -> range:
    """``all``, ``last``, ``3`` or ``3-6`` as indices from 0; raises ``ConfigError`` beyond the last layer."""
    if text == "all":
        return range(count)
    if text == "last":
        return range(count - 1, count)
    first, _, last = text.partition("-")
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= count:
        raise ConfigError(f"{key}: {text!r} is no layer of this model, which has {count}")
    return range(low - 1, high)


@dataclass
class Terms:
    """The parts of the objective, before their weights; None where the weight is 0."""

    task: torch.Tensor
    hidden: torch.Tensor | None = None
    attention: torch.Tensor | None = None
    output: torch.Tensor | None = None
    output_is_sum: bool = False
    """Over the examples; everything else is a mean."""

    def total(self, spec: ConsistencySpec, share: float = 1.0) -> torch.Tensor:
        """L = L_CE + alpha L_HSR + beta L_MHAR + gamma L_OR.

        ``share``: of a batch that is computed in parts, this part's examples; what is a mean over the
        batch is weighted by it, what is a sum is not. (The layers' terms are means over tokens or pairs, not
        examples, so a batch in parts weighs them slightly otherwise than in one.)
        """
        total = share * self.task
        of_output = spec.gamma * (1.0 if self.output_is_sum else share)
        weighted = ((spec.alpha * share, self.hidden), (spec.beta * share, self.attention))
        for weight, term in (*weighted, (of_output, self.output)):
            if term is not None:
                total = total + weight * term
        return total


@dataclass
class AttentionTerms:
    """Hears the layers of a doubled batch and keeps each chosen layer's term, not its tensors."""

    spec: ConsistencySpec
    pairs: torch.Tensor
    """(B, T, S) bool: which query and key count."""
    layers: range
    terms: list[torch.Tensor] = field(default_factory=list)
    _order: dict[torch.nn.Module, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many layers were heard; fewer than the model has where it shares or hides them."""
        return len(self._order)

    def __call__(self, attention: Attention) -> None:
        first_time = attention.module not in self._order
        layer = self._order.setdefault(attention.module, len(self._order))
        if layer not in self.layers:
            return
        tensor_2BHTS = getattr(attention, self.spec.attention)
        term = attention_consistency(tensor_2BHTS, self.pairs, self.spec.tokens, self.spec.heads)
        if first_time:  # a layer that gradient checkpointing runs again does the same work for nothing
            self.terms.append(term)


@contextmanager
def terms_of(
    model: PreTrainedModel,
    inputs: dict[str, torch.Tensor],
    labels_B: torch.Tensor,
    spec: ConsistencySpec,
    *,
    half: torch.dtype | None = None,
) -> Iterator[Terms]:
    """The objective's terms on one batch; the backward pass belongs into the block.

    ``inputs``: what the model takes, (B, T) each, with ``attention_mask``. Method ``ce`` runs it once;
    the others run [x; x] once. A term whose weight is 0 is not computed. ``half``: the model computes
    in it under autocast; the terms are in float32 in any case.
    """
    autocast = torch.autocast(labels_B.device.type, half, enabled=half is not None)
    if not METHODS[spec.name].weights:
        with autocast:
            output = model(**inputs)
        yield Terms(task_losses(output.logits, labels_B).mean())
        return
    count = model.config.num_hidden_layers
    doubled = {name: torch.cat([values, values]) for name, values in inputs.items()}
    real_BT = inputs["attention_mask"].bool()
    with ExitStack() as stack:
        heard = None
        if spec.beta:
            layers = chosen_layers(spec.attention_layers, count, "objective.attention_layers")
            heard = AttentionTerms(spec, real_pairs(real_BT, real_BT), layers)
            stack.enter_context(listening(heard))
        with autocast:
            output = model(**doubled, output_hidden_states=bool(spec.alpha))
        terms = Terms(doubled_task_loss(output.logits, labels_B, spec.passes))
        if heard is not None and heard.count != count:
            raise ConfigError(
                f"model.checkpoint: the attention of {heard.count} of the {count} layers of a "
                f"{model.config.model_type} can be heard; it needs objective.beta: 0"
            )
        if spec.alpha:
            layers = chosen_layers(spec.hidden_layers, count, "objective.hidden_layers")
            of_layer = (hidden_consistency(output.hidden_states[i + 1], real_BT, spec.tokens) for i in layers)
            terms.hidden = over_layers(list(of_layer), spec.layers)
        if heard is not None:
            terms.attention = over_layers(heard.terms, spec.layers)
        if spec.gamma:
            terms.output = output_consistency(output.logits, spec.outputs, divergence_of(spec.name))
            terms.output_is_sum = spec.outputs == "sum" and output.logits.shape[-1] > 1
        yield terms
