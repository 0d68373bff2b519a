"""The sections of a run that trains a character language model (paper B).

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from redrop.checks import check_choice, check_name, check_range
from redrop.errors import ConfigError
from redrop.methods import METHODS, check_weights
from redrop.registry import declared_options
from redrop.residual_streams import STREAMS
from redrop.schedules import HIGHEST_RATE, SCHEDULES
from redrop.settings import Option, Options, added


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """What a run reads."""

    corpus: str
    """Name of a character corpus, see ``redrop.data``."""

    def __post_init__(self) -> None:
        check_name("data.corpus", self.corpus)

    @property
    def task(self) -> str:
        """The task's name: the corpus."""
        return self.corpus

    @property
    def data_set(self) -> str:
        """The data set's name in ``redrop.data``."""
        return self.corpus


@dataclass(frozen=True, kw_only=True)
class ResidualGPTSpec:
    """The decoder of paper B (arXiv 2410.01019); ``redrop.models.residual_gpt`` gives the equations."""

    name: str = "residual_gpt"
    """Which model class this is."""
    residual_stream: str
    """How skips and sub-layers are combined; see ``redrop.residual_streams``."""
    n_layer: int
    """Pairs of an attention and an MLP sub-layer. A block holds one pair, two of them with skip-4."""
    n_head: int
    """Attention heads; divides ``n_embd``."""
    n_embd: int
    """Width."""
    block_size: int
    """Context length in characters."""
    embedding_dropout: float
    """Rate on the summed token and position embeddings."""
    attention_dropout: float
    """Rate on the attention probabilities."""
    attention_output_dropout: float
    """Rate after the attention's output projection."""
    mlp_dropout: float
    """Rate after the MLP's output projection."""
    skip1_dropout: float
    """Rate on the skip around one sub-layer."""
    skip2_dropout: float | None
    """Rate on the skip around two sub-layers; null: there is no such skip."""
    skip4_dropout: float | None
    """Rate on the skip around four sub-layers; null: there is no such skip (and blocks are single)."""
    activation: str
    """``gelu`` (exact) or ``relu``."""
    bias: str
    """``none``, or ``notebook``: everywhere but in query, key and value."""
    tied_embedding: bool
    """Whether the output layer shares the token embedding's matrix."""
    attention_scale: str
    """Scores are divided by the root of the ``head`` width or of the ``model`` width."""
    initialisation: str
    """``nanogpt``: N(0, 0.02), residual projections smaller, by the blocks; ``torch``: each layer's default.

    ``nanogpt-pairs``: by the attention/MLP pairs, so that a model of half as many double blocks starts alike.
    """
    initialisation_seed: str
    """``run``: torch's generator seeded with the run's seed itself, as nanoGPT does; ``stream``: derived."""
    last_mlp_input: str
    """``own``, or ``second``: the last MLP of a double block reads the second sub-layer's input."""

    def __post_init__(self) -> None:
        check_choice("model.name", self.name, ("residual_gpt",))
        check_choice("model.residual_stream", self.residual_stream, STREAMS)
        check_choice("model.activation", self.activation, ("gelu", "relu"))
        check_choice("model.bias", self.bias, ("none", "notebook"))
        check_choice("model.attention_scale", self.attention_scale, ("head", "model"))
        check_choice("model.initialisation", self.initialisation, ("nanogpt", "nanogpt-pairs", "torch"))
        check_choice("model.initialisation_seed", self.initialisation_seed, ("run", "stream"))
        check_choice("model.last_mlp_input", self.last_mlp_input, ("own", "second"))
        for key in ("n_layer", "n_head", "n_embd", "block_size"):
            check_range(f"model.{key}", getattr(self, key), 1)
        for key in dataclasses.asdict(self):
            rate = getattr(self, key)
            if key.endswith("_dropout") and rate is not None:
                check_range(f"model.{key}", rate, 0.0, 1.0)
        if self.n_embd % self.n_head:
            raise ConfigError(
                f"model.n_embd: {self.n_embd} is not a multiple of model.n_head ({self.n_head})"
            )
        if self.skip4_dropout is not None and self.n_layer % 2:
            raise ConfigError(
                f"model.n_layer: {self.n_layer} is odd; skip-4 blocks hold two attention/MLP pairs each"
            )

    @property
    def pairs_per_block(self) -> int:
        """Attention/MLP pairs in a block: two where a skip spans four sub-layers."""
        return 1 if self.skip4_dropout is None else 2

    @property
    def n_block(self) -> int:
        """Number of blocks, as the authors count them."""
        return self.n_layer // self.pairs_per_block


