"""Specs that tests vary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from redrop.spec import RunSpec
from redrop.study import Study, load_study, make_spec

PROJECT = Path(__file__).resolve().parents[1]
STUDY: Study = load_study(PROJECT / "config/studies/residual.yaml", PROJECT)

SMALL: dict[str, Any] = {
    "model.n_layer": 2,
    "model.n_head": 2,
    "model.n_embd": 16,
    "model.block_size": 16,
    "schedule.iterations": 12,
    "schedule.batch_size": 4,
    "schedule.warmup": 2,
    "evaluation.every": 5,
    "engine.name": "single",
    "engine.lanes": 1,
}


def spec_of(config: str = "a2r025", protocol: str = "authors", seed: int = 1, **settings: Any) -> RunSpec:
    """A row of the study at its own size; settings are written section__name=value."""
    override = {key.replace("__", "."): value for key, value in settings.items()}
    return make_spec(STUDY, protocol, config, "tiny_shakespeare", seed, override)


def small_spec(config: str = "a2r025", protocol: str = "authors", seed: int = 1, **settings: Any) -> RunSpec:
    """The same at a size that trains in a fraction of a second."""
    small = {key.replace(".", "__"): value for key, value in SMALL.items()}
    return spec_of(config, protocol, seed, **(small | settings))


def values_of(spec: RunSpec) -> dict[str, Any]:
    """The spec as plain values that a test may spoil."""
    return json.loads(spec.to_json())
