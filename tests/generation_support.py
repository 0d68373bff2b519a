"""Small runs of translation and summarisation on generated text, and batches made by hand."""

from __future__ import annotations

import atexit
import copy
import dataclasses
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from redrop import data
from redrop.data.text_pairs import Codec, Pairs, SymbolCodec, TextPairs
from redrop.evaluation.text_pairs import summaries, translations
from redrop.models.generation import build_transformer, load_generator
from redrop.objectives.consistency import output_consistency
from redrop.objectives.pairs import PairBatch
from redrop.spec import RunSpec
from redrop.spec_generation import (
    GenerationEvaluationSpec,
    GenerationObjectiveSpec,
    GeneratorSpec,
    TransformerSpec,
)
from redrop.training.generation import Generation
from redrop.training.trainer import Trainer

CPU = torch.device("cpu")
RATES = ("dropout", "attention_dropout", "activation_dropout")
SECTIONS: dict[str, dict[str, Any]] = {
    "data": {"task": "toy_xx_yy", "max_source": 64, "max_target": 64},
    "model": {
        "name": "transformer",
        "layers": 1,
        "width": 16,
        "feed_forward": 32,
        "heads": 2,
        "dropout": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.1,
    },
    "objective": {
        "name": "ce",
        "alpha": 0.0,
        "beta": 0.0,
        "gamma": 0.0,
        "passes": "sum",
        "outputs": "tokenmean",
        "hidden_layers": "all",
        "attention_layers": "all",
        "attention": "scores",
        "layers": "mean",
        "heads": "mean",
        "tokens": "mean",
        "label_smoothing": 0.1,
        "hidden_sides": "encoder+decoder",
        "attentions": "encoder+decoder+cross",
    },
    "optimiser": {
        "name": "adamw",
        "beta1": 0.9,
        "beta2": 0.98,
        "eps": 1e-9,
        "weight_decay": 1e-4,
        "decay": "all",
        "clip_norm": None,
    },
    "schedule": {
        "updates": 10,
        "batch_tokens": 160,
        "accumulation": 1,
        "shape": "inverse-sqrt",
        "learning_rate": 2e-3,
        "warmup": 4,
        "precision": "fp32",
        "gradient_checkpointing": False,
    },
    "evaluation": {
        "every": 4,
        "decoded": 4,
        "report": "best",
        "beam": 2,
        "length_penalty": 1.0,
        "min_length": 0,
        "max_length": 12,
        "max_ratio": 0.0,
        "no_repeat": 0,
        "batch_tokens": 400,
    },
}
RDROP = {"objective__name": "rdrop", "objective__gamma": 1.0}
LRDROP = {
    "objective__name": "lrdrop",
    "objective__alpha": 0.5,
    "objective__beta": 0.5,
    "objective__gamma": 1.0,
}
METHODS: dict[str, dict[str, Any]] = {"ce": {}, "rdrop": RDROP, "lrdrop": LRDROP}
NO_DROPOUT = {f"model__{rate}": 0.0 for rate in RATES}
TOY_BART = {"name": "generator", "checkpoint": "toy", "revision": None, **dict.fromkeys(RATES, 0.1)}
SUMMARIES = {"data__task": "toy_summaries", "model": TOY_BART, "evaluation__max_length": 8}


def generation_spec(seed: int = 1, config: str = "row", **settings: Any) -> RunSpec:
    """A small run; ``section__key`` changes a setting, ``section`` all of it."""
    sections = {name: dict(settings.get(name, values)) for name, values in SECTIONS.items()}
    for key, value in settings.items():
        section, _, name = key.partition("__")
        if name:
            sections[section][name] = value
    top = {"study": "translation", "protocol": "toy", "config": config, "seed": seed}
    return RunSpec.from_dict({**top, **sections})


def objective_of(**changes: Any) -> GenerationObjectiveSpec:
    """An objective with every term, weights 1."""
    every_term = {"name": "lrdrop", "alpha": 1.0, "beta": 1.0, "gamma": 1.0, "passes": "mean"}
    return GenerationObjectiveSpec(**(SECTIONS["objective"] | every_term | changes))


def search_of(**changes: Any) -> GenerationEvaluationSpec:
    """How outputs are searched for."""
    return GenerationEvaluationSpec(**(SECTIONS["evaluation"] | {"decoded": 0, "report": "last"} | changes))


