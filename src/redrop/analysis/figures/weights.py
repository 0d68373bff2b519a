"""Score over the weight of each of LR-Drop's terms, the others unchanged."""

from __future__ import annotations

import numpy as np

from redrop.analysis.gains import BASELINE, scores
from redrop.analysis.plotting import style
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.plotting.score_over_setting import Points, finish, plot_lines
from redrop.analysis.plotting.task_panels import task_panels
from redrop.analysis.settings import flat
from redrop.analysis.study_results import StudyResults

EACH = "protocol"
FITS = ("glue",)


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Score over the weight of each term, the others unchanged; plain fine-tuning as a line across."""
    tasks = data.tasks_run(protocol)
    rows = data.shown_groups(protocol, tasks) if tasks else {}
    numbers: list[Row] = []
    figure, panels = task_panels(f"Weights of the terms ({protocol})", tasks, "weight", "points")
    sweeps = {sweep.name: sweep for sweep in data.study.protocol(protocol).sweeps.values() if sweep.rate}
    for number, axes in enumerate(panels[: len(tasks)]):
        axes.set_xscale("symlog", linthresh=0.1)
        lines: dict[str, Points] = {}
        for name, sweep in sweeps.items():
            for config in sweep.configs:
                group = rows.get(config, [None] * len(tasks))[number]
                if group is not None and group.done:
                    weight = flat(group.spec)[sweep.rate]
                    lines.setdefault(name, []).append((weight, list(scores(group).values())))
        if BASELINE in rows and rows[BASELINE][number].done:
            plain = np.mean(list(scores(rows[BASELINE][number]).values()))
            axes.axhline(plain, color=style.GREY, linewidth=0.8, label=BASELINE)
            numbers.append({"task": tasks[number], "line": BASELINE, "what": "mean", "points": float(plain)})
        numbers += plot_lines(axes, tasks[number], lines, first=1)
    words = (
        "Score over one weight (inner: alpha and beta together), the others as in lrdrop; grey: plain's mean"
    )
    return finish(figure, panels, rows, f"{words}; protocol {protocol}", numbers)
