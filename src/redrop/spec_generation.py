"""The sections of a run that trains an encoder-decoder to translate or to summarise (paper A).

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from redrop.checks import check_choice, check_name, check_range
from redrop.dropout_schedules import DropoutSchedule
from redrop.errors import ConfigError
from redrop.registry import declared_options, resolve
from redrop.schedules import HIGHEST_RATE, SCHEDULES
from redrop.settings import Option, Options, added
from redrop.spec_encoder import ConsistencySpec, check_revision

SIDES = ("encoder", "decoder")
ATTENTIONS = ("encoder", "decoder", "cross")


def directions() -> Mapping[str, Any]:
    """The directions of translation, by name: which texts there are is found when it is asked."""
    return resolve("redrop.data.directions:DIRECTIONS")


@dataclass(frozen=True, kw_only=True)
class TextPairDataSpec:
    """What a run reads."""

    task: str
    """A direction of translation, such as ``iwslt14_de_en``, or a set of summaries."""
    max_source: int
    """Tokens of an input; a longer article is cut, a longer pair of translations left out of training."""
    max_target: int
    """Tokens of an output, likewise; the end mark is counted."""

    def __post_init__(self) -> None:
        check_name("data.task", self.task)
        check_range("data.max_source", self.max_source, 2)
        check_range("data.max_target", self.max_target, 2)

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

    name: str = "transformer"
    """Which kind of model this is."""
    layers: int
    """Of the encoder and of the decoder each."""
    width: int
    """Of the hidden states."""
    feed_forward: int
    """Width of the feed-forward layers."""
    heads: int
    """Attention heads; divides ``width``."""
    dropout: float
    """Rate on embeddings and on each sub-layer's output."""
    attention_dropout: float
    """Rate on the attention probabilities."""
    activation_dropout: float
    """Rate between the two feed-forward products."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("model.name", self.name, ("transformer",))
        for key in ("layers", "width", "feed_forward", "heads"):
            check_range(f"model.{key}", getattr(self, key), 1)
        for key in ("dropout", "attention_dropout", "activation_dropout"):
            check_range(f"model.{key}", getattr(self, key), 0.0, 1.0)
        if self.width % self.heads:
            raise ConfigError(f"model.width: {self.width} is not a multiple of model.heads ({self.heads})")


@dataclass(frozen=True, kw_only=True)
class GeneratorSpec(DropoutSchedule):
    """A released encoder-decoder, such as BART; ``redrop.models.generation`` loads it."""

    name: str = "generator"
    """Which kind of model this is."""
    checkpoint: str
    """A name that ``redrop.models.sources`` knows, a repository of the hub, or a local folder."""
    revision: str | None
    """Of a repository of the hub, 40 hex digits; null for a known name (pinned) or a folder."""
    dropout: float | None
    """Rate on embeddings and on each sub-layer's output; null: as released."""
    attention_dropout: float | None
    """Rate on the attention probabilities; null: as released."""
    activation_dropout: float | None
    """Rate between the two feed-forward products; null: as released."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("model.name", self.name, ("generator",))
        if not self.checkpoint:
            raise ConfigError("model.checkpoint: empty; name a model or a folder")
        check_revision(self.revision)
        for key in ("dropout", "attention_dropout", "activation_dropout"):
            if getattr(self, key) is not None:
                check_range(f"model.{key}", getattr(self, key), 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class GenerationObjectiveSpec(ConsistencySpec):
    """The same total over an encoder-decoder; L_CE and L_OR are means over the target tokens of a batch.

    ``hidden_layers`` and ``attention_layers`` count within each stack.
    """

    PASSES: ClassVar = ("mean", "sum")
    OUTPUTS: ClassVar = ("tokenmean",)

    label_smoothing: float
    """Share of the target's probability that is spread evenly over the vocabulary."""
    hidden_sides: str
    """Stacks whose hidden states are kept consistent: ``encoder``, ``decoder``, or both joined by ``+``."""
    attentions: str
    """Attentions kept consistent: ``encoder``, ``decoder`` (to itself), ``cross``, joined by ``+``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("objective.label_smoothing", self.label_smoothing, 0.0, 1.0)
        for key, known in (("hidden_sides", SIDES), ("attentions", ATTENTIONS)):
            parts = getattr(self, key).split("+")
            if parts != [part for part in known if part in parts]:
                raise ConfigError(
                    f"objective.{key}: {getattr(self, key)!r} is none of {', '.join(known)}, "
                    "nor some of them in this order joined by +"
                )


@dataclass(frozen=True, kw_only=True)
class GenerationScheduleSpec:
    """How long, in what batches, at which learning rate."""

    RISES_FROM: ClassVar = 1
    """The warm-up's first update has so many of its steps, as fairseq's."""

    updates: int
    """Optimiser updates."""
    batch_tokens: int
    """Pairs of a batch times the longest of their sides, at most; before doubling."""
    accumulation: int
    """Batches an update. Stands for the papers' several GPUs."""
    shape: str
    """How the learning rate goes on after the warm-up; see ``redrop.schedules``."""
    learning_rate: float
    """The highest learning rate."""
    warmup: int
    """Updates of linear rise from 0."""
    precision: str
    """``fp32`` (TF32 matrix products on CUDA), or autocast: ``bf16``, or ``fp16`` with scaled gradients."""
    gradient_checkpointing: bool
    """Layers are computed again in the backward pass: less memory, more time."""
    options: Options = added({})
    """What the shape can be set to besides; its file declares it."""

    def __post_init__(self) -> None:
        for key in ("updates", "batch_tokens", "accumulation"):
            check_range(f"schedule.{key}", getattr(self, key), 1)
        check_choice("schedule.shape", self.shape, SCHEDULES)
        check_choice("schedule.precision", self.precision, ("fp32", "bf16", "fp16"))
        check_range("schedule.learning_rate", self.learning_rate, 0.0, HIGHEST_RATE)
        check_range("schedule.warmup", self.warmup, 1)

    @classmethod
    def known_options(cls, values: Mapping[str, Any]) -> dict[str, Option]:
        """Settings that the shape has beyond these fields."""
        return declared_options(SCHEDULES, values.get("shape"))

    @property
    def last_iteration(self) -> int:
        """Updates that are really made."""
        return self.updates

    def warmup_updates(self, updates: int) -> int:
        """Updates of the warm-up."""
        return self.warmup


