"""Every seed's validation loss, a panel a configuration."""

from __future__ import annotations

import itertools

from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import absent_text, budget_text, seeds_text
from redrop.analysis.plotting.configurations import val_curves
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.plotting.sweep_panels import CUT_SHARE, all_groups, fit_losses, lines_of, panel_grid
from redrop.analysis.study_results import StudyResults

EACH = "task"
FITS = ("corpus",)


def draw(data: StudyResults, protocol: str, task: str) -> Drawing:
    """Every seed's validation loss, a panel a configuration, its sweep's control in grey behind."""
    lines = lines_of(data, protocol, task)
    title = f"Every seed's validation loss ({protocol}, {task})"
    figure, panels = panel_grid(title, lines, f"loss ({style.NATS})")
    rows: list[Row] = []
    for line, places in zip(lines, panels, strict=True):
        for axes, one in zip(places, line.shown, strict=True):
            if line.control is not None and one is not line.control:
                grey = {"color": style.PALE, "linewidth": 2.2, "zorder": 1}
                for curve in val_curves(data.results, line.control.group):
                    axes.plot(curve.loc[: line.budget], label="the sweep's lowest rate", **grey)
            blue = {"color": style.OURS, "linewidth": 0.8, "zorder": 3}
            curves = val_curves(data.results, one.group)
            for record, curve in zip(one.group.done, curves, strict=True):
                axes.plot(curve.loc[: line.budget], label="one seed", **blue)
                head = {"sweep": line.sweep.name, "config": one.config, "name": one.name}
                head["seed"] = record.spec.seed
                rows += [
                    head | {"iteration": at, "val_loss": y} for at, y in curve.loc[: line.budget].items()
                ]
        fit_losses(places, line, data.results)
    style.legend(figure, itertools.chain(*panels))
    groups = all_groups(data, protocol, task)
    caption = (
        f"Validation loss in {style.NATS} over iterations, protocol {protocol} on {task}; "
        f"{seeds_text(groups)}{budget_text(groups)}. A panel a configuration, a thin line a seed; broad "
        "and grey behind: the seeds of the sweep's lowest rate. "
        f"The panels of a sweep have one scale, from {CUT_SHARE:.0%} of the run on; what is higher is cut."
    )
    return Drawing(figure, caption + absent_text(groups), rows)
