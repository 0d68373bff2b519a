"""Score over the share of the training set, a line a method."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from redrop.analysis.collect import Group
from redrop.analysis.plotting.drawing import Drawing
from redrop.analysis.plotting.score_over_setting import Lines, score_over
from redrop.analysis.study_results import StudyResults

EACH = "protocol"
FITS = ("glue",)
WORDS = "Score by method over the share of the training set, drawn anew for each seed, as many updates each"


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Of the rows that are a method at some training-set size, no variation of one: ``ce``, ``ce-10pct``."""

    def lines_of(axes: Axes, groups: Mapping[str, Group]) -> Lines:
        lines: Lines = {}
        for config, group in groups.items():
            if "-" not in config or config.endswith("pct"):
                share = 100 * group.spec.data.train_fraction
                lines.setdefault(group.spec.objective.name, []).append((share, group))
        shares = sorted({share for points in lines.values() for share, _ in points})
        axes.set_xscale("log")
        axes.set_xticks(shares, [f"{share:g}" for share in shares])
        axes.set_xticks([], minor=True)
        return lines

    return score_over(data, protocol, "Training-set size", "share of train, %", WORDS, lines_of)
