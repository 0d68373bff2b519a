"""Paper B's form of presentation: validation losses of single runs, one curve over the other.

Known is that the paper overlays one run a rate; ranges of its axes, smoothing and colours are not.
"""

from __future__ import annotations

import math
import textwrap

from redrop.analysis.collect import Results
from redrop.analysis.figures import style
from redrop.analysis.figures.drawn import Drawn, Row
from redrop.analysis.figures.series import absent_text, budget_text, common_budget, sweep_series
from redrop.analysis.reported import Reported
from redrop.study import Study

PER_ROW = 3
TITLE_WIDTH = 28
"""Characters of a panel's title in one line."""


def paper_curves(
    results: Results,
    study: Study,
    protocol: str,
    task: str,
    reported: Reported | None = None,
    sweep: str | None = None,
) -> Drawn:
    """The run of the lowest seed that each configuration has; no mean, no spread."""
    del reported, sweep
    subjects = [one for one in study.protocol(protocol).sweeps.values() if one.rate]
    columns = 2 if len(subjects) in (4, 5) else min(PER_ROW, len(subjects))
    lines = math.ceil(len(subjects) / columns)
    figure = style.new_figure(style.DOUBLE, 0.6 + 2.3 * lines)
    figure.suptitle(f"In the paper's form: one run a rate ({protocol}, {task})")
    grid = figure.subplots(lines, columns, squeeze=False)
    rows: list[Row] = []
    seeds: set[int] = set()
    groups = {}
    for axes, subject in zip(grid.flat, subjects, strict=False):
        series = sweep_series(results, study, protocol, task, subject)
        groups |= {one.config: one.group for one in series}
        budget = common_budget(series)
        axes.set_title(textwrap.fill(subject.title, TITLE_WIDTH, break_on_hyphens=False))
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_formatter(style.thousands_formatter())
        for index, one in enumerate(series):
            if not one.group.done:
                continue
            record = one.group.done[0]
            curve = results.curve(record.run).set_index("iteration")["val_loss"].loc[:budget]
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
    return Drawn(figure, caption + absent_text(every), rows)