@functools.cache
def data_root() -> Path:
    """A folder with both toys, prepared once a session."""
    folder = Path(tempfile.mkdtemp(prefix="redrop-toys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("toy_translation", "toy_summaries"):
        data.ready(name, folder)
    return folder


@functools.cache
def toy(task: str) -> TextPairs:
    """A toy task, encoded; nobody changes it."""
    spec = generation_spec(data__task=task)
    loaded = data.load(spec.data.data_set, data_root())
    return (translations if spec.data.translates else summaries)(spec, loaded, None)


def some(pairs: Pairs, count: int) -> Pairs:
    """The first pairs."""
    examples = np.arange(count)
    return Pairs(pairs.source.take(examples), pairs.target.take(examples))


def small(task: str, train: int, valid: int = 6, test: int = 6) -> TextPairs:
    """The first pairs of a toy's splits."""
    pairs, sizes = toy(task), {"train": train, "valid": valid, "test": test}
    return dataclasses.replace(
        pairs,
        splits={name: some(pairs.splits[name], count) for name, count in sizes.items()},
        references={name: pairs.references[name][:count] for name, count in sizes.items()},
    )


@functools.cache
def _built(spec: TransformerSpec | GeneratorSpec, codec: Codec, seed: int) -> PreTrainedModel:
    if spec.name == "transformer":
        return build_transformer(spec, None, codec, seed)
    return load_generator(spec, None, codec, seed)


def model_for(spec: TransformerSpec | GeneratorSpec, codec: Codec, seed: int) -> PreTrainedModel:
    """A model as a run makes it; a copy, because its table of sinusoids takes a while."""
    return copy.deepcopy(_built(spec, codec, seed))


def trainer_of(spec: RunSpec, pairs: TextPairs | None = None, scratch: Path | None = None) -> Trainer:
    """The run's trainer on a CPU; ``pairs``: other than the whole toy."""
    pairs = toy(spec.task) if pairs is None else pairs
    model = model_for(spec.model, pairs.codec, spec.seed)
    return Trainer(Generation(spec, pairs, model, CPU, scratch))


@functools.cache
def overfitted() -> Trainer:
    """A model that knows 12 sentences by heart, trained without dropout; nobody changes it."""
    spec = generation_spec(
        **NO_DROPOUT,
        model__width=32,
        model__heads=4,
        schedule__updates=90,
        schedule__shape="constant",
        schedule__learning_rate=5e-3,
        schedule__batch_tokens=200,
    )
    trainer = trainer_of(spec, small("toy_xx_yy", 12))
    while trainer.iteration < spec.schedule.updates:
        trainer.step()
    return trainer


CODEC = SymbolCodec([f"w{number}" for number in range(30)])
SOURCE_LENGTHS, TARGET_LENGTHS = (7, 5, 2), (4, 6, 3)


def model_of(kind: str, dropout: float = 0.1, attention: str = "eager", **sizes: int) -> PreTrainedModel:
    """A ``marian`` of two layers, or the toy ``bart``; equal weights every time, in training mode."""
    sections = {"bart": {"model": TOY_BART}, "marian": {"model__layers": 2}}
    sections["marian"] |= {f"model__{key}": value for key, value in sizes.items()}
    spec = generation_spec(**sections[kind]).model
    model = model_for(dataclasses.replace(spec, **dict.fromkeys(RATES, dropout)), CODEC, 1)
    model.set_attn_implementation(attention)
    return model.train()


def pair_batch(more: int = 0, seed: int = 0) -> PairBatch:
    """Three pairs, shorter ones padded; ``more``: columns of padding behind the longest."""
    draw = torch.Generator().manual_seed(seed)
    sides = []
    for lengths in (SOURCE_LENGTHS, TARGET_LENGTHS):
        tokens = torch.randint(3, CODEC.size, (3, max(lengths)), generator=draw)
        real = torch.arange(max(lengths) + more) < torch.tensor(lengths)[:, None]
        tokens = torch.cat([tokens, torch.zeros(3, more, dtype=torch.long)], dim=1)
        ends = real & ~torch.cat([real[:, 1:], torch.zeros(3, 1, dtype=torch.bool)], dim=1)
        sides += [torch.where(real, torch.where(ends, CODEC.end, tokens), CODEC.pad), real]
    return PairBatch(*sides, start=CODEC.end)


def token_consistency(logits_2BTV: torch.Tensor, real_BT: torch.Tensor) -> torch.Tensor:
    """The divergence of both passes' distributions, mean over the real target tokens."""
    rows = [half[real_BT] for half in logits_2BTV.chunk(2)]
    return output_consistency(torch.cat(rows), "tokenmean")
