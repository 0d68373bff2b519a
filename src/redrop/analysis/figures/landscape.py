"""Development loss along one random direction around each solution."""

from __future__ import annotations

from redrop.analysis.flatness import slice_of
from redrop.analysis.plotting.drawing import Drawing
from redrop.analysis.plotting.task_panels import Curve, curves_by_task
from redrop.analysis.study_results import StudyResults
from redrop.record import RunRecord

EACH = "protocol"
FITS = ("glue",)


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Development loss along one random direction around each solution."""

    def curve(record: RunRecord) -> Curve:
        points = slice_of(record)
        return [by for by, _ in points], [loss for _, loss in points]

    words = (
        "Loss on the first development examples, weights moved along one Gaussian direction whose rows have "
        "the norms of the weights' rows (Li et al., 2018); the solution is at 0"
    )
    title, x = "Loss around the solution", "distance, in norms of the weights"
    return curves_by_task(data, protocol, curve, title, x, "loss", words)
