"""Paper B's form of presentation: validation losses of single runs, one curve over the other.

Known is that the paper overlays one run a rate; ranges of its axes, smoothing and colours are not.
"""

from __future__ import annotations

import math
import textwrap

from redrop.analysis.plotting import style
from redrop.analysis.plotting.configurations import (
    absent_text,
    budget_text,
    common_budget,
    sweep_configurations,
)
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.study_results import StudyResults
from redrop.study import Protocol

EACH = "task"
FITS = ("corpus",)

PER_ROW = 3
TITLE_WIDTH = 28
"""Characters of a panel's title in one line."""


def is_drawn(protocol: Protocol, task: str | None) -> bool:
    """Where a sweep is over a rate."""
    return any(sweep.rate for sweep in protocol.sweeps.values())


def draw(data: StudyResults, protocol: str, task: str) -> Drawing:
    """The run of the lowest seed that each configuration has; no mean, no spread."""
    subjects = [one for one in data.study.protocol(protocol).sweeps.values() if one.rate]
    columns = 2 if len(subjects) in (4, 5) else min(PER_ROW, len(subjects))
    lines = math.ceil(len(subjects) / columns)
    figure = style.new_figure(style.DOUBLE, 0.6 + 2.3 * lines)
    figure.suptitle(f"In the paper's form: one run a rate ({protocol}, {task})")
    grid = figure.subplots(lines, columns, squeeze=False)
    rows: list[Row] = []
    seeds: set[int] = set()
    groups = {}
    for axes, subject in zip(grid.flat, subjects, strict=False):
        configurations = sweep_configurations(data, protocol, task, subject)
        groups |= {one.config: one.group for one in configurations}
        budget = common_budget(configurations)
        axes.set_title(textwrap.fill(subject.title, TITLE_WIDTH, break_on_hyphens=False))
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_formatter(style.thousands_formatter())
        for index, one in enumerate(configurations):
            if not one.group.done:
                continue
            record = one.group.done[0]
            curve = data.results.curve(record.run).set_index("iteration")["val_loss"].loc[:budget]
            look = style.look(index) | {"markevery": (index % 3, 4), "markersize": 2.5, "linewidth": 0.9}
            axes.plot(curve.index, curve, label=one.name, **look)
            seeds.add(record.spec.seed)
            head = {"sweep": subject.name, "config": one.config, "rate": one.rate, "seed": record.spec.seed}
            rows += [head | {"iteration": at, "val_loss": loss} for at, loss in curve.items()]
        if axes.lines:
            many = 2 if len(axes.lines) > 6 else 1
            axes.legend(loc="upper right", title="dropout rate", ncols=many)
        else:
            style.say_empty(axes)
    for axes in grid[:, 0]:
        axes.set_ylabel(f"validation loss ({style.NATS})")
    for axes in grid.flat[len(subjects) :]:
        axes.remove()
    every = list(groups.values())
    which = f"seed {', '.join(map(str, sorted(seeds)))}" if seeds else "no finished run"
    caption = (
        f"Validation loss in {style.NATS} over iterations, protocol {protocol} on {task}, as the paper shows "
        f"its results: a single run of each rate (n = 1, {which}){budget_text(every)}, without spread. What "
        "such curves cannot show, the other figures do: every seed, intervals, the second half closer up. Of "
        "the paper's own figures only this form is known, not their ranges or smoothing."
    )
    return Drawing(figure, caption + absent_text(every), rows)
