"""A curve in one line of text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from statistics import fmean

BLOCKS = "▁▂▃▄▅▆▇█"
GAP = " "


def sparkline(values: Sequence[float | None], width: int = 40) -> str:
    """A block a value, from the lowest to the highest; a gap where there is none.

    More values than ``width`` are averaged in that many groups of neighbours.
    """
    count = min(width, len(values))
    edges = [number * len(values) // count for number in range(count + 1)] if count else []
    groups = [values[begin:end] for begin, end in itertools.pairwise(edges)]
    finite = [[one for one in group if one is not None and math.isfinite(one)] for group in groups]
    means = [fmean(group) if group else None for group in finite]
    known = [mean for mean in means if mean is not None]
    if not known:
        return ""
    low, span = min(known), max(known) - min(known) or 1.0
    top = len(BLOCKS) - 1
    return "".join(GAP if mean is None else BLOCKS[round(top * (mean - low) / span)] for mean in means)
