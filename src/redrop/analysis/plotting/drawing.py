"""What a figure's function returns: the figure, its caption, and every number that is plotted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

Row = dict[str, Any]
"""One plotted number (or a mean with its band) in long form, by column."""


class Drawing(NamedTuple):
    """A figure with what stands beside it."""

    figure: Figure
    caption: str
    rows: list[Row]


def to_csv(rows: Sequence[Mapping[str, Any]], first: Mapping[str, Any], label: str | None) -> str:
    """The rows in full precision, ``first`` before each; a label becomes a column, as in the tables.

    Columns stand in the order in which they first appear; what a row does not have is an empty cell.
    Without rows there is a header only.
    """
    last = {} if label is None else {"label": label}
    columns = list(dict.fromkeys([*first, *(key for row in rows for key in row), *last]))
    frame = pd.DataFrame([{**first, **row, **last} for row in rows], columns=columns, dtype=object)
    return frame.replace([math.inf, -math.inf], math.nan).to_csv(index=False, lineterminator="\n")
