"""Score while training: over the epochs, or over updates and passes where texts are generated."""

from __future__ import annotations

from redrop.analysis.plotting.drawing import Drawing
from redrop.analysis.plotting.task_panels import Curve, curves_by_task
from redrop.analysis.scoring import SHOWN, score_while_training
from redrop.analysis.study_results import StudyResults
from redrop.methods import passes_of
from redrop.record import RunRecord

EACH = "protocol"
FITS = ("glue", "translation", "summarization")


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Score while training: over the epochs, or over updates and passes where texts are generated."""

    def curve(record: RunRecord) -> Curve:
        points = score_while_training(data.results, study.reads, record)
        return [x for x, _ in points], [y for _, y in points]

    def by_pass(record: RunRecord) -> Curve:
        updates, scores = curve(record)
        return [passes_of(record.spec.objective) * update for update in updates], scores

    title, study = "Score while training", data.study
    if study.reads == "glue":
        words = "Score on the development set over the epochs"
        return curves_by_task(data, protocol, curve, title, "epoch", "points", words)
    metric = SHOWN[study.reads][0]
    words = (
        f"{metric} of the validation set's first inputs (evaluation.decoded), over the updates, and over the "
        "passes of a batch through the model, forward and backward: one an update with plain training, two "
        "with the others, so this is about what a score costs"
    )
    curves = {"by update": curve, "by pass": by_pass}
    xs = {"by update": "update", "by pass": "pass"}
    return curves_by_task(data, protocol, curves, title, xs, f"{metric}, validation set", words)
