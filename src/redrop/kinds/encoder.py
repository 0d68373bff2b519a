"""A released encoder with a new head, fine-tuned on labelled examples (paper A)."""

from __future__ import annotations

from redrop.kinds import EXAMPLES, Kind
from redrop.methods import WEIGHTS
from redrop.spec_encoder import (
    ConsistencySpec,
    EncoderSpec,
    FineTuneEvaluationSpec,
    FineTuneScheduleSpec,
    GlueDataSpec,
)

KIND = Kind(
    sections={
        "data": GlueDataSpec,
        "model": EncoderSpec,
        "objective": ConsistencySpec,
        "schedule": FineTuneScheduleSpec,
        "evaluation": FineTuneEvaluationSpec,
    },
    reads=EXAMPLES,
    task="redrop.training.classification:prepare",
    build="redrop.models.pretrained:load_encoder",
    weights=WEIGHTS,
    sites={
        "blocks": "redrop.models.sites:bert_blocks",
        "branches": "redrop.models.sites:bert_branches",
        "mlp_dropouts": "redrop.models.sites:bert_mlp_dropouts",
        "heads": "redrop.models.sites:bert_heads",
        "head": "redrop.models.sites:encoder_head",
        "embeddings": "redrop.models.sites:encoder_embeddings",
        "released": "redrop.models.sites:encoder_released",
    },
    shape="redrop.models.sizes:encoder_shape",
    shown=("score",),
    points=100.0,
    size=lambda model: model.checkpoint,
)
