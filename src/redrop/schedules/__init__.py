"""Learning-rate schedules: how the rate goes on after the warm-up, a file each.

A file has a function ``rate(schedule, update, warmup, updates, options)``: the learning rate of the update
that follows ``update`` finished ones (``warmup`` at least) of ``updates``; ``schedule`` is the run's section,
``options`` what the file's ``OPTIONS`` (``redrop.settings``) are set to. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from redrop.registry import Registry, options_of
from redrop.settings import Limits, SectionWithPart

SCHEDULES = Registry(__name__, "schedule")
"""``schedule.shape`` -> module."""
HIGHEST_RATE = 1e30
"""A learning rate that float32 still holds: on an accelerator it is a tensor."""


@dataclass(frozen=True, kw_only=True)
class Schedule(SectionWithPart):
    """What every kind of model has in its section ``schedule``."""

    SECTION: ClassVar = "schedule"
    PART: ClassVar = ("shape", SCHEDULES)
    RISES_FROM: ClassVar[int]
    """The warm-up's first update has so many of its steps: 0 as nanoGPT's, 1 as fairseq's."""

    shape: str
    """How the learning rate goes on after the warm-up; see ``redrop.schedules``."""
    learning_rate: Annotated[float, Limits(0.0, HIGHEST_RATE)]
    """The highest learning rate."""

    def warmup_updates(self, updates: int) -> int:
        """Updates of the warm-up, of ``updates`` in all."""
        return self.warmup


def learning_rate(schedule: Schedule, update: int, updates: int) -> float:
    """The learning rate of the update that follows ``update`` finished ones of ``updates``.

    Rises linearly over the warm-up: from 0 as nanoGPT's does, or from one step of the rise as fairseq's
    (``schedule.RISES_FROM``). Then as the schedule's file says.
    """
    warmup = schedule.warmup_updates(updates)
    if update < warmup:
        return schedule.learning_rate * (update + schedule.RISES_FROM) / warmup
    shape = SCHEDULES[schedule.shape]
    return shape.rate(schedule, update, warmup, updates, options_of(shape, schedule))
