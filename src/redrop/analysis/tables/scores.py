"""Paper A's table: scores a task, their average, and the gain over plain training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redrop.analysis.collect import Group
from redrop.analysis.gains import average_scores, baselines, gain
from redrop.analysis.gains import scores as task_scores
from redrop.analysis.reported import AVERAGE, GAIN, Reported
from redrop.analysis.scoring import SCORE, SHOWN, in_order, metrics_text
from redrop.analysis.stats import Interval
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH, MINUS, show_number, summarise
from redrop.analysis.table import Builder, Table

ORDER = 20
FITS = ("glue", "translation", "summarization")
CAPTION = "Points, {when}, split {split}: mean ± sample standard deviation over n seeds. {metrics}."
OF_AVERAGE = " Average: mean of the tasks, over the seeds that have all of them."
OF_GAIN = (
    " Gain: difference to plain training (one pass) on the same training set, paired by seed, with its 95 % "
    "t interval."
)
OF_REPORTED = (
    " Reported: figures of others, each with its source, where one is known; they were made with other "
    "seeds, recipes and sometimes sets."
)
WHEN = {
    "glue": "at the end of training, no epoch chosen",
    "translation": "of the weights that the protocol reports",
    "summarization": "of the weights that the protocol reports",
}
MISSING = "No run of this configuration is finished on this task."


Values = dict[str, dict[int, float]]
"""Column -> seed -> points."""


@dataclass(frozen=True)
class Column:
    """One metric on one task, or the average over the tasks."""

    name: str
    task: str
    metric: str
    is_score: bool
    """Whether it is the task's first metric, which averages and gains are made of."""


def columns_of(reads: str, tasks: list[str]) -> list[Column]:
    """The table's columns: every metric that the kind of study shows on every task, and the average."""
    metrics = SHOWN[reads]
    found = [
        Column(task if len(metrics) == 1 else f"{task} {metric}", task, metric, metric == metrics[0])
        for task in tasks
        for metric in metrics
    ]
    return found if len(tasks) == 1 else [*found, Column(AVERAGE, AVERAGE, metrics[0], True)]


def build(data: StudyResults) -> Table:
    """One row a configuration and one for its gain; a column a task and metric."""
    study, reported, found = data.study, data.reported, data.tasks()
    tasks = in_order(dict.fromkeys(task for names in found.values() for task in names))
    columns = columns_of(study.reads, tasks)
    builder = Builder(["Configuration", "n", *(one.name for one in columns)], frozenset({"Configuration"}))
    gains = others = False
    for protocol, own in found.items():
        section, rows = data.heading(protocol), data.shown_groups(protocol, in_order(own))
        values = {config: _values(groups, columns) for config, groups in rows.items()}
        over = baselines(study, protocol, rows)
        for config, groups in rows.items():
            _add(builder, section, groups, columns, values[config])
            others |= _add_reported(builder, section, reported, groups[0], columns, None)
            if config in over:
                gains = True
                _add_gain(builder, section, groups[0], over[config], columns, values)
                others |= _add_reported(builder, section, reported, groups[0], columns, over[config])
    used = {r.metrics[SCORE].split for r in data.results.records if SCORE in r.metrics} or {"dev"}
    metrics = f"Score: {metrics_text(study.reads, tasks)}"
    caption = CAPTION.format(metrics=metrics, split=", ".join(sorted(used)), when=WHEN[study.reads])
    if any(column.task == AVERAGE for column in columns):
        caption += OF_AVERAGE
    if gains:
        caption += OF_GAIN
    if others:
        caption += OF_REPORTED
    return builder.table("scores", f"{study.title}: scores", caption)


def _values(groups: list[Group], columns: list[Column]) -> Values:
    """Those of a configuration."""
    by_task = {group.task: group for group in groups}
    found = {}
    for column in columns:
        if column.task == AVERAGE:
            found[column.name] = average_scores(groups)
        elif column.task in by_task:
            found[column.name] = task_scores(by_task[column.task], column.metric)
    return found


def _add(builder: Builder, section: str, groups: list[Group], columns: list[Column], values: Values) -> None:
    config, first = groups[0].config, {column.task: column.name for column in columns if column.is_score}
    counts = sorted({len(group.done) for group in groups})
    cells = {"Configuration": config, "n": "–".join(map(str, dict.fromkeys((counts[0], counts[-1]))))}
    raw: dict[str, Any] = {"protocol": groups[0].protocol, "config": config, "what": SCORE}
    for name in (column.name for column in columns):
        summary = summarise(values.get(name, {}).values())
        cells[name] = summary.show(".2f")
        raw |= {f"{name}_mean": summary.mean, f"{name}_sd": summary.sd, f"{name}_n": summary.n}
        raw[f"{name}_values"] = " ".join(f"{value:.4f}" for value in values.get(name, {}).values())
    notes = []
    for group in groups:
        if not group.done:
            notes.append((first[group.task], MISSING))
        if group.diverged:
            what = f"{len(group.diverged)} of {len(group.records)} runs diverged and are in no mean."
            notes.append((first[group.task], what))
    builder.row(section, cells, raw, notes)


def _add_gain(
    builder: Builder, section: str, group: Group, over: str, columns: list[Column], values: dict[str, Values]
) -> None:
    cells = {"Configuration": f"{group.config} {MINUS} {over}", "n": ""}
    raw: dict[str, Any] = {"protocol": group.protocol, "config": group.config, "over": over, "what": "gain"}
    for name in (column.name for column in columns):
        found = gain(*(values[config].get(name, {}) for config in (group.config, over)))
        cells[name] = show_gain(found)
        raw |= {f"{name}_mean": found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        raw[f"{name}_n"] = found.n
    builder.row(section, cells, raw, [])


def _add_reported(
    builder: Builder, section: str, reported: Reported, group: Group, columns: list[Column], over: str | None
) -> bool:
    """A row of what others report for the configuration, or for its gain; False where nothing is known."""
    keys = {
        column.name: (group.protocol, group.config, column.task, GAIN if over else column.metric)
        for column in columns
        if column.is_score or not over
    }
    known = {name: key for name, key in keys.items() if key in reported.values}
    if not known:
        return False
    form, what = ("+.2f", "reported gain") if over else (".2f", "reported score")
    title = f"{group.config} {MINUS} {over}" if over else group.config
    cells = {"Configuration": f"{title}, reported", "n": ""} | {column.name: DASH for column in columns}
    cells |= {name: show_number(reported.value(*key), form) for name, key in known.items()}
    raw: dict[str, Any] = {"protocol": group.protocol, "config": group.config, "what": what}
    raw |= {f"{name}_mean": reported.value(*key) for name, key in known.items()}
    builder.row(section, cells, raw, [(name, f"{reported.origin(*key)}.") for name, key in known.items()])
    return True


def show_gain(found: Interval) -> str:
    """``+0.52 (−0.31 to +1.35)``; a dash without a common seed."""
    if not found.n:
        return DASH
    text = f"{found.mean:+.2f}"
    if found.n > 1:
        text += f" ({found.low:+.2f} to {found.high:+.2f})"
    return text.replace("-", MINUS)
