"""What a run cost, as its provenance.json says; NaN where it does not."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from redrop.analysis.collect import Group
from redrop.record import PROVENANCE, RunRecord, read_json


@dataclass(frozen=True)
class RunCost:
    """A run and its provenance; an empty one where there is none."""

    record: RunRecord
    provenance: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, record: RunRecord) -> RunCost:
        """Read what lies beside the record."""
        path = record.folder / PROVENANCE
        return cls(record, read_json(path) if path.exists() else {})

    @property
    def seconds(self) -> float:
        """Training and evaluation together."""
        spent = self.provenance.get("seconds", {})
        return sum(spent.values()) if spent else math.nan

    @property
    def milliseconds(self) -> float:
        """Of an update."""
        return self.provenance.get("milliseconds_an_iteration", math.nan)

    @property
    def megabytes(self) -> float:
        """Peak memory: of the accelerator where there is one, else of the process."""
        peak = self.provenance.get("peak_memory_bytes", {})
        return peak.get("device", peak.get("host", math.nan)) / 1e6

    @property
    def latency(self) -> float:
        """Milliseconds an example: alone through the finished model, or its share of decoding in batches."""
        if "decoding" in self.provenance:
            decoding = self.provenance["decoding"]
            return 1e3 * decoding["seconds"] / max(1, decoding["sentences"])
        return self.provenance.get("latency_ms", math.nan)


def median(values: Iterable[float]) -> float:
    """Of the values that are numbers; NaN without any."""
    known = [value for value in values if math.isfinite(value)]
    return statistics.median(known) if known else math.nan


def measured(group: Group) -> dict[str, Any]:
    """Medians over the group's runs; NaN where a run's provenance does not say."""
    runs = [cost for cost in map(RunCost.of, group.done) if cost.provenance]
    return {
        "n": len(runs),
        "ms": median(run.milliseconds for run in runs),
        "memory": median(run.megabytes for run in runs),
        "latency": median(run.latency for run in runs),
        "device": ", ".join(sorted({run.provenance.get("device", "") for run in runs})),
    }
