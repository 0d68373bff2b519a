"""A study's figures as the page shows them: drawn anew from the runs, each an image with its caption.

An image of its own (not svg within the page) keeps the figures' ids apart and the page light.
"""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from pathlib import Path

from redrop.analysis.build import find_reported
from redrop.analysis.figure_files import draw_and_write
from redrop.analysis.plotting.captions import NOTHING_DRAWN
from redrop.analysis.registry import PlannedFigure, plan_of
from redrop.analysis.study_results import StudyResults
from redrop.report.folder import OWN, ResultsFolder
from redrop.report.study_views import View


@dataclass(frozen=True)
class ShownFigure:
    """A figure for the page."""

    entry: PlannedFigure
    anchor: str
    caption: str
    image: str
    """A data address; empty where there is nothing to draw."""
    path: str
    """Its numbers where they were written, from the results folder on."""

    @property
    def title(self) -> str:
        """The caption up to its first stop: what is drawn."""
        return self.caption.partition(". ")[0].partition("; ")[0]


def shown_figures(folder: ResultsFolder, view: View, *, up_to_date: bool) -> list[ShownFigure]:
    """Every figure of a study or part.

    ``up_to_date``: the tables that lie in the folder are those of its runs, so the figures beside them are
    taken as they lie. What is not there, or was made of other runs, is drawn.
    """
    own = folder.kind == OWN  # what is published shows no records of the authors
    data = StudyResults(view.results, view.study, find_reported(view.study), view.protocols)
    found, place = [], view.place / "figures"
    with tempfile.TemporaryDirectory() as drawn:
        for entry in plan_of(data, recorded=own):
            lying = [place / f"{entry.stem}{suffix}" for suffix in (".svg", ".txt", ".csv")]
            files = place
            if not (up_to_date and all(path.exists() for path in lying)):
                files = Path(drawn)
                draw_and_write(entry, data, files, view.label, ("svg",))
            caption = (files / f"{entry.stem}.txt").read_text(encoding="utf-8").strip()
            image = ""
            if NOTHING_DRAWN not in caption:
                svg = base64.b64encode((files / f"{entry.stem}.svg").read_bytes())
                image = f"data:image/svg+xml;base64,{svg.decode('ascii')}"
            anchor = f"figure-{view.study.part}-{entry.stem}"
            found.append(ShownFigure(entry, anchor, caption, image, folder.relative(lying[-1])))
    return found
