"""The full rate to the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def scale(update: int, updates: int, options: Mapping[str, Any]) -> float:
    """Always the same."""
    return 1.0
