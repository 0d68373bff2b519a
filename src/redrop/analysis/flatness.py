"""The slice of the loss around a run's solution, as its record keeps it, and how steep it is."""

from __future__ import annotations

import math
from typing import Any

from redrop.errors import RecordError
from redrop.record import REMEDY, RunRecord, read_json

LANDSCAPE = "landscape.json"
RADIUS, DIRECTIONS = 0.2, 5
"""How far from the solution flatness is judged, in norms of the weights, and along how many directions."""


def landscape_of(record: RunRecord) -> dict[str, Any]:
    """``slice``: (distance, loss) around the solution at 0, mean over the ``directions``; of which ``split``.

    Empty where it was not measured.
    """
    path = record.folder / LANDSCAPE
    if not path.exists():
        return {}
    try:
        document = read_json(path)
        return document | {"slice": [(by, loss) for by, loss in document["slice"]]}
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{path}: no landscape ({error!r}); {REMEDY}") from error


def rise(record: RunRecord) -> float:
    """By how much the mean training loss within ``RADIUS`` exceeds the solution's: small where it is flat.

    NaN where no slice was measured on training examples along ``DIRECTIONS`` directions, or where a loss on
    it is not finite. (A slice of the development loss also has how well the solution generalises in it, and
    far from the solution every loss is that of chance.)
    """
    found = landscape_of(record)
    if found.get("split") != "train" or found.get("directions", 1) < DIRECTIONS:
        return math.nan
    points = [(by, loss) for by, loss in found["slice"] if abs(by) <= RADIUS + 1e-9]
    losses = [math.nan if loss is None else loss for _, loss in points]
    middle = min(range(len(points)), key=lambda place: abs(points[place][0]))
    return sum(losses) / len(losses) - losses[middle] if len(points) > 2 else math.nan
