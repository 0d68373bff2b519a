"""The character GPT of paper B, whose skips have dropout."""

from __future__ import annotations

from redrop.kinds import WINDOWS, Kind
from redrop.methods import SITES, WEIGHTS
from redrop.spec_language_model import (
    DataSpec,
    EvaluationSpec,
    ObjectiveSpec,
    ResidualGPTSpec,
    ScheduleSpec,
)

NAME = "residual_gpt"
OTHERS = ("mlp_dropouts", "released")
"""Sites that it does not have."""
KIND = Kind(
    sections={
        "data": DataSpec,
        "model": ResidualGPTSpec,
        "objective": ObjectiveSpec,
        "schedule": ScheduleSpec,
        "evaluation": EvaluationSpec,
    },
    reads=WINDOWS,
    task="redrop.training.language_model:prepare",
    build="redrop.models.residual_gpt:build",
    weights=WEIGHTS,
    sites={site: f"redrop.models.sites:gpt_{site}" for site in SITES if site not in OTHERS},
    pack="redrop.training.pack:PackTrainer",
    shape="redrop.models.sizes:residual_shape",
    gradient_part="redrop.training.gradients:part_of",
    shown=("val_loss_last", "val_loss_best", "train_loss_last"),
    size=lambda model: f"{model.n_layer} x {model.n_embd}",
)
