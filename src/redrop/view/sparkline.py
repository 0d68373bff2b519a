"""A curve in one line of text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = " "


def sparkline(values: Sequence[float | None], width: int = 40) -> str:
    """A block a value, from the lowest to the highest; a gap where there is none.

    More values than ``width`` are averaged in that many groups of neighbours.
    """
    means = [_mean(group) for group in _groups(values, width)]
    known = [value for value in means if value is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known)
    top = len(BLOCKS) - 1
    return "".join(
        GAP if value is None else BLOCKS[round(top * (value - low) / span) if span else 0] for value in means
    )


def _groups(values: Sequence[float | None], width: int) -> list[Sequence[float | None]]:
    count = min(width, len(values))
    edges = [number * len(values) // count for number in range(count + 1)] if count else []
    return [values[begin:end] for begin, end in itertools.pairwise(edges)]


def _mean(group: Sequence[float | None]) -> float | None:
    known = [value for value in group if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else None
