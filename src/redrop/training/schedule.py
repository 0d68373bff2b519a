"""Learning rate over iterations, as nanoGPT computes it."""

from __future__ import annotations

import math

from redrop.spec import ScheduleSpec


def learning_rate(schedule: ScheduleSpec, iteration: int) -> float:
    """The learning rate of the update that follows ``iteration`` finished updates.

    Linear from 0 over ``warmup`` iterations, then constant, or a half cosine that reaches
    ``min_learning_rate`` at ``iterations``.
    """
    if iteration < schedule.warmup:
        return schedule.learning_rate * iteration / schedule.warmup
    if schedule.shape == "constant":
        return schedule.learning_rate
    if iteration >= schedule.iterations:
        return schedule.min_learning_rate
    done = (iteration - schedule.warmup) / (schedule.iterations - schedule.warmup)
    span = schedule.learning_rate - schedule.min_learning_rate
    return schedule.min_learning_rate + 0.5 * (1.0 + math.cos(math.pi * done)) * span
