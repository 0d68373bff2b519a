"""Where, from what and at what cost runs were made, as their own files say."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from redrop.analysis.collect import Results
from redrop.analysis.run_costs import median
from redrop.provenance import Provenance, read_provenance
from redrop.record import RunRecord

UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Run:
    """A run and its provenance; an empty one where there is none."""

    record: RunRecord
    provenance: Provenance

    @property
    def device(self) -> str:
        """The processor or accelerator."""
        return self.provenance.device or UNKNOWN

    @property
    def commit(self) -> str:
        """The project's commit, short; says where files differed from it."""
        git = self.provenance.git
        if not git.get("commit"):
            return UNKNOWN
        return git["commit"][:12] + (" with local changes" if git.get("dirty") else "")


def runs_of(results: Results) -> list[Run]:
    """Every run with its provenance."""
    return [Run(record, read_provenance(record.folder) or Provenance()) for record in results.records]


@dataclass(frozen=True)
class Spent:
    """Cost of the runs of one protocol and task on one device."""

    protocol: str
    task: str
    device: str
    runs: int
    hours: float
    """All runs together; those that were trained in one process are counted by their shares."""
    minutes: float
    """Median of a run."""
    milliseconds: float
    megabytes: float


def spent(runs: list[Run]) -> list[Spent]:
    """One line a protocol, task and device; NaN where nothing is recorded."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        spec = run.record.spec
        groups.setdefault((spec.protocol, spec.task, run.device), []).append(run)
    lines = []
    for place, own in groups.items():
        seconds = [run.provenance.total_seconds for run in own]
        known = [value for value in seconds if math.isfinite(value)]
        lines.append(
            Spent(
                *place,
                len(own),
                sum(known) / 3600 if known else math.nan,
                median(known) / 60,
                median(run.provenance.milliseconds for run in own),
                median(run.provenance.peak_megabytes for run in own),
            )
        )
    return lines


def facts(runs: list[Run]) -> list[tuple[str, str, int]]:
    """(what, value, in how many runs): commits, devices, versions, data with checksums."""
    found: dict[str, Counter[str]] = {}

    def add(what: str, value: Any) -> None:
        found.setdefault(what, Counter())[UNKNOWN if value in (None, "") else str(value)] += 1

    for run in runs:
        provenance = run.provenance
        add("commit", run.commit)
        add("device", run.device)
        add("Python", provenance.python)
        add("platform", provenance.platform)
        for name, version in sorted(provenance.packages.items()):
            add(name, version)
        data = run.record.data
        add("data", describe(data))
        add("data came from", provenance.data.get("origin"))
        add("finished on", (provenance.finished or "")[:10])
    return [(what, value, n) for what, counts in found.items() for value, n in sorted(counts.items())]


def describe(data: dict[str, Any]) -> str:
    """A run's data: name, edition and every checksum that was recorded."""
    head = ", ".join(str(data[key]) for key in ("name", "edition") if data.get(key))
    sums = [f"{key} {value}" for key, value in _flat(data) if "sha256" in key]
    return "; ".join([head, *sums])


def _flat(value: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, own in sorted(value.items()):
        name = f"{before}{key}"
        pairs += _flat(own, f"{name} ") if isinstance(own, dict) else [(name, own)]
    return pairs
