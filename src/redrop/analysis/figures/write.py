"""Draw a figure and write it as svg, pdf and png, with its caption and its numbers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from redrop.analysis.collect import Results
from redrop.analysis.figures import style
from redrop.analysis.figures.drawn import Drawn, to_csv
from redrop.analysis.names import FIGURE_SUFFIXES, FIGURES, FigureName, implementation
from redrop.analysis.reported import Reported
from redrop.atomic import replacing
from redrop.record import write_text
from redrop.study import Study


def write_figure(
    figure: Figure, stem: Path, title: str, suffixes: Sequence[str] = FIGURE_SUFFIXES
) -> list[Path]:
    """Write ``<stem>.{svg,pdf,png}``, each whole or not at all; equal figures, equal bytes."""
    stem = Path(stem)
    paths = []
    with style.applied():  # laid out once: it takes longer than drawing, and is the same for every format
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for suffix in suffixes:
        path = stem.parent / f"{stem.name}.{suffix}"
        metadata = {"Title": title, **style.METADATA[suffix]}
        with style.applied(), replacing(path) as part:
            figure.savefig(part, format=suffix, dpi=style.PNG_DPI, metadata=metadata)
        paths.append(path)
    return paths


def draw_and_write(
    entry: FigureName,
    results: Results,
    study: Study,
    reported: Reported,
    folder: Path,
    label: str | None,
    suffixes: Sequence[str] = FIGURE_SUFFIXES,
) -> list[Path]:
    """Draw one figure of the plan; returns its paths.

    Beside it go the caption, as ``<stem>.txt``, and what it plots, as ``<stem>.csv``.
    """
    draw = implementation(FIGURES[entry.figure])
    with style.applied():
        drawn: Drawn = draw(results, study, entry.protocol, entry.task, reported, entry.sweep)
        figure, caption = drawn.figure, drawn.caption
        style.add_label(figure, label)
    title, text = f"{study.title}: {entry.stem}", caption
    if label is not None:
        title, text = f"{label}. {title}", f"{label}. {caption}"
    paths = write_figure(figure, folder / entry.stem, title, suffixes)
    write_text(folder / f"{entry.stem}.txt", text + "\n")
    place = {"study": study.name, "protocol": entry.protocol, "task": entry.task}
    write_text(folder / f"{entry.stem}.csv", to_csv(drawn.rows, place, label))
    return paths
