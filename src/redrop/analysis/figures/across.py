"""Figures of paper A, drawn once a protocol: every task of it in one figure, every method in one look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from redrop.analysis.collect import Group, Results
from redrop.analysis.figures import style
from redrop.analysis.figures.drawn import Drawn, Row
from redrop.analysis.figures.panels import task_panels
from redrop.analysis.figures.series import seeds_text
from redrop.analysis.landscape import slice_of
from redrop.analysis.paired import (
    average_scores,
    baselines,
    gain,
    paired_differences,
    passes_of,
    scores,
    shown_groups,
)
from redrop.analysis.reported import AVERAGE, Reported
from redrop.analysis.scoring import SHOWN, first_metric, in_order, metrics_text, scale
from redrop.record import RunRecord
from redrop.study import Study

Curve = tuple[Sequence[float], Sequence[float]]
COUNTED = ("layer", "epoch", "update", "pass")
"""Axes that have whole numbers alone."""


def tasks_of(results: Results, study: Study, protocol: str) -> list[str]:
    """The tasks that the protocol has runs on, in GLUE's order."""
    return in_order(results.protocols(study.name).get(protocol, []))


def gain_figure(
    results: Results,
    study: Study,
    protocol: str,
    task: str | None = None,
    reported: Reported | None = None,
    sweep: str | None = None,
) -> Drawn:
    """Gain over plain training, paired by seed: dots are seeds, bars 95 % intervals."""
    del task, reported, sweep
    tasks = tasks_of(results, study, protocol)
    rows = shown_groups(results, study, protocol, tasks)
    baseline = baselines(study, protocol, rows) if tasks else {}
    methods = list(baseline)
    named: set[str] = set()
    numbers: list[Row] = []
    names = [*tasks, AVERAGE] if len(tasks) > 1 else tasks
    height = 1.2 + 0.16 * max(3, len(names) * (len(methods) + 1))
    figure = style.new_figure(0.8 * style.DOUBLE, height)
    figure.suptitle(f"Gain over plain training ({protocol})")
    axes = figure.subplots()
    axes.set_xlabel("difference to plain training in points, paired by seed")
    if not methods:
        style.say_empty(axes)
        caption = f"Gain over plain training, protocol {protocol}: no finished runs to compare."
        return Drawn(figure, caption, [])
    axes.axvline(0.0, color=style.GREY, linewidth=0.8, zorder=1)
    for place, name in enumerate(names):
        for number, config in enumerate(methods):
            of, over = (points_of(rows[one], tasks, name) for one in (config, baseline[config]))
            found = gain(of, over)
            if not found.n:
                continue
            y = place * (len(methods) + 1) + number
            look = style.look(number + 1)
            differences = paired_differences(over, of)
            head = {"task": name, "config": config, "over": baseline[config]}
            numbers += [
                head | {"what": "seed", "seed": seed, "gain": value} for seed, value in differences.items()
            ]
            band = {"low": found.low, "high": found.high}
            numbers.append(head | {"what": "mean", "n": found.n, "gain": found.mean} | band)
            axes.plot(
                list(differences.values()),
                [y] * len(differences),
                "o",
                markersize=2.5,
                color=look["color"],
                alpha=0.5,
            )
            error = None if found.n < 2 else [[found.mean - found.low], [found.high - found.mean]]
            axes.errorbar(
                [found.mean],
                [y],
                xerr=error,
                fmt=look["marker"],
                markersize=4.5,
                color=look["color"],
                capsize=2.0,
                label=None if config in named else config,
            )
            named.add(config)
    step = len(methods) + 1
    axes.set_yticks([place * step + (len(methods) - 1) / 2 for place in range(len(names))], names)
    axes.set_ylim(len(names) * step - 1.2, -0.8)
    if named:
        figure.legend(loc="outside lower center", ncols=4)
    every = [group for groups in rows.values() for group in groups]
    caption = (
        f"Gain over plain training on the same training set, in points, protocol {protocol}; "
        f"{seeds_text(every)}. Score: "
        + metrics_text(study.reads, tasks)
        + ". Small dots are seeds, marks their mean, bars Student's 95 % interval of the paired difference."
    )
    return Drawn(figure, caption, numbers)


def points_of(groups: Sequence[Group], tasks: Sequence[str], name: str) -> dict[int, float]:
    """Seed -> score in points, of one of the tasks or of their average."""
    return average_scores(groups) if name == AVERAGE else scores(groups[tasks.index(name)])


def learning_figure(results: Results, study: Study, protocol: str, *_: Any, **__: Any) -> Drawn:
    """Score while training: over the epochs, or over updates and passes where texts are generated."""
    glue = study.reads == "glue"

    def over(key: str, by_passes: bool = False) -> Callable[[RunRecord], Curve]:
        def curve(record: RunRecord) -> Curve:
            first = first_metric(study.reads, record.spec.task) + ("" if glue else "_valid")
            rows = [row for row in results.rows(record.run) if row.get(first) is not None]
            times = passes_of(record.spec) if by_passes else 1
            return [times * row[key] for row in rows], [scale(record) * row[first] for row in rows]

        return curve

    title = "Score while training"
    if glue:
        words = "Score on the development set over the epochs"
        return _panels(results, study, protocol, over("epoch"), title, "epoch", "points", words)
    metric = SHOWN[study.reads][0]
    words = (
        f"{metric} of the validation set's first inputs (evaluation.decoded), over the updates, and over the "
        "passes of a batch through the model, forward and backward: one an update with plain training, two "
        "with the others, so this is about what a score costs"
    )
    curves = {"by update": over("iteration"), "by pass": over("iteration", by_passes=True)}
    xs = {"by update": "update", "by pass": "pass"}
    return _panels(results, study, protocol, curves, title, xs, f"{metric}, validation set", words)


