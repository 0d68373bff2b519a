"""The slice of the loss around a run's solution, as its record keeps it, and how steep it is."""

from __future__ import annotations

import math

from redrop.errors import RecordError
from redrop.record import REMEDY, RunRecord, read_json

LANDSCAPE = "landscape.json"


def slice_of(record: RunRecord) -> list[tuple[float, float]]:
    """(distance, loss) along the run's one direction, the solution at 0; empty where it was not measured."""
    path = record.folder / LANDSCAPE
    if not path.exists():
        return []
    try:
        return [(by, loss) for by, loss in read_json(path)["slice"]]
    except (KeyError, TypeError, ValueError) as error:
        raise RecordError(f"{path}: no landscape ({error!r}); {REMEDY}") from error


def rise(record: RunRecord) -> float:
    """By how much the mean loss along the slice exceeds that of the solution: small where it is flat.

    NaN where there is no slice, or a loss on it is not finite.
    """
    points = slice_of(record)
    if not points:
        return math.nan
    losses = [math.nan if loss is None else loss for _, loss in points]
    middle = min(range(len(points)), key=lambda place: abs(points[place][0]))
    return sum(losses) / len(losses) - losses[middle]
