"""Every metric that the runs recorded, beside the one that scores are made of."""

from __future__ import annotations

import math
import re
from typing import Any

from redrop.analysis.collect import Group
from redrop.analysis.scoring import SCORE, in_order, scale
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import summarise
from redrop.analysis.table import Builder, Table

ORDER = 70
TEXT = frozenset({"Metric", "Split", "How"})
LAYERS = re.compile(r"inconsistency_(hidden|attention)_\d+")
"""Metrics of single layers, which a figure shows."""
UPDATE = re.compile(r", update [\d,]+$")
"""What differs from seed to seed in a signature."""

CAPTION = (
    "As recorded, so fractions are not turned into points: mean ± sample standard deviation over the seeds "
    "that have the metric."
)
OF_INCONSISTENCY = (
    " Metrics of single layers are in the figure of inconsistency. Inconsistency is a divergence between the "
    "outputs of two dropout passes, or of one and the model without dropout: it is small, too, in a model "
    "that says the same of every input."
)


def build(data: StudyResults) -> Table:
    """A section a protocol and task, one row a metric, one column a configuration."""
    found = data.tasks()
    shown = {name: data.shown_groups(name, in_order(own)) for name, own in found.items()}
    configs = list(dict.fromkeys(config for rows in shown.values() for config in rows))
    builder = Builder(["Metric", *configs, "Split", "How"], TEXT)
    for protocol, own in found.items():
        for number, task in enumerate(in_order(own)):
            groups = {config: rows[number] for config, rows in shown[protocol].items()}
            _add(builder, protocol, task, configs, groups)
    caption = CAPTION + (OF_INCONSISTENCY if data.study.reads == "glue" else "")
    return builder.table("metrics", f"{data.study.title}: every metric", caption)


def _add(builder: Builder, protocol: str, task: str, configs: list[str], groups: dict[str, Group]) -> None:
    known = {}
    for record in (record for group in groups.values() for record in group.done):
        for name, metric in record.metrics.items():
            if not name.startswith(SCORE) and not LAYERS.fullmatch(name):
                known.setdefault(name, (metric, metric.higher_is_better and scale(record) == 1.0))
    for name, (metric, in_points) in known.items():
        how = UPDATE.sub("", metric.signature)
        cells = dict.fromkeys(configs, "") | {"Metric": name, "Split": metric.split, "How": how}
        raw: dict[str, Any] = {"protocol": protocol, "task": task, "metric": name}
        for config, group in groups.items():
            values = [value for record in group.done if math.isfinite(value := record.value(name))]
            summary = summarise(values)
            cells[config] = summary.show(".2f" if in_points or abs(summary.mean) >= 10.0 else ".4f")
            raw |= {f"{config}_mean": summary.mean, f"{config}_sd": summary.sd, f"{config}_n": summary.n}
        builder.row(f"{protocol}, {task}", cells, raw | {"split": metric.split, "how": how}, [])
