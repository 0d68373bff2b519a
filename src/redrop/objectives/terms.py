"""The objective of one batch, for every kind of model: one forward pass, plain or doubled, and its terms."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from redrop.errors import ConfigError
from redrop.methods import METHODS, Regulariser, divergence_of, passes_of
from redrop.models.listening import Attention, listening
from redrop.objectives.consistency import (
    attention_consistency,
    hidden_consistency,
    output_consistency,
    over_layers,
    symmetric_kl,
)
from redrop.objectives.cross_entropy import task_of_passes
from redrop.objectives.feed_forward import feed_forward_outputs
from redrop.registry import options_of
from redrop.spec_encoder import ConsistencySpec

NAMES = ("task", "hidden", "attention", "output", "own")
"""Of the terms."""


@dataclass
class Terms:
    """The parts of the objective, before their weights; None where the weight is 0."""

    task: torch.Tensor
    hidden: torch.Tensor | None = None
    attention: torch.Tensor | None = None
    output: torch.Tensor | None = None
    own: torch.Tensor | None = None
    """What the method's own file adds, already weighted."""
    output_is_sum: bool = False
    """Over the examples; everything else is a mean."""

    def total(self, spec: ConsistencySpec, share: float = 1.0, rise: float = 1.0) -> torch.Tensor:
        """L = L_CE + alpha L_HSR + beta L_MHAR + gamma L_OR, and the method's own term.

        ``share``: of a batch that is computed in parts, this part's examples; what is a mean over the
        batch is weighted by it, what is a sum is not. (The layers' terms are means over tokens or pairs, not
        examples, so a batch in parts weighs them slightly otherwise than in one.) ``rise``: how much of
        alpha, beta and gamma counts, see ``risen``.
        """
        total = share * self.task
        of_output = spec.gamma * (1.0 if self.output_is_sum else share)
        weighted = (
            (rise * spec.alpha * share, self.hidden),
            (rise * spec.beta * share, self.attention),
            (rise * of_output, self.output),
            (share, self.own),
        )
        for weight, term in weighted:
            if term is not None:
                total = total + weight * term
        return total


def risen(spec: Any, update: int, updates: int) -> float:
    """How much of the weights counts in an update, from 0: they rise to 1 over ``weights_warmup`` of all."""
    over = getattr(spec, "weights_warmup", 0.0) * updates
    return min(1.0, (update + 1) / over) if over else 1.0


@dataclass(frozen=True)
class Seen:
    """What a method's own term may look at: N real examples or tokens, in one pass or in two."""

    logits: torch.Tensor
    """(passes N, K) float32; the first pass goes first."""
    targets: torch.Tensor
    """(N,) int64 classes, or float32 scores."""


