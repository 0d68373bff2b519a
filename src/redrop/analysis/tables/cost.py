"""What a method costs: time an update, memory, latency, each against plain fine-tuning and R-Drop."""

from __future__ import annotations

import math
from typing import Any

from redrop.analysis.gains import BASELINE
from redrop.analysis.run_costs import median_costs
from redrop.analysis.scoring import in_order
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH, show_number
from redrop.analysis.table import Builder, Table

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
ORDER = 60
SECTION = "cost"

CAPTION = (
    "Time of a training update (evaluation left out), peak memory of the process, and the time of one "
    "example through the finished model (batch of one, median length, no dropout) or, where texts are "
    "generated, of decoding and scoring a test sentence (in batches, as the protocol says): medians over the "
    "n runs, and their ratios. Runs that shared their machine with others are slower; a benchmark compares "
    "the methods side by side."
)


def build(data: StudyResults) -> Table:
    """One row a configuration and task."""
    builder = Builder(COLUMNS, frozenset({"Configuration", "Device"}))
    for protocol, own in data.tasks().items():
        for number, task in enumerate(in_order(own)):
            rows = data.shown_groups(protocol, in_order(own))
            found = {config: median_costs(groups[number]) for config, groups in rows.items()}
            for config in rows:
                _add(builder, f"{protocol}, {task}", protocol, task, config, found)
    return builder.table("cost", f"{data.study.title}: cost", CAPTION)


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
    cells = {name: show_number(*number) for name, number in numbers.items()}
    cells |= {"Configuration": config, "n": str(own["n"] or DASH), "Device": own["device"] or DASH}
    raw = {"protocol": protocol, "task": task, "config": config, "n": own["n"]}
    raw |= {"ms_an_update": own["ms"], "peak_memory_mb": own["memory"], "latency_ms": own["latency"]}
    builder.row(section, cells, raw | ratios, [])
