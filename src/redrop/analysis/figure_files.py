"""Draw a figure and write it as svg, pdf and png, with its caption and its numbers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from redrop.analysis.plotting import style
from redrop.analysis.plotting.drawing import to_csv
from redrop.analysis.registry import PlannedFigure
from redrop.analysis.study_results import StudyResults
from redrop.atomic import replacing
from redrop.record import write_text


def write_figure(figure: Figure, stem: Path, title: str, suffixes: Sequence[str]) -> list[Path]:
    """Write ``<stem>.<suffix>`` of each, whole or not at all; equal figures, equal bytes."""
    paths = []
    with style.applied():  # laid out once: it takes longer than drawing, and is the same for every format
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for suffix in suffixes:
        path = stem.parent / f"{stem.name}.{suffix}"
        metadata = {"Title": title, **style.METADATA[suffix]}
        with style.applied(), replacing(path) as unfinished:
            figure.savefig(unfinished, format=suffix, dpi=style.PNG_DPI, metadata=metadata)
        paths.append(path)
    return paths


def draw_and_write(
    entry: PlannedFigure, data: StudyResults, folder: Path, label: str | None, suffixes: Sequence[str]
) -> list[Path]:
    """Draw one figure of the plan; returns its paths.

    Beside it go the caption, as ``<stem>.txt``, and what it plots, as ``<stem>.csv``.
    """
    with style.applied():
        figure, caption, rows = entry.draw(data)
        style.add_label(figure, label)
    title, text = f"{data.study.title}: {entry.stem}", caption
    if label is not None:
        title, text = f"{label}. {title}", f"{label}. {caption}"
    paths = write_figure(figure, folder / entry.stem, title, suffixes)
    write_text(folder / f"{entry.stem}.txt", text + "\n")
    place = {"study": data.study.name, "protocol": entry.protocol, "task": entry.task}
    write_text(folder / f"{entry.stem}.csv", to_csv(rows, place, label))
    return paths
