"""Development loss along one random direction around each solution."""

from __future__ import annotations

from redrop.analysis.flatness import landscape_of
from redrop.analysis.plotting.drawing import Drawing
from redrop.analysis.plotting.task_panels import Curve, curves_by_task
from redrop.analysis.study_results import StudyResults
from redrop.record import RunRecord

EACH = "protocol"
FITS = ("glue",)


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Loss along random directions around each solution: on training examples where it was measured so."""
    measured = (landscape_of(r).get("split") for r in data.results.records if r.spec.protocol == protocol)
    of_train = "train" in measured

    def curve(record: RunRecord) -> Curve:
        found = landscape_of(record)
        points = found.get("slice", []) if (found.get("split") == "train") == of_train else []
        return [by for by, _ in points], [loss for _, loss in points]

    split, along = "development", "one Gaussian direction"
    if of_train:
        split, along = "training", "Gaussian directions, of which this is the mean,"
    words = (
        f"Loss on the first {split} examples, weights moved along {along} whose rows have "
        "the norms of the weights' rows (Li et al., 2018); the solution is at 0"
    )
    title, x = "Loss around the solution", "distance, in norms of the weights"
    return curves_by_task(data, protocol, curve, title, x, "loss", words)
