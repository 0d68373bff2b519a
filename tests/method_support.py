"""Runs of methods on the small models, as tests vary them."""

from __future__ import annotations

from typing import Any

import torch

from redrop.data.corpus import Corpus
from redrop.spec import RunSpec
from redrop.training.language_model import LanguageModelling
from redrop.training.trainer import Trainer
from support import small_spec, values_of

CPU = torch.device("cpu")


def method_spec(name: str, seed: int = 1, options: dict[str, Any] | None = None, **settings: Any) -> RunSpec:
    """A small decoder of the pre-norm stream with dropout 0.2 at all four sites, by a method."""
    values = values_of(small_spec("a2r0", seed=seed, schedule__iterations=12))
    for key, value in settings.items():
        section, _, setting = key.partition("__")
        values[section][setting] = value
    return RunSpec.from_dict(values | {"objective": {"name": name, **(options or {})}})


def trainer_of(spec: RunSpec, corpus: Corpus) -> Trainer:
    """Ready to train on a CPU."""
    return Trainer(LanguageModelling(spec, corpus, CPU))
