"""What a method costs: time an update, memory, latency, each against plain fine-tuning and R-Drop."""

from __future__ import annotations

import math

from redrop.analysis.gains import BASELINE
from redrop.analysis.run_costs import median_costs
from redrop.analysis.scoring import in_order
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH
from redrop.analysis.table import Builder, Table

COLUMNS = {
    "Configuration": "{config}",
    "n": "{shown_n}",
    "ms an update": "{ms_an_update:.0f}",
    "time / ce": "{time_over_ce:.2f}",
    "time / R-Drop": "{time_over_rdrop:.2f}",
    "Peak memory, MB": "{peak_memory_mb:.0f}",
    "memory / ce": "{memory_over_ce:.2f}",
    "memory / R-Drop": "{memory_over_rdrop:.2f}",
    "Latency, ms": "{latency_ms:.1f}",
    "latency / ce": "{latency_over_ce:.2f}",
    "latency / R-Drop": "{latency_over_rdrop:.2f}",
    "Device": "{device}",
}
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
        tasks = in_order(own)
        rows = data.shown_groups(protocol, tasks)
        for number, task in enumerate(tasks):
            found = {config: median_costs(groups[number]) for config, groups in rows.items()}
            for config, cost in found.items():
                raw = {"protocol": protocol, "task": task, "config": config, "n": cost["n"]}
                raw |= {"ms_an_update": cost["ms"], "peak_memory_mb": cost["memory"]}
                raw["latency_ms"] = cost["latency"]
                for than in (BASELINE, RDROP):
                    for what, word in (("ms", "time"), ("memory", "memory"), ("latency", "latency")):
                        ratio = cost[what] / found[than][what] if than in found else math.nan
                        raw[f"{word}_over_{than}"] = ratio
                shown = {"shown_n": cost["n"] or DASH, "device": cost["device"] or DASH}
                builder.add(f"{protocol}, {task}", raw, **shown)
    return builder.table("cost", f"{data.study.title}: cost", CAPTION)
