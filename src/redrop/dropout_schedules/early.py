"""Early dropout (Dropout Reduces Underfitting, arXiv 2303.01500): only the first c updates have it.

    linear    p(t) = p (1 - t / (c - 1))  for t < c, both ends included;  constant    p(t) = p;  then 0

The authors' c is 50 of 300 epochs. c = 0 is training without dropout, constant with c = T is with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redrop.settings import Option

OPTIONS = {
    "dropout_cutoff": Option(1 / 6, 0.0, 1.0),  # c, as a share of all updates
    "dropout_shape": Option("linear", choices=("linear", "constant")),
}


def scale(update: int, updates: int, options: Mapping[str, Any]) -> float:
    """Down to 0 at update c - 1, and 0 from then on."""
    cutoff = round(options["dropout_cutoff"] * updates)
    if update >= cutoff:
        return 0.0
    return 1.0 if options["dropout_shape"] == "constant" else 1.0 - update / max(1, cutoff - 1)
