"""Dropout schedules: what the rates of a model are multiplied by in the course of training, a file each.

A file has a function ``scale(update, updates, options)``: the factor, from 0 to 1, of the update that follows
``update`` finished ones of ``updates``; ``options`` is what the file's ``OPTIONS`` (``redrop.settings``) are
set to. Standard library only.

A schedule acts on the ordinary, inverted dropout: embeddings, attention, what attention and MLP put out; in
models of ``transformers`` everything below the classifier. Paper B's skip dropout, which is the model itself,
and the classifier's rate stay as they are. So do measurements with dropout after training: they have the full
rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from redrop.registry import Registry, options_of
from redrop.settings import SectionWithPart, added

DROPOUT_SCHEDULES = Registry(__name__, "dropout schedule")
"""``model.dropout_schedule`` -> module."""


@dataclass(frozen=True, kw_only=True)
class DropoutSchedule(SectionWithPart):
    """The part of a model's section that says how its dropout rates go on."""

    SECTION: ClassVar = "model"
    PART: ClassVar = ("dropout_schedule", DROPOUT_SCHEDULES)

    dropout_schedule: str = added("constant")
    """How the dropout rates go on in the course of training; see ``redrop.dropout_schedules``."""


def dropout_scale(model: Any, update: int, updates: int) -> float:
    """The factor of a model section's rates in the update after ``update`` finished ones of ``updates``."""
    schedule = DROPOUT_SCHEDULES[getattr(model, "dropout_schedule", "constant")]
    return schedule.scale(update, updates, options_of(schedule, model))
