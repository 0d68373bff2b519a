"""A released encoder-decoder, such as BART (paper A)."""

from __future__ import annotations

from typing import Any

from redrop.errors import ConfigError
from redrop.kinds import PAIRS, Kind
from redrop.methods import WEIGHTS
from redrop.spec_generation import SECTIONS, GeneratorSpec


def check(spec: Any) -> None:
    """A released model brings a vocabulary of its own."""
    if spec.data.translates and spec.model.checkpoint != "toy":
        raise ConfigError(
            f"model.checkpoint: {spec.model.checkpoint} has a vocabulary of its own, but "
            f"{spec.data.task} is read as BPE symbols; give model.name: transformer"
        )


KIND = Kind(
    sections={"model": GeneratorSpec, **SECTIONS},
    reads=PAIRS,
    task="redrop.training.generation:prepare",
    build="redrop.models.generation:load_generator",
    weights=WEIGHTS,
    sites={"released": "redrop.models.sites:generator_released"},
    shape="redrop.models.sizes:generator_shape",
    shown=("score",),
    decodes=True,
    size=lambda model: model.checkpoint,
    check=check,
)