def landscape_figure(results: Results, study: Study, protocol: str, *_: Any, **__: Any) -> Drawn:
    """Development loss along one random direction around each solution."""

    def curve(record: RunRecord) -> Curve:
        points = slice_of(record)
        return [by for by, _ in points], [loss for _, loss in points]

    words = (
        "Loss on the first development examples, weights moved along one Gaussian direction whose rows have "
        "the norms of the weights' rows (Li et al., 2018); the solution is at 0"
    )
    title, x = "Loss around the solution", "distance, in norms of the weights"
    return _panels(results, study, protocol, curve, title, x, "loss", words)


def inconsistency_figure(results: Results, study: Study, protocol: str, *_: Any, **__: Any) -> Drawn:
    """Disagreement between two dropout passes, layer by layer: of the hidden states, and of the attention."""

    def of_layers(prefix: str) -> Callable[[RunRecord], Curve]:
        def curve(record: RunRecord) -> Curve:
            layers = sorted(
                int(name.removeprefix(prefix)) for name in record.metrics if name.startswith(prefix)
            )
            return layers, [record.value(f"{prefix}{layer}") for layer in layers]

        return curve

    curves = {
        "hidden states": of_layers("inconsistency_hidden_"),
        "attention": of_layers("inconsistency_attention_"),
    }
    words = (
        "Mean squared error between two dropout passes of the finished models, development set: of the "
        "hidden states, and of the attention probabilities before dropout. It is small, too, in a model that "
        "says the same of every input: look at its score"
    )
    title, y = "Inconsistency a layer", "mean squared error"
    return _panels(results, study, protocol, curves, title, "layer", y, words, log=True)


def _panels(
    results: Results,
    study: Study,
    protocol: str,
    curves: Callable[[RunRecord], Curve] | Mapping[str, Callable[[RunRecord], Curve]],
    title: str,
    x: str | Mapping[str, str],
    y: str,
    words: str,
    *,
    log: bool = False,
) -> Drawn:
    """A panel a task; a line a method: the mean of its seeds, with a band from the lowest to the highest.

    ``curves``: from a run to its curve; or several by name, each with a panel a task of its own, and with
    an ``x`` of its own if there are several.
    """
    tasks = tasks_of(results, study, protocol)
    rows = shown_groups(results, study, protocol, tasks)
    kinds = curves if isinstance(curves, Mapping) else {"": curves}
    shown = [(kind, number) for kind in kinds for number in range(len(tasks))]
    names = [": ".join(filter(None, (tasks[number], kind))) for kind, number in shown]
    labels = x if isinstance(x, Mapping) else dict.fromkeys(kinds, x)
    figure, panels = task_panels(f"{title} ({protocol})", names, "", y)
    every = [group for groups in rows.values() for group in groups]
    named: set[str] = set()
    numbers: list[Row] = []
    for (kind, number), axes in zip(shown, panels, strict=False):
        if log:
            style.logarithmic(axes, (1.0, 2.0, 3.0, 4.0, 6.0, 8.0))
        axes.set_xlabel(labels[kind])
        if labels[kind] in COUNTED:
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6 if len(kinds) == 1 else 4, integer=True))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        for index, (config, groups) in enumerate(rows.items()):
            drawn = _line(axes, groups[number], kinds[kind], index, None if config in named else config)
            if drawn:
                named.add(config)
            head = {"task": tasks[number], "config": config} | ({"of": kind} if kind else {})
            numbers += [head | {labels[kind].split(",")[0]: at} | row for at, row in drawn]
    if named:  # a legend of nothing is a warning
        figure.legend(loc="outside lower center", ncols=4)
    caption = f"{words}; protocol {protocol}, {seeds_text(every)}. Lines are means, bands lowest to highest."
    return Drawn(figure, caption, numbers)


def _line(
    axes: Axes, group: Group, curve: Callable[[RunRecord], Curve], index: int, label: str | None
) -> list[tuple[float, Row]]:
    """Draw a method's line; its points, none where no run has any."""
    curves = [found for found in map(curve, group.done) if len(found[0])]
    if not curves:
        return []
    shortest = min(len(xs) for xs, _ in curves)
    values = np.array([ys[:shortest] for _, ys in curves], dtype=float)
    xs, look = np.array(curves[0][0][:shortest], dtype=float), style.look(index)
    axes.plot(xs, values.mean(axis=0), label=label, **look)
    if len(curves) > 1:
        axes.fill_between(
            xs, values.min(axis=0), values.max(axis=0), color=look["color"], alpha=0.15, linewidth=0
        )
    ends = (values.mean(axis=0), values.min(axis=0), values.max(axis=0))
    points = zip(xs.tolist(), *(end.tolist() for end in ends), strict=True)
    return [(x, {"n": len(curves), "mean": mean, "low": low, "high": high}) for x, mean, low, high in points]
