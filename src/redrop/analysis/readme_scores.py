"""The README's blocks about paper A's scores at the scale that was run."""

from __future__ import annotations

from pathlib import Path

from redrop.analysis.build import load
from redrop.analysis.collect import Results
from redrop.analysis.paired import average_scores, gain
from redrop.analysis.paired import scores as task_scores
from redrop.analysis.scoring import SHOWN, in_order
from redrop.analysis.summary import DASH, summarise
from redrop.analysis.tables.chance import chance
from redrop.analysis.tables.scores import show_gain
from redrop.study import Study

METHODS = ("ce", "rdrop", "lrdrop")
GLUE_HEADER = ["", "n", "chance", "plain", "standard errors above", *("R-Drop − plain", "LR-Drop − plain")]
AVERAGE = "average"


def glue_rows(published: Path, study: Study, protocol: str) -> list[list[str]]:
    """A row a task, and one for their average: plain fine-tuning beside chance, gains of both methods."""
    results = load(published / study.name / "runs")
    tasks = in_order(results.protocols(study.name).get(protocol, []))
    beside = chance(results, study, protocols={protocol: tasks}).frame.set_index("Task")
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
