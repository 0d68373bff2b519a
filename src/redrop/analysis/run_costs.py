"""What the runs of a configuration cost, as their provenance says; NaN where it does not."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from typing import Any

from redrop.analysis.collect import Group
from redrop.provenance import read_provenance


def median(values: Iterable[float]) -> float:
    """Of the values that are numbers; NaN without any."""
    known = [value for value in values if math.isfinite(value)]
    return statistics.median(known) if known else math.nan


def median_costs(group: Group) -> dict[str, Any]:
    """Medians over the group's runs; NaN where a run's provenance does not say."""
    found = [one for record in group.done if (one := read_provenance(record.folder)) is not None]
    return {
        "n": len(found),
        "ms": median(one.milliseconds for one in found),
        "memory": median(one.peak_megabytes for one in found),
        "latency": median(one.latency for one in found),
        "device": ", ".join(sorted({one.device or "" for one in found})),
    }
