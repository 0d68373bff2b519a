"""Small fine-tuning runs on generated tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from redrop import data
from redrop.spec import RunSpec
from redrop.training.classification import Classification
from redrop.training.trainer import Trainer

CPU = torch.device("cpu")
SECTIONS: dict[str, dict[str, Any]] = {
    "data": {"task": "toy_pairs", "max_length": 64, "train_fraction": 1.0, "evaluate_on": "dev"},
    "model": {
        "name": "encoder",
        "checkpoint": "toy",
        "revision": None,
        "hidden_dropout": None,
        "attention_dropout": None,
        "classifier_dropout": None,
    },
    "objective": {
        "name": "ce",
        "alpha": 0.0,
        "beta": 0.0,
        "gamma": 0.0,
        "passes": "mean",
        "outputs": "batchmean",
        "hidden_layers": "all",
        "attention_layers": "all",
        "attention": "scores",
        "layers": "mean",
        "heads": "mean",
        "tokens": "mean",
    },
    "optimiser": {
        "name": "adamw",
        "beta1": 0.9,
        "beta2": 0.98,
        "eps": 1e-6,
        "weight_decay": 0.01,
        "decay": "matrices",
        "clip_norm": 1.0,
    },
    "schedule": {
        "epochs": None,
        "updates": 12,
        "batch_size": 32,
        "accumulation": 1,
        "bucket_batches": 10,
        "shape": "linear",
        "learning_rate": 1e-3,
        "warmup": 0.06,
        "precision": "fp32",
        "gradient_checkpointing": False,
    },
    "evaluation": {"batch_size": 64, "inconsistency_passes": 0, "landscape_points": 0},
}
LRDROP = {
    "objective__name": "lrdrop",
    "objective__alpha": 0.1,
    "objective__beta": 0.1,
    "objective__gamma": 1.0,
}
RDROP = {"objective__name": "rdrop", "objective__gamma": 1.0}


def glue_spec(seed: int = 1, config: str = "row", **settings: Any) -> RunSpec:
    """A small fine-tuning run; ``section__key`` changes a setting."""
    sections = {name: dict(values) for name, values in SECTIONS.items()}
    for key, value in settings.items():
        section, _, name = key.partition("__")
        sections[section][name] = value
    return RunSpec.from_dict({"study": "glue", "protocol": "toy", "config": config, "seed": seed, **sections})


def toy_task(name: str, root: Path) -> Path:
    """A generated task, prepared below ``root``; returns its folder."""
    folder = root / f"glue_{name}"
    if not folder.exists():
        data.fetch(f"glue_{name}", root / "raw" / name)
        data.prepare(f"glue_{name}", root / "raw" / name, folder)
    return folder


def tuner(spec: RunSpec, root: Path, model: Path | None = None, device: torch.device = CPU) -> Trainer:
    """The run's trainer."""
    task = data.get(f"glue_{spec.task}").load(toy_task(spec.task, root))
    return Trainer(Classification(spec, task, model, device, root / "tokens"))
