"""The authors' recorded curve over the band of our seeds: where their records are at hand, not published."""

from __future__ import annotations

import itertools

from redrop.analysis.author_curves import AUTHORS_CORPUS, read_recorded, recorded_file
from redrop.analysis.collect import Group
from redrop.analysis.plotting import style
from redrop.analysis.plotting.bands import band_of, band_rows
from redrop.analysis.plotting.captions import absent_text, budget_text, seeds_text
from redrop.analysis.plotting.configurations import val_curves
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.plotting.sweep_panels import all_groups, fit_losses, lines_of, panel_grid
from redrop.analysis.reported import comparable
from redrop.analysis.settings import overrides
from redrop.analysis.study_results import StudyResults
from redrop.errors import ConfigError
from redrop.study import Protocol

EACH = "task"
FITS = ("corpus",)
RECORDS = True
"""Made of the authors' records, which are not published."""


def is_drawn(protocol: Protocol, task: str | None) -> bool:
    """Where the authors ran the protocol and their records are at hand."""
    return recorded_file(protocol.name) is not None and task in (None, AUTHORS_CORPUS)


def draw(data: StudyResults, protocol: str, task: str) -> Drawing:
    """A panel a configuration: our lowest to highest seed, and theirs; the rows are ours only."""
    results, study = data.results, data.study
    path = recorded_file(protocol)
    if path is None:
        raise ConfigError(f"figure recorded-curves: no records for protocol {protocol}; set REDROP_REFERENCE")
    theirs = read_recorded(path)

    def fair(group: Group) -> bool:
        alike = [comparable(record, overrides(study, record.spec)) for record in group.done]
        return bool(alike) and all(alike)

    lines = lines_of(data, protocol, task, fair)
    title = f"Our seeds and the authors' recorded run ({protocol}, {task})"
    figure, panels = panel_grid(title, lines, f"loss ({style.NATS})", "no finished run of the authors' size")
    rows: list[Row] = []
    for line, places in zip(lines, panels, strict=True):
        for axes, one in zip(places, line.shown, strict=True):
            ours = band_of(val_curves(results, one.group)).loc[: line.budget]
            blue = {"color": style.OURS}
            spread = {"label": "our lowest to highest seed", "alpha": 0.3, "linewidth": 0}
            axes.fill_between(ours.index, ours["low"], ours["high"], **blue, **spread)
            axes.plot(ours.index, ours["mean"], linewidth=1.0, label="our mean", **blue)
            points = [point for point in theirs.get(one.config, []) if point[0] <= line.budget]
            if points:
                look = {"color": style.THEIRS, "linestyle": (0, (4, 1.5)), "linewidth": 0.9}
                axes.plot(*zip(*points, strict=True), label="the authors' run", **look)
            head = {"sweep": line.sweep.name, "config": one.config, "n": len(one.group.done)}
            rows += band_rows(ours, head)
        fit_losses(places, line, results)
    style.legend(figure, itertools.chain(*panels))
    groups = all_groups(data, protocol, task)
    caption = (
        f"Validation loss in {style.NATS} over iterations, protocol {protocol} on {task}; "
        f"{seeds_text(groups)}{budget_text(groups)}; the authors' curve is a single run, scored on random "
        "batches. Drawing where our runs have their settings. The authors' records are read from "
        "REDROP_REFERENCE and are no part of the numbers beside this figure."
    )
    unlike = [group.config for group in groups if group.done and not fair(group)]
    if unlike:
        caption += f" Not at the authors' size: {', '.join(unlike)}."
    return Drawing(figure, caption + absent_text(groups), rows)
