"""Learning-rate schedules: how the rate goes on after the warm-up, a file each.

A file has a function ``rate(schedule, update, warmup, updates, options)``: the learning rate of the update
that follows ``update`` finished ones (``warmup`` at least) of ``updates``; ``schedule`` is the run's section,
``options`` what the file's ``OPTIONS`` (``redrop.settings``) are set to. Standard library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from redrop.registry import Registry, options_of

if TYPE_CHECKING:
    from redrop.spec import ScheduleSpec
    from redrop.spec_encoder import FineTuneScheduleSpec
    from redrop.spec_generation import GenerationScheduleSpec

    AnySchedule = ScheduleSpec | FineTuneScheduleSpec | GenerationScheduleSpec

SCHEDULES = Registry(__name__, "schedule")
"""``schedule.shape`` -> module."""
HIGHEST_RATE = 1e30
"""A learning rate that float32 still holds: on an accelerator it is a tensor."""


def learning_rate(schedule: AnySchedule, update: int, updates: int) -> float:
    """The learning rate of the update that follows ``update`` finished ones of ``updates``.

    Rises linearly over the warm-up: from 0 as nanoGPT's does, or from one step of the rise as fairseq's
    (``schedule.RISES_FROM``). Then as the schedule's file says.
    """
    warmup = schedule.warmup_updates(updates)
    if update < warmup:
        return schedule.learning_rate * (update + schedule.RISES_FROM) / warmup
    shape = SCHEDULES[schedule.shape]
    return shape.rate(schedule, update, warmup, updates, options_of(shape, schedule))
