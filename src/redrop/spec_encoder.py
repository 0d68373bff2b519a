"""The sections of a run that fine-tunes a released encoder on a GLUE task (paper A).

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from redrop.checks import check_choice, check_name, check_range
from redrop.errors import ConfigError
from redrop.methods import METHODS, WEIGHTS, check_weights
from redrop.registry import declared_options
from redrop.schedules import HIGHEST_RATE, SCHEDULES
from redrop.settings import Option, Options, added

REDUCTIONS = ("mean", "sum")
LAYERS = re.compile(r"all|last|[0-9]{1,4}|[0-9]{1,4}-[0-9]{1,4}")


def check_revision(revision: str | None) -> None:
    """Refuse what is no commit of a hub's repository."""
    if revision is not None and not re.fullmatch(r"[0-9a-f]{40}", revision):
        raise ConfigError(f"model.revision: {revision!r} is not a commit; give its 40 hex digits")


@dataclass(frozen=True, kw_only=True)
class GlueDataSpec:
    """What a run reads."""

    task: str
    """A GLUE task, such as ``cola``; see ``redrop.data.glue``."""
    max_length: int
    """Longer inputs are cut to so many tokens."""
    train_fraction: float
    """Share of the training set that is used, drawn from the run's own stream."""
    evaluate_on: str
    """``dev``; or ``held-out``: a tenth of train that is not trained on, for choosing settings."""

    def __post_init__(self) -> None:
        check_name("data.task", self.task)
        check_range("data.max_length", self.max_length, 8)
        check_range("data.train_fraction", self.train_fraction, 1e-6, 1.0)
        check_choice("data.evaluate_on", self.evaluate_on, ("dev", "held-out"))

    @property
    def data_set(self) -> str:
        """The data set's name in ``redrop.data``."""
        return f"glue_{self.task}"


