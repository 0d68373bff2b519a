"""Half a cosine, from the highest learning rate to ``min_learning_rate`` (0 without one) at the end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def rate(schedule: Any, update: int, warmup: int, updates: int, options: Mapping[str, Any]) -> float:
    """As nanoGPT computes it."""
    lowest = getattr(schedule, "min_learning_rate", 0.0)
    if update >= updates:
        return lowest
    done = (update - warmup) / (updates - warmup)
    return lowest + 0.5 * (1.0 + math.cos(math.pi * done)) * (schedule.learning_rate - lowest)