@dataclass(frozen=True, kw_only=True)
class ObjectiveSpec:
    """What is minimised."""

    alpha: ClassVar = 0.0
    beta: ClassVar = 0.0
    outputs: ClassVar = "batchmean"

    name: str = "ce"
    """``ce``: cross entropy; ``rdrop``: of two passes whose outputs are kept consistent."""
    gamma: float = added(0.0)
    """Weight of the outputs' consistency."""
    passes: str = added("mean")
    """How two passes enter the cross entropy: their ``mean`` or ``sum``."""
    options: Options = added({})
    """What the method can be set to besides; its file declares it."""

    def __post_init__(self) -> None:
        check_choice("objective.name", self.name, METHODS)
        check_weights(self, ("gamma",))
        check_choice("objective.passes", self.passes, ("mean", "sum"))

    @classmethod
    def known_options(cls, values: Mapping[str, Any]) -> dict[str, Option]:
        """Settings that the method has beyond these fields."""
        return declared_options(METHODS, values.get("name", "ce"))


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """How long, in what batches, at which learning rate."""

    RISES_FROM: ClassVar = 0
    """The warm-up's first update has so many of its steps: nanoGPT begins at 0."""

    iterations: int
    """Optimiser updates that the schedule spans."""
    stop_at: int | None
    """Train only this head of the schedule; null: all of it."""
    batch_size: int
    """Windows of ``block_size`` characters an update."""
    shape: str
    """How the learning rate goes on after the warm-up; see ``redrop.schedules``."""
    learning_rate: float
    """The highest learning rate."""
    min_learning_rate: float
    """The learning rate at the last iteration of a cosine."""
    warmup: int
    """Iterations of linear rise from 0."""
    precision: str
    """``fp32`` (TF32 matrix products on CUDA), or ``bf16`` autocast."""
    options: Options = added({})
    """What the shape can be set to besides; its file declares it."""

    def __post_init__(self) -> None:
        check_choice("schedule.shape", self.shape, SCHEDULES)
        check_choice("schedule.precision", self.precision, ("fp32", "bf16"))
        check_range("schedule.iterations", self.iterations, 1)
        check_range("schedule.batch_size", self.batch_size, 1)
        check_range("schedule.warmup", self.warmup, 0)
        check_range("schedule.learning_rate", self.learning_rate, 0.0, HIGHEST_RATE)
        check_range("schedule.min_learning_rate", self.min_learning_rate, 0.0, self.learning_rate)
        if self.stop_at is not None:
            check_range("schedule.stop_at", self.stop_at, 1, self.iterations)

    @classmethod
    def known_options(cls, values: Mapping[str, Any]) -> dict[str, Option]:
        """Settings that the shape has beyond these fields."""
        return declared_options(SCHEDULES, values.get("shape"))

    @property
    def last_iteration(self) -> int:
        """Updates that are really made."""
        return self.iterations if self.stop_at is None else self.stop_at

    def warmup_updates(self, updates: int) -> int:
        """Updates of the warm-up."""
        return self.warmup


@dataclass(frozen=True, kw_only=True)
class EvaluationSpec:
    """What is measured while training; it never touches the streams that training draws from."""

    every: int
    """Iterations between two rows of the curve; iteration 0 and the last are always in it."""
    sampled_batches: int
    """Random batches of each split that are scored besides the whole split, as the authors do; 0: none."""

    def __post_init__(self) -> None:
        check_range("evaluation.every", self.every, 1)
        check_range("evaluation.sampled_batches", self.sampled_batches, 0)
