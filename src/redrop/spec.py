"""A run is a value: everything that decides its result, frozen, with an id made from its content.

``RunSpec`` is the only thing that crosses from configuration to training. Two specs are equal exactly
when their canonical JSON is, and the first eight hex digits of its SHA-256 are part of the run's folder
name, so an edited setting is a new run and an old one is never reused by mistake.

This module is read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from redrop import settings
from redrop.checks import check_choice, check_name, check_range, parse_json
from redrop.errors import ConfigError
from redrop.spec_encoder import (
    ConsistencySpec,
    EncoderSpec,
    FineTuneEvaluationSpec,
    FineTuneScheduleSpec,
    GlueDataSpec,
)
from redrop.spec_generation import (
    SECTIONS,
    GenerationEvaluationSpec,
    GenerationObjectiveSpec,
    GenerationScheduleSpec,
    GeneratorSpec,
    TextPairDataSpec,
    TransformerSpec,
)


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
    """``pre-norm``: x = x + f(LN(x)); ``normalised``: the stream itself is replaced by LN(x) first."""
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
    """``nanogpt``: N(0, 0.02), residual projections smaller; ``torch``: each layer's default."""
    initialisation_seed: str
    """``run``: torch's generator seeded with the run's seed itself, as nanoGPT does; ``stream``: derived."""
    last_mlp_input: str
    """``own``, or ``second``: the last MLP of a double block reads the second sub-layer's input."""

    def __post_init__(self) -> None:
        check_choice("model.name", self.name, ("residual_gpt",))
        check_choice("model.residual_stream", self.residual_stream, ("pre-norm", "normalised"))
        check_choice("model.activation", self.activation, ("gelu", "relu"))
        check_choice("model.bias", self.bias, ("none", "notebook"))
        check_choice("model.attention_scale", self.attention_scale, ("head", "model"))
        check_choice("model.initialisation", self.initialisation, ("nanogpt", "torch"))
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

    name: str = "ce"
    """``ce``: cross entropy."""

    def __post_init__(self) -> None:
        check_choice("objective.name", self.name, ("ce",))


@dataclass(frozen=True, kw_only=True)
class OptimiserSpec:
    """AdamW (Loshchilov & Hutter, 2019) and what is done to its gradients."""

    name: str = "adamw"
    """Which optimiser."""
    beta1: float
    """Decay of the first moment."""
    beta2: float
    """Decay of the second moment."""
    eps: float
    """Added to the root of the second moment."""
    weight_decay: float
    """Decoupled weight decay."""
    decay: str
    """``matrices``: weight decay on parameters with two or more axes only; ``all``: on every one."""
    clip_norm: float | None
    """Gradients are scaled down to this norm; null: never."""

    def __post_init__(self) -> None:
        check_choice("optimiser.name", self.name, ("adamw",))
        check_choice("optimiser.decay", self.decay, ("matrices", "all"))
        check_range("optimiser.beta1", self.beta1, 0.0, 1.0)
        check_range("optimiser.beta2", self.beta2, 0.0, 1.0)
        check_range("optimiser.eps", self.eps, 0.0)
        check_range("optimiser.weight_decay", self.weight_decay, 0.0)
        if self.clip_norm is not None:
            check_range("optimiser.clip_norm", self.clip_norm, 1e-12)


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec:
    """How long, in what batches, at which learning rate."""

    iterations: int
    """Optimiser updates that the schedule spans."""
    stop_at: int | None
    """Train only this head of the schedule; null: all of it."""
    batch_size: int
    """Windows of ``block_size`` characters an update."""
    shape: str
    """``cosine``: from ``learning_rate`` to ``min_learning_rate`` over the iterations; ``constant``."""
    learning_rate: float
    """The highest learning rate."""
    min_learning_rate: float
    """The learning rate at the last iteration of a cosine."""
    warmup: int
    """Iterations of linear rise from 0."""
    precision: str
    """``fp32`` (TF32 matrix products on CUDA), or ``bf16`` autocast."""

    def __post_init__(self) -> None:
        check_choice("schedule.shape", self.shape, ("cosine", "constant"))
        check_choice("schedule.precision", self.precision, ("fp32", "bf16"))
        check_range("schedule.iterations", self.iterations, 1)
        check_range("schedule.batch_size", self.batch_size, 1)
        check_range("schedule.warmup", self.warmup, 0)
        check_range("schedule.learning_rate", self.learning_rate, 0.0)
        check_range("schedule.min_learning_rate", self.min_learning_rate, 0.0, self.learning_rate)
        if self.stop_at is not None:
            check_range("schedule.stop_at", self.stop_at, 1, self.iterations)

    @property
    def last_iteration(self) -> int:
        """Updates that are really made."""
        return self.iterations if self.stop_at is None else self.stop_at


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