@dataclass(frozen=True, kw_only=True)
class GenerationEvaluationSpec:
    """What is measured, and how outputs are searched for."""

    every: int
    """Updates between two evaluations on the validation set; the first and the last are always there."""
    decoded: int
    """Validation inputs, the first ones, that each evaluation decodes to score them; 0: none."""
    report: str
    """Weights that the test sets are decoded with: ``best`` on the decoded validation inputs, or ``last``.

    ``valid``: no test set is touched, the last weights are scored on the whole validation set.
    """
    beam: int
    """Hypotheses that the search keeps; 1: greedy."""
    length_penalty: float
    """Power of the length that a hypothesis' score is divided by."""
    min_length: int
    """Tokens of an output at least, without the end mark."""
    max_length: int
    """Tokens of an output at most."""
    max_ratio: float
    """Tokens of an output at most for each one of the batch's longest input, plus 10; 0: no such limit."""
    no_repeat: int
    """Length of the token sequences that an output may hold only once; 0: any may come again."""
    batch_tokens: int
    """Size of a batch in scoring and decoding, as ``schedule.batch_tokens``."""

    def __post_init__(self) -> None:
        check_choice("evaluation.report", self.report, ("best", "last", "valid"))
        for key in ("every", "beam", "max_length", "batch_tokens"):
            check_range(f"evaluation.{key}", getattr(self, key), 1)
        for key in ("decoded", "min_length", "no_repeat"):
            check_range(f"evaluation.{key}", getattr(self, key), 0)
        check_range("evaluation.max_ratio", self.max_ratio, 0.0, 1e9)
        check_range("evaluation.length_penalty", self.length_penalty, -50.0, 50.0)
        if self.min_length > self.max_length:
            raise ConfigError(
                f"evaluation.min_length: {self.min_length} is more than evaluation.max_length "
                f"({self.max_length}); give less, or a greater maximum"
            )
        if self.report == "best" and not self.decoded:
            raise ConfigError(
                "evaluation.report: 'best' needs a score on validation inputs; "
                "give evaluation.decoded above 0, or report 'last'"
            )


SECTIONS: dict[str, type] = {
    "data": TextPairDataSpec,
    "objective": GenerationObjectiveSpec,
    "schedule": GenerationScheduleSpec,
    "evaluation": GenerationEvaluationSpec,
}
"""What both kinds of model share."""
