"""What a method costs: time an update, memory, latency, each against plain fine-tuning and R-Drop."""

from __future__ import annotations

import math
import statistics
from typing import Any

from redrop.analysis.collect import Group, Results
from redrop.analysis.names import Protocols
from redrop.analysis.paired import BASELINE, shown_groups
from redrop.analysis.reported import NOTHING, Reported
from redrop.analysis.scoring import in_order
from redrop.analysis.sections import corpora
from redrop.analysis.summary import DASH
from redrop.analysis.tables.table import Builder, Table
from redrop.provenance import read_provenance
from redrop.study import Study

COLUMNS = [
    "Configuration",
    "n",
    "ms an update",
    "time / ce",
    "time / R-Drop",
    "Peak memory, MB",
    "memory / ce",
    "memory / R-Drop",
    "Latency, ms",
    "latency / ce",
    "latency / R-Drop",
    "Device",
]
RDROP = "rdrop"

CAPTION = (
    "Time of a training update (evaluation left out), peak memory of the process, and the time of one "
    "example through the finished model (batch of one, median length, no dropout) or, where texts are "
    "generated, of decoding and scoring a test sentence (in batches, as the protocol says): medians over the "
    "n runs, and their ratios. Runs that shared their machine with others are slower; a benchmark compares "
    "the methods side by side."
)


def cost(
    results: Results,
    study: Study,
    reported: Reported = NOTHING,
    protocols: Protocols | None = None,
) -> Table:
    """One row a configuration and task."""
    del reported
    builder = Builder(COLUMNS, frozenset({"Configuration", "Device"}))
    for protocol, own in corpora(results, study, protocols).items():
        for number, task in enumerate(in_order(own)):
            rows = shown_groups(results, study, protocol, in_order(own))
            found = {config: measured(groups[number]) for config, groups in rows.items()}
            for config in rows:
                _add(builder, f"{protocol}, {task}", protocol, task, config, found)
    return builder.table("cost", f"{study.title}: cost", CAPTION)


def measured(group: Group) -> dict[str, Any]:
    """Medians over the group's runs; NaN where a run's provenance does not say."""
    found = [one for record in group.done if (one := read_provenance(record.folder)) is not None]

    def median(values: list[float]) -> float:
        known = [value for value in values if math.isfinite(value)]
        return statistics.median(known) if known else math.nan

    return {
        "n": len(found),
        "ms": median([one.milliseconds for one in found]),
        "memory": median([one.peak_megabytes for one in found]),
        "latency": median([one.latency for one in found]),
        "device": ", ".join(sorted({one.device or "" for one in found})),
    }


def _add(
    builder: Builder, section: str, protocol: str, task: str, config: str, found: dict[str, dict[str, Any]]
) -> None:
    own = found[config]
    numbers = {
        "ms an update": (own["ms"], ".0f"),
        "Peak memory, MB": (own["memory"], ".0f"),
        "Latency, ms": (own["latency"], ".1f"),
    }
    ratios = {}
    for than, title in ((BASELINE, "ce"), (RDROP, "R-Drop")):
        for what, word in (("ms", "time"), ("memory", "memory"), ("latency", "latency")):
            ratio = own[what] / found[than][what] if than in found else math.nan
            numbers[f"{word} / {title}"] = (ratio, ".2f")
            ratios[f"{word}_over_{than}"] = ratio
    cells = {
        name: f"{value:{form}}" if math.isfinite(value) else DASH for name, (value, form) in numbers.items()
    }
    cells |= {
        "Configuration": config,
        "n": str(own["n"]) if own["n"] else DASH,
        "Device": own["device"] or DASH,
    }
    raw = {"protocol": protocol, "task": task, "config": config, "n": own["n"]}
    raw |= {"ms_an_update": own["ms"], "peak_memory_mb": own["memory"], "latency_ms": own["latency"]}
    builder.row(section, cells, raw | ratios, [])
