"""A straight line from 0 to the full rate at the end, p(t) = p t / T: our own control for early and late.

Near to curriculum dropout (arXiv 1703.06229), which rises by 1 - exp(-10 t / T).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def scale(update: int, updates: int, options: Mapping[str, Any]) -> float:
    """0 in the first update."""
    return min(1.0, update / max(1, updates))