SHARED: dict[str, type] = {
    "data": DataSpec,
    "objective": ObjectiveSpec,
    "schedule": ScheduleSpec,
    "evaluation": EvaluationSpec,
}
"""The sections of a run whose kind of model has none of its own."""
FAMILIES: dict[str, dict[str, type]] = {
    "residual_gpt": {"model": ResidualGPTSpec},
    "encoder": {
        "data": GlueDataSpec,
        "model": EncoderSpec,
        "objective": ConsistencySpec,
        "schedule": FineTuneScheduleSpec,
        "evaluation": FineTuneEvaluationSpec,
    },
    "transformer": {"model": TransformerSpec, **SECTIONS},
    "generator": {"model": GeneratorSpec, **SECTIONS},
}
"""Model name -> the sections that a run of it has, where they are not ``SHARED``."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run, complete."""

    RETIRED: ClassVar = {"engine": {"lanes": 1, "name": "single"}}
    """``engine`` said how a run was computed, alone or in a pack: that is in its provenance."""

    study: str
    """The study that asked for it."""
    protocol: str
    """Which reading of the paper it belongs to, such as ``authors`` or ``matched``."""
    config: str
    """The configuration's name, unique within study and protocol."""
    seed: int
    """Every random stream of the run is derived from it."""
    data: DataSpec | GlueDataSpec | TextPairDataSpec
    model: ResidualGPTSpec | EncoderSpec | TransformerSpec | GeneratorSpec
    objective: ObjectiveSpec | ConsistencySpec | GenerationObjectiveSpec
    optimiser: OptimiserSpec
    schedule: ScheduleSpec | FineTuneScheduleSpec | GenerationScheduleSpec
    evaluation: EvaluationSpec | FineTuneEvaluationSpec | GenerationEvaluationSpec

    def __post_init__(self) -> None:
        for key in ("study", "protocol", "config"):
            check_name(key, getattr(self, key))
        check_range("seed", self.seed, 0, 2**63 - 1)
        if self.model.name == "generator" and self.data.translates and self.model.checkpoint != "toy":
            raise ConfigError(
                f"model.checkpoint: {self.model.checkpoint} has a vocabulary of its own, but "
                f"{self.data.task} is read as BPE symbols; give model.name: transformer"
            )

    @property
    def task(self) -> str:
        """What ``runs.csv`` calls the task: the corpus, for a language model."""
        return self.data.task

    @property
    def run(self) -> str:
        """The run's id and folder name: configuration, seed and hash."""
        return f"{self.protocol}-{self.config}-{self.task}-s{self.seed}-{self.hash8}"

    @functools.cached_property
    def hash8(self) -> str:
        """First eight hex digits of the SHA-256 of the canonical JSON."""
        return _hash8(self.to_json())

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON: what the id is made of."""
        return settings.to_dict(self)

    def to_json(self) -> str:
        """Canonical form: sorted keys, no spaces."""
        return self._json

    @functools.cached_property
    def _json(self) -> str:  # the hash is made of it, and Snakemake is given it
        return _canonical(self.to_dict())

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunSpec:
        """Build a spec from nested values; raises ``ConfigError`` naming key, value and what is allowed."""
        if not isinstance(values, dict):
            raise ConfigError(f"a run spec is a mapping of settings, not {values!r}")
        model = values.get("model")
        name = model.get("name", "residual_gpt") if isinstance(model, dict) else "residual_gpt"
        if not isinstance(name, str):
            raise ConfigError(f"model.name: {name!r} is not a str")
        check_choice("model.name", name, FAMILIES)
        return settings.build(cls, values, choose=SHARED | FAMILIES[name])

    @classmethod
    def from_json(cls, text: str) -> RunSpec:
        """The inverse of ``to_json`` (spacing and key order do not matter)."""
        return cls.from_dict(parse_json(text, "the run spec"))


def id_of(values: dict[str, Any]) -> str:
    """The id of a run by its settings as they are written down, whatever version wrote them.

    A record from before a setting was added or retired has the id that it was given then.
    """
    task = RunSpec.from_dict(values).task
    return f"{values['protocol']}-{values['config']}-{task}-s{values['seed']}-{_hash8(_canonical(values))}"


def _canonical(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _hash8(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
