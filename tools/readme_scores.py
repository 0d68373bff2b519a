"""The README's blocks about paper A's scores at the scale that was run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from redrop.analysis.build import load
from redrop.analysis.collect import Results
from redrop.analysis.gains import average_scores, gain
from redrop.analysis.gains import scores as task_scores
from redrop.analysis.reported import AVERAGE
from redrop.analysis.scoring import SHOWN, in_order
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH, summarise
from redrop.analysis.tables import chance
from redrop.analysis.tables.scores import show_gain
from redrop.methods import passes_of
from redrop.study import Study

NAMES = {"ce": "plain", "rdrop": "R-Drop", "lrdrop": "LR-Drop"}
METHODS = tuple(NAMES)
GLUE_HEADER = ["", "n", "chance", "plain", "standard errors above", *("R-Drop − plain", "LR-Drop − plain")]


def glue_rows(published: Path, study: Study, protocol: str) -> list[list[str]]:
    """A row a task, and one for their average: plain fine-tuning beside chance, gains of both methods."""
    results = load(published / study.name / "runs")
    tasks = in_order(results.protocols(study.name).get(protocol, []))
    beside = chance.build(StudyResults(results, study, protocols={protocol: tasks})).frame.set_index("Task")
    rows = []
    for task, values in method_scores(results, study, protocol, tasks).items():
        known = task in beside.index
        rows.append(
            [
                f"{task}, {beside.loc[task, 'Metric']}" if known else task,
                counts(values),
                beside.loc[task, "Chance"] if known else DASH,
                summarise(values["ce"].values()).show(".2f"),
                beside.loc[task, "Standard errors"] if known else DASH,
                *(show_gain(gain(values[method], values["ce"])) for method in METHODS[1:]),
            ]
        )
    return rows


GENERATION_HEADER = ["", "n", "plain", "R-Drop − plain", "LR-Drop − plain"]


def generation_rows(published: Path, study: Study, protocol: str) -> list[list[str]]:
    """A row a task and metric of generated texts: plain training, and the gains of both methods."""
    results = load(published / study.name / "runs")
    rows = []
    for task in results.protocols(study.name).get(protocol, []):
        for metric in SHOWN[study.reads]:
            groups = {method: results.group(study.name, protocol, method, task) for method in METHODS}
            values = {method: task_scores(group, metric) for method, group in groups.items()}
            rows.append(
                [
                    f"{task}, {metric}",
                    counts(values),
                    summarise(values["ce"].values()).show(".2f"),
                    *(show_gain(gain(values[method], values["ce"])) for method in METHODS[1:]),
                ]
            )
    return rows


def at_equal_passes(published: Path, study: Study, protocol: str) -> str:
    """What each method had on the validation set when it had sent as many batches through the model as plain
    training does in all; a task a line. Nothing about a task that a method has no run on.
    """
    results = load(published / study.name / "runs")
    metric = f"{SHOWN[study.reads][0]}_valid"
    lines = []
    for task in results.protocols(study.name).get(protocol, []):
        done = {m: results.group(study.name, protocol, m, task).done for m in METHODS}
        if not all(done.values()):
            continue
        passes = done[METHODS[0]][0].spec.schedule.updates
        shown = []
        for method, records in done.items():
            update = passes // passes_of(records[0].spec.objective)
            rows = [row for record in records for row in results.rows(record.run)]
            values = [row[metric] for row in rows if row["iteration"] == update and metric in row]
            shown.append(f"{NAMES[method]} {np.mean(values):.1f}")
        name, first = metric.removesuffix("_valid").upper(), done[METHODS[0]][0].spec.evaluation.decoded
        lines.append(
            f"{name} on the first {first} sentences of {task}'s validation "
            f"set after {passes:,} passes of a batch through the\nmodel: {', '.join(shown)}.\n"
        )
    return "\n".join(lines) + "\n" if lines else ""


def counts(values: dict[str, dict[int, float]]) -> str:
    """How many seeds each method has: one number, or from the fewest to the most."""
    sizes = sorted({len(seeds) for seeds in values.values()})
    return "–".join(map(str, dict.fromkeys((sizes[0], sizes[-1]))))


def method_scores(
    results: Results, study: Study, protocol: str, tasks: list[str]
) -> dict[str, dict[str, dict[int, float]]]:
    """Task, or the average -> method -> seed -> points."""
    groups = {
        method: [results.group(study.name, protocol, method, task) for task in tasks] for method in METHODS
    }
    found = {
        task: {method: task_scores(own[place]) for method, own in groups.items()}
        for place, task in enumerate(tasks)
    }
    if len(tasks) > 1:
        found[AVERAGE] = {method: average_scores(own) for method, own in groups.items()}
    return found
