"""A straight line from the highest learning rate to 0 at the end: fairseq's polynomial decay of power 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def rate(schedule: Any, update: int, warmup: int, updates: int, options: Mapping[str, Any]) -> float:
    """Linear in what is left."""
    return schedule.learning_rate * max(0.0, (updates - update) / max(1, updates - warmup))
