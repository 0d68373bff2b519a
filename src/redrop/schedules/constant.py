"""The highest learning rate to the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def rate(schedule: Any, update: int, warmup: int, updates: int, options: Mapping[str, Any]) -> float:
    """Always the same."""
    return schedule.learning_rate
