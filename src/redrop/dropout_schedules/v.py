"""DropHead's schedule (arXiv 2004.13342), a V: down to 0 at update c, then up to the full rate at the end.

    p(t) = p |c - t| / c  for t < c;  p (t - c) / (T - c)  from then on

The paper's c is the end of the warm-up, given here from memory of it, not from code; c = T / 10 is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redrop.settings import Option

OPTIONS = {"dropout_turn": Option(0.1, 0.0, 1.0)}  # c, as a share of all updates


def scale(update: int, updates: int, options: Mapping[str, Any]) -> float:
    """Two straight lines."""
    turn = round(options["dropout_turn"] * updates)
    if update < turn:
        return (turn - update) / turn
    return min(1.0, (update - turn) / max(1, updates - turn))
