"""Score over the weight of each of LR-Drop's terms, the others unchanged."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from redrop.analysis.collect import Group
from redrop.analysis.gains import BASELINE
from redrop.analysis.plotting.drawing import Drawing
from redrop.analysis.plotting.score_over_setting import Lines, score_over
from redrop.analysis.settings import flat
from redrop.analysis.study_results import StudyResults

EACH = "protocol"
FITS = ("glue",)
WORDS = "Score over one weight (inner: alpha and beta together), the others as in lrdrop; grey: plain's mean"


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Score over the weight of each term, the others unchanged; plain fine-tuning as a line across."""

    def lines_of(axes: Axes, groups: Mapping[str, Group]) -> Lines:
        axes.set_xscale("symlog", linthresh=0.1)
        lines: Lines = {}
        for sweep in data.study.protocol(protocol).sweeps.values():
            for config in sweep.configs if sweep.rate else ():
                if config in groups:
                    weight = flat(groups[config].spec)[sweep.rate]
                    lines.setdefault(sweep.name, []).append((weight, groups[config]))
        return lines

    return score_over(data, protocol, "Weights of the terms", "weight", WORDS, lines_of, BASELINE)
