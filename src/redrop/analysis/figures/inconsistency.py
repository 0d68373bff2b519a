"""Disagreement between two dropout passes, layer by layer: of the hidden states, and of the attention."""

from __future__ import annotations

from collections.abc import Callable

from redrop.analysis.plotting.drawing import Drawing
from redrop.analysis.plotting.task_panels import Curve, curves_by_task
from redrop.analysis.study_results import StudyResults
from redrop.record import RunRecord

EACH = "protocol"
FITS = ("glue",)


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Disagreement between two dropout passes, layer by layer: of the hidden states, and of the attention."""

    def of_layers(prefix: str) -> Callable[[RunRecord], Curve]:
        def curve(record: RunRecord) -> Curve:
            layers = sorted(
                int(name.removeprefix(prefix)) for name in record.metrics if name.startswith(prefix)
            )
            return layers, [record.value(f"{prefix}{layer}") for layer in layers]

        return curve

    curves = {
        "hidden states": of_layers("inconsistency_hidden_"),
        "attention": of_layers("inconsistency_attention_"),
    }
    words = (
        "Mean squared error between two dropout passes of the finished models, development set: of the "
        "hidden states, and of the attention probabilities before dropout. It is small, too, in a model that "
        "says the same of every input: look at its score"
    )
    title, y = "Inconsistency a layer", "mean squared error"
    return curves_by_task(data, protocol, curves, title, "layer", y, words, log=True)
