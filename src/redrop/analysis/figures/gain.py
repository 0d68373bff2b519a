"""Gain over plain training, a line a task and method (paper A)."""

from __future__ import annotations

from redrop.analysis.gains import average_or_task, baselines, gain, paired_differences
from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import seeds_text
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.reported import AVERAGE
from redrop.analysis.scoring import metrics_text
from redrop.analysis.study_results import StudyResults

EACH = "protocol"
FITS = ("glue", "translation", "summarization")


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Paired by seed: dots are seeds, bars 95 % intervals."""
    tasks = data.tasks_run(protocol)
    rows = data.shown_groups(protocol, tasks)
    baseline = baselines(data.study, protocol, rows) if tasks else {}
    methods, step = list(baseline), len(baseline) + 1
    numbers: list[Row] = []
    names = [*tasks, AVERAGE] if len(tasks) > 1 else tasks
    height = 1.2 + 0.16 * max(3, len(names) * step)
    figure = style.new_figure(0.8 * style.DOUBLE, height, f"Gain over plain training ({protocol})")
    axes = figure.subplots()
    axes.set_xlabel("difference to plain training in points, paired by seed")
    if not methods:
        style.say_empty(axes)
        caption = f"Gain over plain training, protocol {protocol}: no finished runs to compare."
        return Drawing(figure, caption, [])
    axes.axvline(0.0, color=style.GREY, linewidth=0.8, zorder=1)
    for place, name in enumerate(names):
        for number, config in enumerate(methods):
            of, over = (average_or_task(rows[one], name) for one in (config, baseline[config]))
            found = gain(of, over)
            if not found.n:
                continue
            y, look = place * step + number, style.look(number + 1)
            head = {"task": name, "config": config, "over": baseline[config]}
            differences = paired_differences(over, of)
            numbers += [
                head | {"what": "seed", "seed": seed, "gain": value} for seed, value in differences.items()
            ]
            band = {"low": found.low, "high": found.high}
            numbers.append(head | {"what": "mean", "n": found.n, "gain": found.mean} | band)
            seeds = list(differences.values())
            axes.plot(seeds, [y] * len(seeds), "o", markersize=2.5, color=look["color"], alpha=0.5)
            error = None if found.n < 2 else [[found.mean - found.low], [found.high - found.mean]]
            look = {"fmt": look["marker"], "color": look["color"], "markersize": 4.5, "capsize": 2.0}
            axes.errorbar([found.mean], [y], xerr=error, label=config, **look)
    axes.set_yticks([place * step + (len(methods) - 1) / 2 for place in range(len(names))], names)
    axes.set_ylim(len(names) * step - 1.2, -0.8)
    style.legend(figure, [axes])
    every = [group for groups in rows.values() for group in groups]
    caption = (
        f"Gain over plain training on the same training set, in points, protocol {protocol}; "
        f"{seeds_text(every)}. Score: "
        + metrics_text(data.study.reads, tasks)
        + ". Small dots are seeds, marks their mean, bars Student's 95 % interval of the paired difference."
    )
    return Drawing(figure, caption, numbers)
