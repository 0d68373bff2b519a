"""The sections of a run that fine-tunes a released encoder on a GLUE task (paper A).

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, ClassVar

from redrop.checks import check_name
from redrop.dropout_schedules import DropoutSchedule
from redrop.errors import ConfigError
from redrop.methods import METHODS, WEIGHTS, check_weights
from redrop.schedules import Schedule
from redrop.settings import Count, Limits, Rate, RateOrNull, Section, SectionWithPart, added, one_of

Reduction = one_of("mean", "sum")
LAYERS = re.compile(r"all|last|[0-9]{1,4}|[0-9]{1,4}-[0-9]{1,4}")


@dataclass(frozen=True, kw_only=True)
class GlueDataSpec(Section):
    """What a run reads."""

    SECTION: ClassVar = "data"

    task: str
    """A GLUE task, such as ``cola``; see ``redrop.data.glue``."""
    max_length: Annotated[int, Limits(8)]
    """Longer inputs are cut to so many tokens."""
    train_fraction: Annotated[float, Limits(1e-6, 1.0)]
    """Share of the training set that is used, drawn from the run's own stream."""
    evaluate_on: one_of("dev", "held-out")
    """``dev``; or ``held-out``: a tenth of train that is not trained on, for choosing settings."""

    def __post_init__(self) -> None:
        check_name("data.task", self.task)
        super().__post_init__()

    @property
    def data_set(self) -> str:
        """The data set's name in ``redrop.data``."""
        return f"glue_{self.task}"


@dataclass(frozen=True, kw_only=True)
class ReleasedSpec(DropoutSchedule):
    """A released model; a dropout rate that is null is as released."""

    checkpoint: str
    """A name that ``redrop.models.sources`` knows, a repository of the hub, or a local folder."""
    revision: str | None
    """Of a repository of the hub, 40 hex digits; null for a known name (pinned) or a folder."""
    attention_dropout: RateOrNull
    """Rate on the attention probabilities."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.checkpoint:
            raise ConfigError("model.checkpoint: empty; name a model or a folder")
        if self.revision is not None and not re.fullmatch(r"[0-9a-f]{40}", self.revision):
            raise ConfigError(f"model.revision: {self.revision!r} is not a commit; give its 40 hex digits")


@dataclass(frozen=True, kw_only=True)
class EncoderSpec(ReleasedSpec):
    """A released encoder with a new classification head; ``redrop.models.pretrained`` loads it."""

    name: one_of("encoder") = "encoder"
    """Which kind of model this is."""
    hidden_dropout: RateOrNull
    """Rate on embeddings and on each sub-layer's output."""
    classifier_dropout: RateOrNull
    """Rate before the classifier."""


@dataclass(frozen=True, kw_only=True)
class ConsistencySpec(SectionWithPart):
    """What is minimised: L_CE + alpha L_HSR + beta L_MHAR + gamma L_OR; see ``redrop.objectives``."""

    SECTION: ClassVar = "objective"
    PART: ClassVar = ("name", METHODS)

    name: str
    """``ce``: one plain pass; ``rdrop``: alpha = beta = 0; ``lrdrop``; see ``redrop.methods``."""
    alpha: float
    """Weight of the hidden states' consistency."""
    beta: float
    """Weight of the attention's consistency."""
    gamma: float
    """Weight of the outputs' consistency. R-Drop's alpha is twice it where ``passes`` is ``mean``."""
    passes: one_of("mean", "sum", "half-first")
    """How the two passes enter L_CE: ``mean``, ``sum`` or ``half-first``."""
    outputs: one_of("batchmean", "sum")
    """L_OR over the examples: ``batchmean`` or ``sum``."""
    hidden_layers: str
    """Layers whose output is kept consistent: ``all``, ``last``, one by its number from 1, or ``3-6``."""
    attention_layers: str
    """Layers whose attention is kept consistent, likewise."""
    attention: one_of("scores", "probabilities", "dropped")
    """``scores``, ``probabilities``, or ``dropped``: the probabilities after dropout."""
    layers: Reduction
    """``mean`` or ``sum`` over the layers."""
    heads: Reduction
    """``mean`` or ``sum`` over the heads."""
    tokens: Reduction
    """``mean`` over all tokens of the batch, or ``sum`` over those of an example."""
    hidden: one_of("block", "feed-forward") = added("block")
    """A layer's hidden state: what its ``block`` gives, or its ``feed-forward`` layer alone."""
    weights_warmup: Rate = added(0.0)
    """Share of the updates over which alpha, beta and gamma rise from 0 on a line."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weights(self, WEIGHTS)
        for key in ("hidden_layers", "attention_layers"):
            if not LAYERS.fullmatch(getattr(self, key)):
                allowed = "all, last, a number such as 3 or a range such as 3-6"
                raise ConfigError(f"objective.{key}: {getattr(self, key)!r} is not {allowed}")


@dataclass(frozen=True, kw_only=True)
class PaperASchedule(Schedule):
    """What fine-tuning and training to translate or summarise have in common."""

    RISES_FROM: ClassVar = 1

    accumulation: Count
    """Parts that an update is computed in. Stands for the papers' several GPUs."""
    precision: one_of("fp32", "bf16", "fp16")
    """``fp32`` (TF32 matrix products on CUDA), or autocast: ``bf16``, or ``fp16`` with scaled gradients."""
    gradient_checkpointing: bool
    """Layers are computed again in the backward pass: less memory, more time."""


