"""A study's figures as the page shows them: drawn anew from the runs, each an image with its caption.

An image of its own (not svg within the page) keeps the figures' ids apart and the page light.
"""

from __future__ import annotations

import base64
import tempfile
from dataclasses import dataclass
from pathlib import Path

from redrop.analysis.build import build_figures
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
    data = StudyResults(view.results, view.study, protocols=view.protocols)
    plan, place = plan_of(data, recorded=own), view.place / "figures"
    lying = [entry.stem for entry in plan if up_to_date and _is_there(place, entry.stem)]
    with tempfile.TemporaryDirectory() as drawn:
        build_figures(
            view.results,
            view.study,
            Path(drawn),
            view.label,
            [entry.stem for entry in plan if entry.stem not in lying],
            protocols=view.protocols,
            recorded=own,
            suffixes=("svg",),
        )
        return [_shown(folder, view, entry, place if entry.stem in lying else Path(drawn)) for entry in plan]


def _is_there(place: Path, stem: str) -> bool:
    return all((place / f"{stem}{suffix}").exists() for suffix in (".svg", ".txt", ".csv"))


def _shown(folder: ResultsFolder, view: View, entry: PlannedFigure, files: Path) -> ShownFigure:
    caption = (files / f"{entry.stem}.txt").read_text(encoding="utf-8").strip()
    image = "" if NOTHING_DRAWN in caption else data_address((files / f"{entry.stem}.svg").read_bytes())
    numbers = folder.relative(view.place / "figures" / f"{entry.stem}.csv")
    return ShownFigure(entry, f"figure-{view.study.part}-{entry.stem}", caption, image, numbers)


def data_address(svg: bytes) -> str:
    """An svg file as an address that holds it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")
