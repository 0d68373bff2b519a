"""The sections of a run that trains an encoder-decoder to translate or to summarise (paper A).

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from redrop.checks import check_name
from redrop.dropout_schedules import DropoutSchedule
from redrop.errors import ConfigError
from redrop.registry import resolve
from redrop.settings import Count, Limits, Rate, RateOrNull, Section, one_of
from redrop.spec_encoder import ConsistencySpec, PaperASchedule, ReleasedSpec

SIDES = ("encoder", "decoder")
ATTENTIONS = ("encoder", "decoder", "cross")


def directions() -> Mapping[str, Any]:
    """The directions of translation, by name: which texts there are is found when it is asked."""
    return resolve("redrop.data.tasks:DIRECTIONS")


@dataclass(frozen=True, kw_only=True)
class TextPairDataSpec(Section):
    """What a run reads."""

    SECTION: ClassVar = "data"

    task: str
    """A direction of translation, such as ``iwslt14_de_en``, or a set of summaries."""
    max_source: Annotated[int, Limits(2)]
    """Tokens of an input; a longer article is cut, a longer pair of translations left out of training."""
    max_target: Annotated[int, Limits(2)]
    """Tokens of an output, likewise; the end mark is counted."""

    def __post_init__(self) -> None:
        check_name("data.task", self.task)
        super().__post_init__()

    @property
    def translates(self) -> bool:
        """Whether the task is a direction of translation."""
        return self.task in directions()

    @property
    def data_set(self) -> str:
        """The data set's name in ``redrop.data``."""
        return directions()[self.task].data_set if self.translates else self.task


@dataclass(frozen=True, kw_only=True)
class TransformerSpec(DropoutSchedule):
    """An encoder-decoder with random weights; ``redrop.models.generation`` builds it."""

    name: one_of("transformer") = "transformer"
    """Which kind of model this is."""
    layers: Count
    """Of the encoder and of the decoder each."""
    width: Count
    """Of the hidden states."""
    feed_forward: Count
    """Width of the feed-forward layers."""
    heads: Count
    """Attention heads; divides ``width``."""
    dropout: Rate
    """Rate on embeddings and on each sub-layer's output."""
    attention_dropout: Rate
    """Rate on the attention probabilities."""
    activation_dropout: Rate
    """Rate between the two feed-forward products."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width % self.heads:
            raise ConfigError(f"model.width: {self.width} is not a multiple of model.heads ({self.heads})")


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec(ReleasedSpec):
    """A released encoder-decoder, such as BART; ``redrop.models.generation`` loads it."""

    name: one_of("generator") = "generator"
    """Which kind of model this is."""
    dropout: RateOrNull
    """Rate on embeddings and on each sub-layer's output."""
    activation_dropout: RateOrNull
    """Rate between the two feed-forward products."""


@dataclass(frozen=True, kw_only=True)
class GenerationObjectiveSpec(ConsistencySpec):
    """The same total over an encoder-decoder; L_CE and L_OR are means over the target tokens of a batch.

    ``hidden_layers`` and ``attention_layers`` count within each stack.
    """

    passes: one_of("mean", "sum")
    outputs: one_of("tokenmean")
    label_smoothing: Rate
    """Share of the target's probability that is spread evenly over the vocabulary."""
    hidden_sides: str
    """Stacks whose hidden states are kept consistent: ``encoder``, ``decoder``, or both joined by ``+``."""
    attentions: str
    """Attentions kept consistent: ``encoder``, ``decoder`` (to itself), ``cross``, joined by ``+``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for key, known in (("hidden_sides", SIDES), ("attentions", ATTENTIONS)):
            parts = getattr(self, key).split("+")
            if parts != [part for part in known if part in parts]:
                allowed = f"none of {', '.join(known)}, nor some of them in this order joined by +"
                raise ConfigError(f"objective.{key}: {getattr(self, key)!r} is {allowed}")


@dataclass(frozen=True, kw_only=True)
class GenerationScheduleSpec(PaperASchedule):
    """How long, in what batches, at which learning rate; ``accumulation`` of them are an update."""

    updates: Count
    """Optimiser updates."""
    batch_tokens: Count
    """Pairs of a batch times the longest of their sides, at most; before doubling."""
    warmup: Count
    """Updates of linear rise from 0."""

    @property
    def last_iteration(self) -> int:
        """Updates that are really made."""
        return self.updates


@dataclass(frozen=True, kw_only=True)
class GenerationEvaluationSpec(Section):
    """What is measured, and how outputs are searched for."""

    SECTION: ClassVar = "evaluation"

    every: Count
    """Updates between two evaluations on the validation set; the first and the last are always there."""
    decoded: Annotated[int, Limits(0)]
    """Validation inputs, the first ones, that each evaluation decodes to score them; 0: none."""
    report: one_of("best", "last", "valid")
    """Weights that the test sets are decoded with: ``best`` on the decoded validation inputs, or ``last``.

    ``valid``: no test set is touched, the last weights are scored on the whole validation set.
    """
    beam: Count
    """Hypotheses that the search keeps; 1: greedy."""
    length_penalty: Annotated[float, Limits(-50.0, 50.0)]
    """Power of the length that a hypothesis' score is divided by."""
    min_length: Annotated[int, Limits(0)]
    """Tokens of an output at least, without the end mark."""
    max_length: Count
    """Tokens of an output at most."""
    max_ratio: Annotated[float, Limits(0.0, 1e9)]
    """Tokens of an output at most for each one of the batch's longest input, plus 10; 0: no such limit."""
    no_repeat: Annotated[int, Limits(0)]
    """Length of the token sequences that an output may hold only once; 0: any may come again."""
    batch_tokens: Count
    """Size of a batch in scoring and decoding, as ``schedule.batch_tokens``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_length > self.max_length:
            said = f"{self.min_length} is more than evaluation.max_length ({self.max_length})"
            raise ConfigError(f"evaluation.min_length: {said}; give less, or a greater maximum")
        if self.report == "best" and not self.decoded:
            remedy = "give evaluation.decoded above 0, or report 'last'"
            raise ConfigError(f"evaluation.report: 'best' needs a score on validation inputs; {remedy}")


SECTIONS: dict[str, type] = {
    cls.SECTION: cls
    for cls in (TextPairDataSpec, GenerationObjectiveSpec, GenerationScheduleSpec, GenerationEvaluationSpec)
}
"""What both kinds of model share."""
