"""Falls with the root of the update, as fairseq's ``inverse_sqrt`` does; needs a warm-up to fall from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def rate(schedule: Any, update: int, warmup: int, updates: int, options: Mapping[str, Any]) -> float:
    """The highest at the end of the warm-up, or of the first update without one."""
    return schedule.learning_rate * math.sqrt(max(1, warmup) / max(1, update + schedule.RISES_FROM))
