"""What is found inside finished decoders: a map a quantity, a row a configuration (docs/mechanisms.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from redrop.analysis.mechanisms import HEADS, PLACES, QUANTITIES, SUBLAYERS, THIRDS, mechanisms_of
from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import budget_text, seeds_text
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.study_results import StudyResults
from redrop.record import RunRecord

EACH = "task"
FITS = ("corpus",)
LOSSES = "loss"
PANELS = {
    "token_rank": "rank of tokens",
    "token_rank_without_skips": "... without skips",
    "variance_shift": "variance shift",
    "attention_entropy": "attention entropy",
    "total": "total effect",
    "direct": "direct effect",
    "turn": "turn",
    LOSSES: "loss by frequency",
}
ACROSS = {PLACES: "sub-layers passed", SUBLAYERS: "sub-layer", HEADS: "layer"}
LINEAR = 0.01
"""Effects from here on have a logarithmic scale, nats a character."""
COLUMNS, ROW = 4, 0.15

Runs = dict[str, list[RunRecord]]
"""Configuration -> the finished runs that were looked into."""


def is_measured(data: StudyResults, protocol: str, task: str | None) -> bool:
    """Whether any run of the protocol was looked into."""
    return task is not None and bool(runs_of(data, protocol, task))


def runs_of(data: StudyResults, protocol: str, task: str) -> Runs:
    """In the study's order."""
    groups = data.groups(protocol, task)
    found = {group.config: [run for run in group.done if mechanisms_of(run)] for group in groups}
    return {config: runs for config, runs in found.items() if runs}


def draw(data: StudyResults, protocol: str, task: str) -> Drawing:
    """Means over the seeds."""
    runs = runs_of(data, protocol, task)
    groups = [data.group(protocol, config, task) for config in runs]
    title = f"What is found inside ({protocol}, {task})"
    lines = math.ceil(len(PANELS) / COLUMNS)
    height = 0.9 + lines * (0.9 + ROW * max(4, len(runs)))
    figure = style.new_figure(style.DOUBLE + 1.0, height, title)
    panels = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
    rows: list[Row] = []
    for number, (axes, name) in enumerate(zip(panels, PANELS, strict=True)):
        axes.set_title(PANELS[name])
        axes.grid(visible=False)
        if not runs:
            style.say_empty(axes, "not measured")
            continue
        table = [_means(own, name) for own in runs.values()]
        _draw(figure, axes, table, name)
        names = list(runs) if number % COLUMNS == 0 else []
        axes.set_yticks(np.arange(len(names)) + 0.5, names)
        for (config, own), means in zip(runs.items(), table, strict=True):
            head = {"config": config, "n": len(own), "quantity": name}
            places = zip(_places(name, means), means, strict=True)
            rows += [head | {"place": place, "mean": mean} for place, mean in places]
            rows += _others(own, head)
    text = (
        f"Inside finished models, protocol {protocol} on {task}, means over the seeds; {seeds_text(groups)}"
        f"{budget_text(groups)}. Validation text; docs/mechanisms.md says how each is measured. Effects: by "
        f"how much the loss rises without one sub-layer's output, {style.NATS}, on a scale that is "
        f"logarithmic from {LINEAR:g} on; entropies are means over the heads. Each map has its own scale."
    )
    return Drawing(figure, text, rows)


def _means(runs: Sequence[RunRecord], name: str) -> list[float]:
    """Over runs and heads, a number a place; none where it was not measured."""
    if name == LOSSES:
        losses = [[run.value(f"val_loss_{third}") for third in THIRDS] for run in runs]
        return np.mean(losses, axis=0).tolist()
    found = [own[name] for own in map(mechanisms_of, runs) if name in own]
    if not found:
        return []
    numbers = np.array(found, dtype=float)  # null is NaN
    return (numbers.mean(-1) if QUANTITIES[name] == HEADS else numbers).mean(0).tolist()


def _others(runs: Sequence[RunRecord], head: Row) -> list[Row]:
    """What is not drawn: repair beside the direct effect, and every head."""
    rows: list[Row] = []
    if head["quantity"] == "direct":
        means = _means(runs, "repair")
        rows += [head | {"quantity": "repair", "place": k, "mean": mean} for k, mean in enumerate(means, 1)]
    if head["quantity"] == "attention_entropy":
        heads = np.array([mechanisms_of(run)["attention_entropy"] for run in runs], dtype=float).mean(0)
        for (layer, number), mean in np.ndenumerate(heads):
            rows.append(head | {"place": layer + 1, "head": number + 1, "mean": float(mean)})
    return rows


def _places(name: str, means: Sequence[float]) -> Sequence[int | str]:
    if name == LOSSES:
        return THIRDS
    first = 0 if QUANTITIES[name] == PLACES else 1
    return range(first, first + len(means))


def _draw(figure: Figure, axes: Axes, table: list[list[float]], name: str) -> None:
    """A row a configuration; shorter ones, and those without, end in white."""
    widest = max(table, key=len)
    cells = np.full((len(table), len(widest)), np.nan)
    for line, means in zip(cells, table, strict=True):
        line[: len(means)] = means
    finite = cells[np.isfinite(cells)]
    if not len(finite):
        style.say_empty(axes, "not measured")
        return
    norm = Normalize(finite.min(), finite.max())
    if name in ("total", "direct"):
        norm = SymLogNorm(LINEAR, vmin=min(0.0, finite.min()), vmax=max(LINEAR, finite.max()))
    places = list(_places(name, widest))
    edges = np.arange(len(places) + 1) + (0 if name == LOSSES else places[0]) - 0.5
    mesh = axes.pcolormesh(edges, np.arange(len(table) + 1), cells, cmap="cividis", norm=norm)
    axes.invert_yaxis()
    if name == LOSSES:
        axes.set_xticks(range(len(places)), places)
    else:
        axes.set_xlabel(ACROSS[QUANTITIES[name]])
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    figure.colorbar(mesh, ax=axes, shrink=0.9).ax.grid(visible=False)
