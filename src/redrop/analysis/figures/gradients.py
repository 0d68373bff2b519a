"""Norms of the gradient a layer over training: what paper B says that skips do to its flow."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from redrop.analysis.collect import Results
from redrop.analysis.plotting import style
from redrop.analysis.plotting.bands import band_of, band_rows, draw_band
from redrop.analysis.plotting.captions import absent_text, budget_text, seeds_text
from redrop.analysis.plotting.configurations import Configuration
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.plotting.sweep_panels import all_groups, lines_of, panel_grid
from redrop.analysis.study_results import StudyResults

EACH = "task"
FITS = ("corpus",)

PREFIX = "grad_norm_"
"""Of the keys that ``redrop.training.gradients`` writes into a curve."""
MOST = 6
"""Layers drawn; of more, as many from the first to the last."""
RUN = "snakemake --configfile config/gradients.yaml"


def draw(data: StudyResults, protocol: str, task: str) -> Drawing:
    """A panel a configuration, a line a layer: mean and range of the runs that recorded norms."""
    results = data.results
    norms = {
        group.config: [frame for record in group.done if len(frame := _norms(results, record.run))]
        for group in all_groups(data, protocol, task)
    }
    lines = lines_of(data, protocol, task, lambda group: bool(norms[group.config]))
    title = f"Norm of the gradient, a layer ({protocol}, {task})"
    figure, panels = panel_grid(title, lines, f"L2 norm ({style.NATS})", "no run with recorded norms")
    rows: list[Row] = []
    for line, places in zip(lines, panels, strict=True):
        for axes, one in zip(places, line.shown, strict=True):
            style.logarithmic(axes, (1.0, 3.0))
            drawn = _draw(axes, one, norms[one.config], line.budget)
            rows += [{"sweep": line.sweep.name} | row for row in drawn]
        low = min(axes.get_ylim()[0] for axes in places)
        high = max(axes.get_ylim()[1] for axes in places)
        for axes in places:
            axes.set_ylim(low, high)
    style.legend(figure, itertools.chain(*panels))
    return Drawing(figure, _caption(data, protocol, task, norms), rows)


def _norms(results: Results, run: str) -> pd.DataFrame:
    """Norms by iteration and place in the model; empty where the run recorded none."""
    frame = pd.DataFrame(results.rows(run)).set_index("iteration").filter(regex=f"^{PREFIX}")
    return frame.rename(columns=lambda name: name.removeprefix(PREFIX)).dropna(how="all").astype(float)


def _places(frames: list[pd.DataFrame]) -> list[str]:
    """What is drawn: embedding, layers from the first to the last, head."""
    names = set.intersection(*(set(frame.columns) for frame in frames))
    layers = sorted((name for name in names if name.startswith("layer_")), key=lambda name: int(name[6:]))
    if len(layers) > MOST:
        layers = [layers[i] for i in np.linspace(0, len(layers) - 1, MOST).round().astype(int)]
    return [name for name in ("embedding", *layers, "head") if name in names]


def _draw(axes: Axes, one: Configuration, frames: list[pd.DataFrame], budget: int) -> list[Row]:
    rows: list[Row] = []
    for index, place in enumerate(_places(frames)):
        band = band_of([frame[place] for frame in frames]).loc[:budget]
        every = max(1, len(band) // 4)
        # Staggered, so that lines which lie together show their marks.
        look = style.look(index) | {"linewidth": 0.9, "markersize": 2.8}
        look |= {"markevery": (index * every // 6, every)}
        draw_band(axes, band, len(frames), look, place.replace("_", " "))
        head = {"config": one.config, "name": one.name, "part": place, "n": len(frames)}
        rows += band_rows(band, head)
    return rows


def _caption(data: StudyResults, protocol: str, task: str, norms: dict[str, list[pd.DataFrame]]) -> str:
    groups = all_groups(data, protocol, task)
    have, done = sum(map(len, norms.values())), sum(len(group.done) for group in groups)
    counts = sorted({len(frames) for frames in norms.values() if frames})
    text = (
        f"L2 norm of the gradient over iterations, a line a layer (an attention/MLP pair, the first nearest "
        f"the input), protocol {protocol} on {task}; {seeds_text(groups)}{budget_text(groups)}. "
    )
    if not have:
        text += (
            f"None of the {done} finished runs recorded norms; those of the notebook protocol are trained "
            f"with them by: {RUN}."
        )
        return text + absent_text(groups)
    n = f"n = {counts[0]}" + (f" to {counts[-1]}" if len(counts) > 1 else "")
    text += (
        f"{have} of {done} finished runs recorded norms: {n} a configuration. Each is of one training batch, "
        "of the update before the evaluation, before any clipping; lines are means, bands lowest to highest. "
        "Panels of a sweep have one scale, logarithmic."
    )
    return text + absent_text(groups)
