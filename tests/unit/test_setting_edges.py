"""Edges of numeric settings: refused by the spec, with key, value and what is allowed, or trained with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune_support import glue_spec
from generation_support import generation_spec, small, trainer_of
from redrop.data.corpus import Corpus
from redrop.errors import ConfigError
from redrop.spec import RunSpec
from redrop.training.language_model import LanguageModelling
from redrop.training.trainer import Trainer
from support import small_spec, values_of

KINDS: dict[str, Callable[[], RunSpec]] = {
    "language model": small_spec,
    "encoder": glue_spec,
    "encoder-decoder": generation_spec,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("optimiser.beta1", 1.0, "[0.0, 1.0)"),
        ("optimiser.beta2", 1, "[0.0, 1.0)"),
        ("optimiser.beta1", -0.1, "[0.0, 1.0)"),
        ("optimiser.beta2", 1.5, "[0.0, 1.0)"),
        ("optimiser.eps", -1e-9, "at least 0.0"),
        ("optimiser.weight_decay", -1.0, "at least 0.0"),
        ("schedule.learning_rate", 1e300, "[0.0, 1e+30]"),
    ],
)
def test_an_edge_that_torch_refuses_is_refused_before(
    kind: str, key: str, value: float, allowed: str
) -> None:
    refused(KINDS[kind](), key, value, allowed)


@pytest.mark.parametrize(
    ("kind", "key", "value", "allowed"),
    [
        ("encoder", "schedule.epochs", 1e308, "1000000000.0]"),
        ("encoder", "objective.hidden_layers", "9" * 5000, "a number such as 3"),
        ("encoder", "objective.attention_layers", "1-" + "9" * 5000, "a range such as 3-6"),
        ("encoder-decoder", "objective.hidden_layers", "9" * 5000, "a number such as 3"),
        ("encoder-decoder", "evaluation.length_penalty", 1e300, "[-50.0, 50.0]"),
        ("encoder-decoder", "evaluation.length_penalty", -1e300, "[-50.0, 50.0]"),
        ("encoder-decoder", "evaluation.max_ratio", 1e308, "1000000000.0]"),
    ],
)
def test_an_edge_that_overflows_is_refused(kind: str, key: str, value: float | str, allowed: str) -> None:
    refused(KINDS[kind](), key, value, allowed)


def refused(spec: RunSpec, key: str, value: float | str, allowed: str) -> None:
    values = values_of(spec)
    section, name = key.split(".")
    values[section][name] = value
    if key == "schedule.epochs":
        values[section]["updates"] = None
    with pytest.raises(ConfigError) as error:
        RunSpec.from_dict(values)
    told = str(error.value)
    assert told.startswith(f"{key}: {float(value) if not isinstance(value, str) else value!r}")
    assert allowed in told


@pytest.mark.parametrize(
    "settings",
    [
        {"optimiser__beta1": 0.0, "optimiser__beta2": 0.0},
        {"optimiser__beta1": 0.999999, "optimiser__beta2": 0.999999},
        {"optimiser__eps": 0.0},
        {"optimiser__clip_norm": 1e-12},
        {"schedule__learning_rate": 0.0, "schedule__min_learning_rate": 0.0},
        {"schedule__learning_rate": 1e30},
        {"schedule__warmup": 2**62},
        {"model__mlp_dropout": 1.0, "model__attention_dropout": 1.0},
    ],
)
def test_an_allowed_edge_is_trained_with(settings: dict[str, Any], toy_corpus: Corpus) -> None:
    trainer = Trainer(LanguageModelling(small_spec(**settings), toy_corpus, torch.device("cpu")))
    losses = [trainer.step() for _ in range(2)]
    assert torch.isfinite(losses[0]).all()


@pytest.mark.parametrize("penalty", [-50.0, 0.0, 50.0])
def test_an_allowed_length_penalty_is_searched_with(penalty: float, tmp_path: Path) -> None:
    trainer = trainer_of(generation_spec(evaluation__length_penalty=penalty), small("toy_xx_yy", 6, 2, 2))
    assert len(trainer.task.hypotheses(trainer.task.valid, "valid")) == 2
