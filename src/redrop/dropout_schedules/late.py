"""Late dropout (Dropout Reduces Underfitting, arXiv 2303.01500): the first c updates have none.

    p(t) = 0  for t < c;  then p

The authors' c is 50 of 300 epochs. c = 0 is training with dropout throughout.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redrop.settings import Option

OPTIONS = {"dropout_cutoff": Option(1 / 6, 0.0, 1.0)}  # c, as a share of all updates


def scale(update: int, updates: int, options: Mapping[str, Any]) -> float:
    """All or nothing."""
    return float(update >= round(options["dropout_cutoff"] * updates))