@dataclass(frozen=True, kw_only=True)
class FineTuneScheduleSpec(PaperASchedule):
    """How long, in what batches, at which learning rate; ``accumulation`` divides ``batch_size``."""

    epochs: Annotated[float | None, Limits(1e-6, 1e9)]
    """Times that the training set is gone through; null where ``updates`` says how long."""
    updates: Annotated[int | None, Limits(1)]
    """Optimiser updates; null where ``epochs`` says how long."""
    batch_size: Count
    """Examples an update, before doubling."""
    bucket_batches: Count
    """Batches are cut from so many batches' worth of shuffled examples, sorted by length; 1: not sorted."""
    warmup: Annotated[float, Limits(0.0)]
    """Linear rise from 0: a number of updates, or below 1 a share of them."""

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.updates is None):
            said = f"epochs {self.epochs!r} and updates {self.updates!r}; give one and leave the other null"
            raise ConfigError(f"schedule: {said}")
        super().__post_init__()
        if self.batch_size % self.accumulation:
            said = f"{self.accumulation} does not divide schedule.batch_size ({self.batch_size})"
            raise ConfigError(f"schedule.accumulation: {said}")

    def warmup_updates(self, updates: int) -> int:
        """Updates of the warm-up, of ``updates`` in all."""
        return int(self.warmup if self.warmup >= 1 else self.warmup * updates)

    def updates_on(self, examples: int) -> int:
        """Optimiser updates of the whole run on a training set of that size."""
        if self.updates is not None:
            return self.updates
        return max(1, math.ceil(self.epochs * -(-examples // self.batch_size)))


@dataclass(frozen=True, kw_only=True)
class FineTuneEvaluationSpec(Section):
    """What is measured; the development set is scored after every epoch and at the end."""

    SECTION: ClassVar = "evaluation"

    batch_size: Count
    """Examples a forward pass."""
    inconsistency_passes: Annotated[int, Limits(0)]
    """Pairs of dropout passes over the development set at the end of the run; 0: not measured."""
    landscape_points: int
    """Points of the loss-landscape slice at the end of the run; 0: not measured."""
    landscape_radius: Annotated[float, Limits(1e-6, 1e3)] = added(1.0)
    """How far the slice reaches to either side, in norms of the weights."""
    landscape_directions: Count = added(1)
    """Directions that a slice is measured along."""
    landscape_split: one_of("dev", "train") = added("dev")
    """Whose examples the loss is of: ``dev``, what is evaluated on; or ``train``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.landscape_points and (self.landscape_points < 3 or self.landscape_points % 2 == 0):
            said = "give 0, or an odd number from 3, so that the solution is the middle one"
            raise ConfigError(f"evaluation.landscape_points: {self.landscape_points!r}; {said}")
