"""Drawing the rows of a generated data set: always the same ones, and none twice."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Row = TypeVar("Row", bound=Hashable)


def distinct_rows(
    name: str,
    counts: Mapping[str, int],
    draw_row: Callable[[random.Random, int], Row],
    shuffled: bool = False,
) -> dict[str, list[Row]]:
    """So many rows of each split, none twice within a split or across them, in the end ``shuffled``.

    `draw_row` makes a row, given how many its split has so far.
    """
    seen: set[Row] = set()
    splits = {}
    for split, count in counts.items():
        # Seeded by a text, so that neither a hash nor the other splits come into it.
        draw = random.Random(f"redrop/{name}/{split}")
        drawn: list[Row] = []
        while len(drawn) < count:
            row = draw_row(draw, len(drawn))
            if row not in seen:
                seen.add(row)
                drawn.append(row)
        if shuffled:
            draw.shuffle(drawn)
        splits[split] = drawn
    return splits
