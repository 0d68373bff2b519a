"""One look for all figures: colours that colour-blind readers can tell apart, and marks that
survive grey print; sizes for a printed page; files that are byte-equal when drawn twice."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

SINGLE, DOUBLE = 3.4, 7.0
"""Widths in inches of one and of two columns."""

PALETTE = ["#000000", "#E69F00", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#5e3c00"]
"""Okabe & Ito (2008), with a brown for the yellow, which is too pale for a line."""

LINES = ["-", "--", "-.", (0, (1, 1.2)), (0, (5, 1, 1, 1, 1, 1))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "h"]

OURS, THEIRS, GREY, PALE = "#0072B2", "#D55E00", "#6b6b6b", "#c4c4c4"

NATS = "nats/character"

RC: dict[str, Any] = {
    **seaborn.plotting_context("paper"),
    **seaborn.axes_style("ticks"),
    "font.size": 8.0,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlelocation": "left",
    "figure.titlesize": 9.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.0,
    "legend.title_fontsize": 7.0,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "pdf.fonttype": 42,
    "svg.hashsalt": "redrop",
    "svg.fonttype": "none",
}
"""Text stays text in svg, so that it can be searched, copied and read aloud."""

METADATA = {"svg": {"Date": None}, "pdf": {"CreationDate": None, "ModDate": None}, "png": {"Software": None}}
"""Nothing in a file says when or by which version it was drawn."""

PNG_DPI = 200
TITLE_CHARACTER = 0.075
"""Inches of a character of a figure's title, generously."""
LABEL_HEIGHT = 0.25
"""Inches that each line of the label adds on top."""
LABEL_LEFT = 0.1
"""Inches from the left edge."""
LABEL_CHARACTERS = 10
"""Characters of the label for each inch of width, so that a legend at the right stays free."""


@contextmanager
def applied() -> Iterator[None]:
    """Draw and save inside this: matplotlib's defaults and ``RC``, whatever the user's settings."""
    subsetting = logging.getLogger("fontTools")
    level = subsetting.level
    subsetting.setLevel(logging.WARNING)  # at INFO it lists every glyph that a pdf keeps
    try:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(RC)
            yield
    finally:
        subsetting.setLevel(level)


def new_figure(width: float, height: float, title: str) -> Figure:
    """An empty figure with constrained layout; inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title)
    return figure


def look(index: int) -> dict[str, Any]:
    """Colour, line style and marker of the index-th series; no two of the first 40 are alike."""
    colour = PALETTE[index % len(PALETTE)]
    return {"color": colour, "linestyle": LINES[index % len(LINES)], "marker": MARKERS[index % len(MARKERS)]}


def thousands(value: float, _position: int | None = None) -> str:
    """50000 -> 50k, in words and on an axis."""
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"


def logarithmic(axes: Axes, steps: Sequence[float]) -> None:
    """A logarithmic y axis with plain numbers at these multiples of the powers of ten."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def say_empty(axes: Axes, text: str = "no finished run") -> None:
    """Say that there is nothing to draw; an axis without data has no ticks."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes)
    axes.set_yticks([])


def title_width(title: str) -> float:
    """Inches that a figure must have for its title to fit."""
    return TITLE_CHARACTER * len(title) + 0.3


def legend(figure: Figure, panels: Iterable[Axes], ncols: int = 4) -> None:
    """A legend below the panels: one entry a kind of mark, whichever panel has it."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=ncols)


def add_label(figure: Figure, label: str | None) -> None:
    """Put the label of results that are not the real thing in a band of its own above the title."""
    if label is None:
        return
    width, height = figure.get_size_inches()
    lines = textwrap.wrap(label, int(LABEL_CHARACTERS * width)) or [label]
    extra = LABEL_HEIGHT * len(lines)
    figure.set_size_inches(width, height + extra)
    # The layout keeps room for the title only, so the title is given empty lines for the label.
    figure.suptitle("\n" * (2 * len(lines)) + figure.get_suptitle(), linespacing=1.0)
    figure.text(
        LABEL_LEFT / width,
        1.0 - 0.1 / (height + extra),
        "\n".join(lines),
        ha="left",
        va="top",
        fontsize=8.0,
        fontweight="bold",
        color="#8a2c00",
        in_layout=False,
        bbox={"boxstyle": "round,pad=0.3", "facecolor": "#fff1e6", "edgecolor": "#8a2c00"},
    )