@dataclass(frozen=True, kw_only=True)
class EncoderSpec:
    """A released encoder with a new classification head; ``redrop.models.pretrained`` loads it."""

    name: str = "encoder"
    """Which kind of model this is."""
    checkpoint: str
    """A name that ``redrop.models.pretrained`` knows, a repository of the hub, or a local folder."""
    revision: str | None
    """Of a repository of the hub, 40 hex digits; null for a known name (pinned) or a folder."""
    hidden_dropout: float | None
    """Rate on embeddings and on each sub-layer's output; null: as released."""
    attention_dropout: float | None
    """Rate on the attention probabilities; null: as released."""
    classifier_dropout: float | None
    """Rate before the classifier; null: as released."""

    def __post_init__(self) -> None:
        check_choice("model.name", self.name, ("encoder",))
        if not self.checkpoint:
            raise ConfigError("model.checkpoint: empty; name a model or a folder")
        check_revision(self.revision)
        for key in ("hidden_dropout", "attention_dropout", "classifier_dropout"):
            if getattr(self, key) is not None:
                check_range(f"model.{key}", getattr(self, key), 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class ConsistencySpec:
    """What is minimised: L_CE + alpha L_HSR + beta L_MHAR + gamma L_OR; see ``redrop.objectives``."""

    PASSES: ClassVar = ("mean", "sum", "half-first")
    OUTPUTS: ClassVar = ("batchmean", "sum")

    name: str
    """``ce``: one plain pass; ``rdrop``: alpha = beta = 0; ``lrdrop``; see ``redrop.methods``."""
    alpha: float
    """Weight of the hidden states' consistency."""
    beta: float
    """Weight of the attention's consistency."""
    gamma: float
    """Weight of the outputs' consistency. R-Drop's alpha is twice it where ``passes`` is ``mean``."""
    passes: str
    """How the two passes enter L_CE: ``mean``, ``sum`` or ``half-first``."""
    outputs: str
    """L_OR over the examples: ``batchmean`` or ``sum``."""
    hidden_layers: str
    """Layers whose output is kept consistent: ``all``, ``last``, one by its number from 1, or ``3-6``."""
    attention_layers: str
    """Layers whose attention is kept consistent, likewise."""
    attention: str
    """``scores``, ``probabilities``, or ``dropped``: the probabilities after dropout."""
    layers: str
    """``mean`` or ``sum`` over the layers."""
    heads: str
    """``mean`` or ``sum`` over the heads."""
    tokens: str
    """``mean`` over all tokens of the batch, or ``sum`` over those of an example."""
    hidden: str = added("block")
    """A layer's hidden state: what its ``block`` gives, or its ``feed-forward`` layer alone."""
    weights_warmup: float = added(0.0)
    """Share of the updates over which alpha, beta and gamma rise from 0 on a line."""
    options: Options = added({})
    """What the method can be set to besides; its file declares it."""

    def __post_init__(self) -> None:
        check_choice("objective.name", self.name, METHODS)
        check_weights(self, WEIGHTS)
        check_choice("objective.passes", self.passes, self.PASSES)
        check_choice("objective.outputs", self.outputs, self.OUTPUTS)
        check_choice("objective.attention", self.attention, ("scores", "probabilities", "dropped"))
        check_choice("objective.hidden", self.hidden, ("block", "feed-forward"))
        check_range("objective.weights_warmup", self.weights_warmup, 0.0, 1.0)
        for key in ("layers", "heads", "tokens"):
            check_choice(f"objective.{key}", getattr(self, key), REDUCTIONS)
        for key in ("hidden_layers", "attention_layers"):
            if not LAYERS.fullmatch(getattr(self, key)):
                raise ConfigError(
                    f"objective.{key}: {getattr(self, key)!r} is not all, last, a number such as 3 "
                    "or a range such as 3-6"
                )

    @classmethod
    def known_options(cls, values: Mapping[str, Any]) -> dict[str, Option]:
        """Settings that the method has beyond these fields."""
        return declared_options(METHODS, values.get("name"))


@dataclass(frozen=True, kw_only=True)
class FineTuneScheduleSpec:
    """How long, in what batches, at which learning rate."""

    RISES_FROM: ClassVar = 1
    """The warm-up's first update has so many of its steps, as fairseq's."""

    epochs: float | None
    """Times that the training set is gone through; null where ``updates`` says how long."""
    updates: int | None
    """Optimiser updates; null where ``epochs`` says how long."""
    batch_size: int
    """Examples an update, before doubling."""
    accumulation: int
    """Parts that a batch is computed in; divides ``batch_size``. Stands for the papers' several GPUs."""
    bucket_batches: int
    """Batches are cut from so many batches' worth of shuffled examples, sorted by length; 1: not sorted."""
    shape: str
    """How the learning rate goes on after the warm-up; see ``redrop.schedules``."""
    learning_rate: float
    """The highest learning rate."""
    warmup: float
    """Linear rise from 0: a number of updates, or below 1 a share of them."""
    precision: str
    """``fp32`` (TF32 matrix products on CUDA), or autocast: ``bf16``, or ``fp16`` with scaled gradients."""
    gradient_checkpointing: bool
    """Layers are computed again in the backward pass: less memory, more time."""
    options: Options = added({})
    """What the shape can be set to besides; its file declares it."""

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.updates is None):
            raise ConfigError(
                f"schedule: epochs {self.epochs!r} and updates {self.updates!r}; "
                "give one and leave the other null"
            )
        if self.epochs is not None:
            check_range("schedule.epochs", self.epochs, 1e-6, 1e9)
        if self.updates is not None:
            check_range("schedule.updates", self.updates, 1)
        for key in ("batch_size", "accumulation", "bucket_batches"):
            check_range(f"schedule.{key}", getattr(self, key), 1)
        if self.batch_size % self.accumulation:
            raise ConfigError(
                f"schedule.accumulation: {self.accumulation} does not divide "
                f"schedule.batch_size ({self.batch_size})"
            )
        check_choice("schedule.shape", self.shape, SCHEDULES)
        check_choice("schedule.precision", self.precision, ("fp32", "bf16", "fp16"))
        check_range("schedule.learning_rate", self.learning_rate, 0.0, HIGHEST_RATE)
        check_range("schedule.warmup", self.warmup, 0.0)

    @classmethod
    def known_options(cls, values: Mapping[str, Any]) -> dict[str, Option]:
        """Settings that the shape has beyond these fields."""
        return declared_options(SCHEDULES, values.get("shape"))

    def warmup_updates(self, updates: int) -> int:
        """Updates of the warm-up, of ``updates`` in all."""
        return int(self.warmup if self.warmup >= 1 else self.warmup * updates)

    def updates_on(self, examples: int) -> int:
        """Optimiser updates of the whole run on a training set of that size."""
        if self.updates is not None:
            return self.updates
        return max(1, math.ceil(self.epochs * -(-examples // self.batch_size)))


@dataclass(frozen=True, kw_only=True)
class FineTuneEvaluationSpec:
    """What is measured; the development set is scored after every epoch and at the end."""

    batch_size: int
    """Examples a forward pass."""
    inconsistency_passes: int
    """Pairs of dropout passes over the development set at the end of the run; 0: not measured."""
    landscape_points: int
    """Points of the loss-landscape slice at the end of the run; 0: not measured."""
    landscape_radius: float = added(1.0)
    """How far the slice reaches to either side, in norms of the weights."""
    landscape_directions: int = added(1)
    """Directions that a slice is measured along."""
    landscape_split: str = added("dev")
    """Whose examples the loss is of: ``dev``, what is evaluated on; or ``train``."""

    def __post_init__(self) -> None:
        check_range("evaluation.batch_size", self.batch_size, 1)
        check_range("evaluation.inconsistency_passes", self.inconsistency_passes, 0)
        check_range("evaluation.landscape_radius", self.landscape_radius, 1e-6, 1e3)
        check_range("evaluation.landscape_directions", self.landscape_directions, 1, 1000)
        check_choice("evaluation.landscape_split", self.landscape_split, ("dev", "train"))
        if self.landscape_points and (self.landscape_points < 3 or self.landscape_points % 2 == 0):
            raise ConfigError(
                f"evaluation.landscape_points: {self.landscape_points!r}; give 0, or an odd number from 3, "
                "so that the solution is the middle one"
            )
