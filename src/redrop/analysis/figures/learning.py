"""Score while training: over the epochs, or over updates and passes where texts are generated."""

from __future__ import annotations

from collections.abc import Callable

from redrop.analysis.gains import passes_of
from redrop.analysis.plotting.drawing import Drawing
from redrop.analysis.plotting.task_panels import Curve, curves_by_task
from redrop.analysis.scoring import SHOWN, first_metric, scale
from redrop.analysis.study_results import StudyResults
from redrop.record import RunRecord

EACH = "protocol"
FITS = ("glue", "translation", "summarization")


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Score while training: over the epochs, or over updates and passes where texts are generated."""
    study, glue = data.study, data.study.reads == "glue"

    def over(key: str, by_passes: bool = False) -> Callable[[RunRecord], Curve]:
        def curve(record: RunRecord) -> Curve:
            first = first_metric(study.reads, record.spec.task) + ("" if glue else "_valid")
            rows = [row for row in data.results.rows(record.run) if row.get(first) is not None]
            times = passes_of(record.spec) if by_passes else 1
            return [times * row[key] for row in rows], [scale(record) * row[first] for row in rows]

        return curve

    title = "Score while training"
    if glue:
        words = "Score on the development set over the epochs"
        return curves_by_task(data, protocol, over("epoch"), title, "epoch", "points", words)
    metric = SHOWN[study.reads][0]
    words = (
        f"{metric} of the validation set's first inputs (evaluation.decoded), over the updates, and over the "
        "passes of a batch through the model, forward and backward: one an update with plain training, two "
        "with the others, so this is about what a score costs"
    )
    curves = {"by update": over("iteration"), "by pass": over("iteration", by_passes=True)}
    xs = {"by update": "update", "by pass": "pass"}
    return curves_by_task(data, protocol, curves, title, xs, f"{metric}, validation set", words)