class Batch(ABC):
    """A batch in the form that a kind of model takes; B examples, in 2B rows where it is doubled."""

    FUSED: ClassVar[bool] = False
    """Whether ``both_passes`` is there."""
    device: torch.device
    targets: torch.Tensor
    """Of the rows, (N,)."""

    @abstractmethod
    def forward(self, model: torch.nn.Module, passes: int, hidden: bool) -> Any:
        """The model's output with ``logits``, and where ``hidden`` what ``hidden_states`` looks at."""

    @abstractmethod
    def rows(self, logits: torch.Tensor) -> torch.Tensor:
        """The logits of what is real, (N, K) of one pass, in full precision."""

    @abstractmethod
    def loss(self, rows_NK: torch.Tensor, spec: Any) -> torch.Tensor:
        """The task's loss of one pass, a mean."""

    @abstractmethod
    def losses(self, rows_NK: torch.Tensor, spec: Any) -> torch.Tensor:
        """The task's loss of every row of one pass, (N,)."""

    def both_passes(self, logits: torch.Tensor, spec: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Sum of both passes' losses and their symmetric divergence, at once; see ``FUSED``."""
        raise NotImplementedError

    def hidden_states(self, output: Any, spec: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """The chosen layers' states, (2B, T, C), and which of their tokens are real, (B, T)."""
        raise NotImplementedError

    def listener(self, model: torch.nn.Module, spec: Any) -> AttentionTerms:
        """What hears the chosen layers' attention."""
        raise NotImplementedError


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


class AttentionTerms:
    """Hears the attentions of a doubled batch and keeps each chosen one's term, not its tensors."""

    def __init__(
        self,
        spec: ConsistencySpec,
        pairs_of: Callable[[torch.nn.Module], torch.Tensor | None],
        expected: int,
        layers: range | None = None,
    ) -> None:
        """``pairs_of`` a layer: which queries and keys count, (B, T, S) bool; None: it is not listened to.

        ``expected``: how many are listened to; ``layers``: those of them that have a term, by the order in
        which they run.
        """
        self.spec, self.pairs_of, self.expected = spec, pairs_of, expected
        self.layers = range(expected) if layers is None else layers
        self.heard: dict[torch.nn.Module, int] = {}
        self.terms: dict[torch.nn.Module, torch.Tensor] = {}

    def __call__(self, attention: Attention) -> None:
        pairs_BTS = self.pairs_of(attention.module)
        if pairs_BTS is None:
            return
        if self.heard.setdefault(attention.module, len(self.heard)) in self.layers:
            tensor = getattr(attention, self.spec.attention)
            term = attention_consistency(tensor, pairs_BTS, self.spec.tokens, self.spec.heads)
            # A layer that gradient checkpointing runs again does the same work for nothing.
            self.terms.setdefault(attention.module, term)

    def result(self, model: str) -> torch.Tensor:
        """The layers' terms together; fewer are heard than there are where a model shares or hides them."""
        if len(self.heard) != self.expected:
            raise ConfigError(
                f"model.checkpoint: {len(self.heard)} of {self.expected} attentions of a {model} can be "
                "heard; it needs objective.beta: 0"
            )
        return over_layers(list(self.terms.values()), self.spec.layers)


@contextmanager
def terms_of(
    model: torch.nn.Module,
    batch: Batch,
    spec: ConsistencySpec,
    *,
    half: torch.dtype | None = None,
    regulariser: Regulariser | None = None,
) -> Iterator[Terms]:
    """The objective's terms on one batch; the backward pass belongs into the block.

    A method of one pass runs the batch as it is, one of two runs [x; x] once. A term whose weight is 0 is not
    computed. ``half``: the model computes in it under autocast; the terms are in float32 in any case.
    ``regulariser``: what the method does to the model and to the loss, if it does more than add terms.
    """
    with ExitStack() as stack:
        heard = None
        if regulariser is not None:
            stack.enter_context(regulariser.acting(batch))
        if spec.beta:
            heard = batch.listener(model, spec)
            stack.enter_context(listening(heard))
        inner = None
        if spec.alpha and spec.hidden == "feed-forward":
            inner = stack.enter_context(feed_forward_outputs(model))
        with torch.autocast(batch.device.type, half, enabled=half is not None):
            output = batch.forward(model, passes_of(spec), bool(spec.alpha) and inner is None)
        terms = _of_outputs(batch, output.logits, spec, regulariser)
        if spec.alpha:
            states = batch.hidden_states(output if inner is None else inner(), spec)
            of_layers = [hidden_consistency(hidden, real, spec.tokens) for hidden, real in states]
            terms.hidden = over_layers(of_layers, spec.layers)
        if heard is not None:
            terms.attention = heard.result(type(model).__name__)
        yield terms


def _of_outputs(
    batch: Batch, logits: torch.Tensor, spec: ConsistencySpec, regulariser: Regulariser | None
) -> Terms:
    """The terms that need the logits alone."""
    method, passes = METHODS[spec.name], passes_of(spec)
    divergence = divergence_of(spec.name) if spec.gamma else None
    if batch.FUSED and divergence is symmetric_kl and not hasattr(method, "term") and regulariser is None:
        both, between = batch.both_passes(logits, spec)
        return Terms(both if spec.passes == "sum" else 0.5 * both, output=between)
    copies = 1 if regulariser is None else regulariser.copies
    rows = [batch.rows(part) for part in logits.chunk(passes * copies)]
    task = None if regulariser is None else regulariser.task_loss(batch, rows)
    if task is None:
        task = task_of_passes([batch.loss(part, spec) for part in rows], spec.passes)
    terms = Terms(task)
    if divergence is not None:
        terms.output = output_consistency(torch.cat(rows), spec.outputs, divergence)
        terms.output_is_sum = spec.outputs == "sum" and rows[0].shape[-1] > 1
    seen = Seen(rows[0] if len(rows) == 1 else torch.cat(rows), batch.targets)
    if hasattr(method, "term"):
        terms.own = method.term(seen, options_of(method, spec))
    elif regulariser is not None:
        terms.own = regulariser.term(seen)
    return terms
