"""The sections of a run that trains a character language model (paper B).

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from redrop.checks import check_name, check_range
from redrop.dropout_schedules import DropoutSchedule
from redrop.errors import ConfigError
from redrop.residual_streams import STREAMS
from redrop.schedules import Schedule
from redrop.settings import Count, Limits, Rate, RateOrNull, Section, added, one_of
from redrop.spec_encoder import ConsistencySpec, Reduction


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
class ResidualGPTSpec(DropoutSchedule):
    """The decoder of paper B (arXiv 2410.01019); ``redrop.models.residual_gpt`` gives the equations."""

    name: one_of("residual_gpt") = "residual_gpt"
    """Which model class this is."""
    residual_stream: Annotated[str, Limits(choices=STREAMS)]
    """How skips and sub-layers are combined; see ``redrop.residual_streams``."""
    n_layer: Count
    """Pairs of an attention and an MLP sub-layer. A block holds one pair, two of them with skip-4."""
    n_head: Count
    """Attention heads; divides ``n_embd``."""
    n_embd: Count
    """Width."""
    block_size: Count
    """Context length in characters."""
    embedding_dropout: Rate
    """Rate on the summed token and position embeddings."""
    attention_dropout: Rate
    """Rate on the attention probabilities."""
    attention_output_dropout: Rate
    """Rate after the attention's output projection."""
    mlp_dropout: Rate
    """Rate after the MLP's output projection."""
    skip1_dropout: Rate
    """Rate on the skip around one sub-layer."""
    skip2_dropout: RateOrNull
    """Rate on the skip around two sub-layers; null: there is no such skip."""
    skip4_dropout: RateOrNull
    """Rate on the skip around four sub-layers; null: there is no such skip (and blocks are single)."""
    activation: one_of("gelu", "relu")
    """``gelu`` (exact) or ``relu``."""
    bias: one_of("none", "notebook")
    """``none``, or ``notebook``: everywhere but in query, key and value."""
    tied_embedding: bool
    """Whether the output layer shares the token embedding's matrix."""
    attention_scale: one_of("head", "model")
    """Scores are divided by the root of the ``head`` width or of the ``model`` width."""
    initialisation: one_of("nanogpt", "nanogpt-pairs", "torch")
    """``nanogpt``: N(0, 0.02), residual projections smaller, by the blocks; ``torch``: each layer's default.

    ``nanogpt-pairs``: by the attention/MLP pairs, so that a model of half as many double blocks starts alike.
    """
    initialisation_seed: one_of("run", "stream")
    """``run``: torch's generator seeded with the run's seed itself, as nanoGPT does; ``stream``: derived."""
    last_mlp_input: one_of("own", "second")
    """``own``, or ``second``: the last MLP of a double block reads the second sub-layer's input."""
    sublayers: one_of("attention+mlp", "attention") = added("attention+mlp")
    """What a layer is made of; ``attention``: no MLPs (after arXiv 2410.13732), and no skips but skip-1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_embd % self.n_head:
            said = f"{self.n_embd} is not a multiple of model.n_head ({self.n_head})"
            raise ConfigError(f"model.n_embd: {said}")
        if self.skip4_dropout is not None and self.n_layer % 2:
            said = f"{self.n_layer} is odd; skip-4 blocks hold two attention/MLP pairs each"
            raise ConfigError(f"model.n_layer: {said}")

        if self.sublayers == "attention" and (self.skip2_dropout, self.skip4_dropout) != (None, None):
            raise ConfigError(
                "model.sublayers: 'attention' leaves no pairs for skip-2 or skip-4; give null for both"
            )

    @property
    def block(self) -> list[str]:
        """Its sub-layers in their order."""
        return self.sublayers.split("+") * self.pairs_per_block

    @property
    def pairs_per_block(self) -> int:
        """Attention/MLP pairs in a block: two where a skip spans four sub-layers."""
        return 1 if self.skip4_dropout is None else 2

    @property
    def n_block(self) -> int:
        """Number of blocks, as the authors count them."""
        return self.n_layer // self.pairs_per_block


@dataclass(frozen=True, kw_only=True)
class ObjectiveSpec(ConsistencySpec):
    """The same total over a language model: means over the symbols of a batch, or their pairs s <= t."""

    name: str = "ce"
    alpha: float = added(0.0)
    beta: float = added(0.0)
    gamma: float = added(0.0)
    passes: one_of("mean", "sum") = added("mean")
    outputs: one_of("batchmean") = added("batchmean")
    hidden_layers: str = added("all")
    attention_layers: str = added("all")
    attention: one_of("scores", "probabilities", "dropped") = added("scores")
    layers: Reduction = added("mean")
    heads: Reduction = added("mean")
    tokens: Reduction = added("mean")
    hidden: one_of("block") = added("block")


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec(Schedule):
    """How long, in what batches, at which learning rate."""

    RISES_FROM: ClassVar = 0

    iterations: Count
    """Optimiser updates that the schedule spans."""
    stop_at: int | None
    """Train only this head of the schedule; null: all of it."""
    batch_size: Count
    """Windows of ``block_size`` characters an update."""
    min_learning_rate: float
    """The learning rate at the last iteration of a cosine."""
    warmup: Annotated[int, Limits(0)]
    """Iterations of linear rise from 0."""
    precision: one_of("fp32", "bf16")
    """``fp32`` (TF32 matrix products on CUDA), or ``bf16`` autocast."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("schedule.min_learning_rate", self.min_learning_rate, 0.0, self.learning_rate)
        if self.stop_at is not None:
            check_range("schedule.stop_at", self.stop_at, 1, self.iterations)

    @property
    def last_iteration(self) -> int:
        """Updates that are really made."""
        return self.iterations if self.stop_at is None else self.stop_at


@dataclass(frozen=True, kw_only=True)
class EvaluationSpec(Section):
    """What is measured while training; it never touches the streams that training draws from."""

    SECTION: ClassVar = "evaluation"

    every: Count
    """Iterations between two rows of the curve; iteration 0 and the last are always in it."""
    sampled_batches: Annotated[int, Limits(0)]
    """Random batches of each split that are scored besides the whole split, as the authors do; 0: none."""
    fewer_blocks: bool = added(False)
    """Whether the finished model's validation loss is also measured with fewer of its blocks."""
    mechanisms: bool = added(False)
    """Whether the finished model is also looked into; see docs/mechanisms.md."""
