"""Scores of paper A's studies as they are shown: which metrics, on which scale, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from redrop.evaluation.glue import METRICS as GLUE_METRICS
from redrop.record import RunRecord

if TYPE_CHECKING:
    from redrop.analysis.collect import Results

SCORE = "score"
"""A task's first metric, under the name that all runs record it by."""

SHOWN: dict[str, tuple[str, ...]] = {
    "glue": (SCORE,),
    "translation": ("bleu", "sacrebleu", "chrf"),
    "summarization": ("rouge1", "rouge2", "rougeL", "rougeLsum"),
}
"""Kind of study -> the metrics that its table has a column for on every task, the first one first."""

TASK_ORDER = ("mnli", "qqp", "qnli", "sst2", "cola", "stsb", "mrpc", "rte")
"""GLUE's tasks as its tables have them; others follow."""


def in_order(tasks: Sequence[str]) -> list[str]:
    """Tasks in the order of GLUE's tables; others after them."""
    known = [task for task in TASK_ORDER if task in tasks]
    return known + sorted(set(tasks) - set(known))


def scale(record: RunRecord) -> float:
    """What the run's scores are multiplied by to be points."""
    return record.spec.kind.points


def first_metric(reads: str, task: str) -> str:
    """What ``score`` is on a task."""
    return GLUE_METRICS[task][0] if reads == "glue" else SHOWN[reads][0]


def score_while_training(results: Results, reads: str, record: RunRecord) -> list[tuple[float, float]]:
    """Epoch, or update where texts are generated, and the first metric in points, of a run's evaluations."""
    x, ending = ("epoch", "") if reads == "glue" else ("iteration", "_valid")
    y = first_metric(reads, record.spec.task) + ending
    rows = [row for row in results.rows(record.run) if row.get(y) is not None]
    return [(row[x], scale(record) * row[y]) for row in rows]


def metrics_text(reads: str, tasks: Sequence[str]) -> str:
    """``Score: cola: matthews; rte: accuracy`` for a caption."""
    return "; ".join(f"{task}: {first_metric(reads, task)}" for task in tasks)
