"""Paper B's form of presentation: validation losses of single runs, one curve over the other.

Known is that the paper overlays one run a rate; ranges of its axes, smoothing and colours are not.
"""

from __future__ import annotations

from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import NOTHING_DRAWN, absent_text, budget_text
from redrop.analysis.plotting.configurations import common_budget, sweep_configurations
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.plotting.sweep_panels import has_rate, rate_grid
from redrop.analysis.study_results import StudyResults
from redrop.study import Protocol

EACH = "task"
FITS = ("corpus",)


def is_drawn(protocol: Protocol, task: str | None) -> bool:
    """Where a sweep is over a rate."""
    return has_rate(protocol)


def draw(data: StudyResults, protocol: str, task: str) -> Drawing:
    """The run of the lowest seed that each configuration has; no mean, no spread."""
    title, y = f"In the paper's form: one run a rate ({protocol}, {task})", f"validation loss ({style.NATS})"
    figure, panels = rate_grid(data.study.protocol(protocol), title, y, 0.6, 2.3, in_pairs=(4, 5))
    rows: list[Row] = []
    seeds: set[int] = set()
    groups = {}
    for axes, subject in panels:
        configurations = sweep_configurations(data, protocol, task, subject)
        groups |= {one.config: one.group for one in configurations}
        budget = common_budget(configurations)
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_formatter(style.thousands)
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
    every = list(groups.values())
    which = f"seed {', '.join(map(str, sorted(seeds)))}" if seeds else NOTHING_DRAWN
    caption = (
        f"Validation loss in {style.NATS} over iterations, protocol {protocol} on {task}, as the paper shows "
        f"its results: a single run of each rate (n = 1, {which}){budget_text(every)}, without spread. What "
        "such curves cannot show, the other figures do: every seed, intervals, the second half closer up. Of "
        "the paper's own figures only this form is known, not their ranges or smoothing."
    )
    return Drawing(figure, caption + absent_text(every), rows)
