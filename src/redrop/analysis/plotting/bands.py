"""Curves of several seeds as one line: their mean, with a band from the lowest to the highest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from redrop.analysis.plotting.drawing import Row

ENDS = ["mean", "low", "high"]


def band_of(curves: Sequence[pd.Series]) -> pd.DataFrame:
    """Mean, low and high of curves by what stands across, where all of them have a number."""
    if not curves:
        return pd.DataFrame(columns=ENDS, dtype=float)
    wide = pd.concat(curves, axis="columns", join="inner").dropna()
    ends = wide.mean(axis=1), wide.min(axis=1), wide.max(axis=1)
    return pd.DataFrame(dict(zip(ENDS, ends, strict=True)))


def draw_band(axes: Axes, band: pd.DataFrame, n: int, look: Mapping[str, Any], label: str) -> None:
    """The mean's line, and of several curves the band."""
    axes.plot(band.index, band["mean"], label=label, **look)
    if n > 1:
        faint = {"color": look["color"], "alpha": 0.15, "linewidth": 0}
        axes.fill_between(band.index, band["low"], band["high"], **faint)


def band_rows(band: pd.DataFrame, head: Row, across: str = "iteration") -> list[Row]:
    """The numbers of a band."""
    return [head | {across: at} | dict(zip(ENDS, ends, strict=True)) for at, *ends in band.itertuples()]
