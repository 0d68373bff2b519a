"""A Transformer with random weights, trained to translate or to summarise (paper A)."""

from __future__ import annotations

from redrop.kinds import PAIRS, Kind
from redrop.methods import WEIGHTS
from redrop.spec_generation import SECTIONS, TransformerSpec

KIND = Kind(
    sections={"model": TransformerSpec, **SECTIONS},
    reads=PAIRS,
    task="redrop.training.generation:prepare",
    build="redrop.models.generation:build_transformer",
    weights=WEIGHTS,
    shape="redrop.models.sizes:transformer_shape",
    shown=("score",),
    decodes=True,
    size=lambda model: f"{model.layers} + {model.layers} x {model.width}",
)
