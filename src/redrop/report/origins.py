"""Where, from what and at what cost runs were made, as their own files say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from redrop.analysis.collect import Results
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


def spent(runs: list[Run]) -> list[dict[str, Any]]:
    """One line a protocol, task and device: runs, hours of all together, medians; NaN where not recorded.

    Runs that were trained in one process are counted by their shares of its time.
    """
    import pandas as pd

    columns = ["protocol", "task", "device", "seconds", "milliseconds", "megabytes"]
    rows = []
    for run in runs:
        spec, made = run.record.spec, run.provenance
        place = spec.protocol, spec.task, run.device
        rows.append([*place, made.total_seconds, made.milliseconds, made.peak_megabytes])
    groups = pd.DataFrame(rows, columns=columns).groupby(columns[:3], sort=False)
    found = groups[columns[3:]].median()
    found["minutes"] = found["seconds"] / 60
    found["hours"] = groups["seconds"].sum(min_count=1) / 3600
    found["runs"] = groups.size()
    return found.reset_index().to_dict("records")


def facts(runs: list[Run]) -> list[tuple[str, str, int]]:
    """(what, value, in how many runs): commits, devices, versions, data with checksums."""
    found: dict[str, Counter[str]] = {}
    for run in runs:
        made = run.provenance
        said = [("commit", run.commit), ("device", run.device), ("Python", made.python)]
        said += [("platform", made.platform), *sorted(made.packages.items())]
        said += [("data", describe(run.record.data)), ("data came from", made.data.get("origin"))]
        said += [("finished on", (made.finished or "")[:10])]
        for what, value in said:
            found.setdefault(what, Counter())[str(value or UNKNOWN)] += 1
    return [(what, value, n) for what, counts in found.items() for value, n in sorted(counts.items())]


def describe(data: dict[str, Any]) -> str:
    """A run's data: name, edition and every checksum that was recorded."""
    import pandas as pd

    head = ", ".join(str(data[key]) for key in ("name", "edition") if data.get(key))
    [flat] = pd.json_normalize(data, sep=" ").to_dict("records")
    return "; ".join([head, *(f"{key} {flat[key]}" for key in sorted(flat) if "sha256" in key)])
