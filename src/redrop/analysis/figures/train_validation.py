"""Training against validation loss at the end of a run: every configuration's gap at a glance."""

from __future__ import annotations

from redrop.analysis.collect import Group
from redrop.analysis.plotting import style
from redrop.analysis.plotting.captions import absent_text, budget_text, seeds_text
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import MINUS

EACH = "task"
FITS = ("corpus",)

ROW_HEIGHT = 0.19
"""Inches a configuration."""


def draw(data: StudyResults, protocol: str, task: str) -> Drawing:
    """A line a configuration, from mean training to mean validation loss; seeds are dots."""
    every = data.groups(protocol, task)
    rows = [group for group in every if group.done]
    title = f"Training and validation loss at the end ({protocol}, {task})"
    figure = style.new_figure(0.75 * style.DOUBLE, 1.1 + ROW_HEIGHT * max(4, len(rows)), title)
    axes = figure.subplots()
    axes.set_xlabel(f"loss at the last iteration ({style.NATS})")
    if not rows:
        style.say_empty(axes)
        axes.set_xticks([])
        return Drawing(figure, _caption(protocol, task, every), [])
    numbers: list[Row] = []
    for position, group in enumerate(rows):
        train, val = group.summary("train_loss_last").mean, group.summary("val_loss_last").mean
        axes.plot([train, val], [position, position], color=style.GREY, linewidth=1.0, zorder=2)
        for metric, filled, label in (
            ("train_loss_last", False, "training"),
            ("val_loss_last", True, "validation"),
        ):
            losses = {record.spec.seed: record.value(metric) for record in group.done}
            look = {"markeredgecolor": style.OURS, "markerfacecolor": style.OURS if filled else "white"}
            look |= {"markersize": 4.0, "markeredgewidth": 0.8, "alpha": 0.85, "zorder": 3}
            axes.plot(list(losses.values()), [position] * len(losses), "o", label=label, **look)
            head = {"config": group.config, "what": "seed"}
            numbers += [head | {"seed": seed, "split": label, "loss": y} for seed, y in losses.items()]
        for label, mean in (("training", train), ("validation", val), ("gap", val - train)):
            numbers.append({"config": group.config, "what": "mean", "split": label, "loss": mean})
        gap = f"{val - train:+.3f}".replace("-", MINUS)
        side = axes.get_yaxis_transform()
        axes.text(1.02, position, gap, transform=side, va="center", ha="left", fontsize=7)
    axes.text(1.02, 1.0, "mean gap", transform=axes.transAxes, va="bottom", ha="left", fontsize=7)
    axes.set_yticks(range(len(rows)), [group.config for group in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    style.legend(figure, [axes], ncols=2)
    return Drawing(figure, _caption(protocol, task, every), numbers)


def _caption(protocol: str, task: str, every: list[Group]) -> str:
    return (
        f"Training (hollow) and validation loss (filled) at the last iteration in {style.NATS}, both "
        f"without dropout, protocol {protocol} on {task}; {seeds_text(every)}{budget_text(every)}. "
        f"Dots are single seeds; the line joins the two means, whose gap is at the right.{absent_text(every)}"
    )
