"""Score over the share of the training set, a line a method."""

from __future__ import annotations

from redrop.analysis.gains import scores
from redrop.analysis.plotting.drawing import Drawing, Row
from redrop.analysis.plotting.score_over_setting import Points, finish, plot_lines
from redrop.analysis.plotting.task_panels import task_panels
from redrop.analysis.study_results import StudyResults

EACH = "protocol"
FITS = ("glue",)


def draw(data: StudyResults, protocol: str) -> Drawing:
    """Score over the share of the training set, a line a method."""
    tasks = data.tasks_run(protocol)
    rows = data.shown_groups(protocol, tasks) if tasks else {}
    numbers: list[Row] = []
    figure, panels = task_panels(f"Training-set size ({protocol})", tasks, "share of train, %", "points")
    for number, axes in enumerate(panels[: len(tasks)]):
        axes.set_xscale("log")
        lines: dict[str, Points] = {}
        for groups in rows.values():
            spec = groups[number].spec
            if spec is not None and groups[number].done and _is_method_itself(spec.config):
                share = 100 * spec.data.train_fraction
                found = lines.setdefault(spec.objective.name, [])
                found.append((share, list(scores(groups[number]).values())))
        shares = sorted({share for points in lines.values() for share, _ in points})
        axes.set_xticks(shares, [f"{share:g}" for share in shares])
        axes.set_xticks([], minor=True)
        numbers += plot_lines(axes, tasks[number], lines)
    words = (
        "Score by method over the share of the training set, drawn anew for each seed, as many updates each"
    )
    return finish(figure, panels, rows, f"{words}; protocol {protocol}", numbers)


def _is_method_itself(config: str) -> bool:
    """Whether a row is a method at some training-set size, no variation of one: ``ce``, ``ce-10pct``."""
    return "-" not in config or config.endswith("pct")
