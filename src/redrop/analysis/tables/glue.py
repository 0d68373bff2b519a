"""The paper's GLUE table: a score a task, their average, and the gain over plain fine-tuning."""

from __future__ import annotations

from typing import Any

from redrop.analysis.collect import Group, Results
from redrop.analysis.names import Protocols
from redrop.analysis.paired import average_scores, baselines, gain, in_order, scores, shown_groups
from redrop.analysis.reported import AVERAGE, NOTHING, Reported
from redrop.analysis.sections import corpora
from redrop.analysis.stats import Interval
from redrop.analysis.summary import DASH, MINUS, summarise
from redrop.analysis.tables.table import Builder, Table
from redrop.evaluation.glue import METRICS
from redrop.study import Study

CAPTION = (
    "Points (times 100) at the end of training, no epoch chosen, split {split}: mean ± sample standard "
    "deviation over n seeds. {metrics}. Average: mean of the tasks, over the seeds that have all of them. "
    "Gain: difference to plain fine-tuning (one pass) on the same training set, paired by seed, with its "
    "95 % t interval. Reported: figures of others, each with its source, where one is known; they were made "
    "with other seeds, recipes and sometimes sets."
)
MISSING = "No run of this configuration is finished on this task."


def glue(
    results: Results,
    study: Study,
    reported: Reported = NOTHING,
    protocols: Protocols | None = None,
) -> Table:
    """One row a configuration and one for its gain; one column a task."""
    found = corpora(results, study, protocols)
    tasks = in_order([task for names in found.values() for task in names])
    builder = Builder(["Configuration", "n", *tasks, AVERAGE], frozenset({"Configuration"}))
    for protocol, own in found.items():
        known = study.protocols.get(protocol)
        section = protocol + (f": {known.title}" if known else "")
        rows = shown_groups(results, study, protocol, in_order(own))
        values = {config: _values(groups) for config, groups in rows.items()}
        over = baselines(study, protocol, rows)
        for config, groups in rows.items():
            _add(builder, section, config, groups, tasks, values[config])
            _add_reported(builder, section, reported, groups[0], "score", config, tasks)
            if config in over:
                pair = (config, over[config])
                title = f"{config} {MINUS} {over[config]}"
                _add_gain(builder, section, groups[0], pair, tasks, *(values[one] for one in pair))
                _add_reported(builder, section, reported, groups[0], "gain", title, tasks)
    first = "; ".join(f"{task}: {METRICS[task][0]}" for task in tasks)
    used = {r.metrics["score"].split for r in results.records if "score" in r.metrics} or {"dev"}
    caption = CAPTION.format(metrics=first, split=", ".join(sorted(used)))
    return builder.table("glue", f"{study.title}: scores", caption)


def _values(groups: list[Group]) -> dict[str, dict[int, float]]:
    """Task or average -> seed -> points."""
    values = {group.task: scores(group) for group in groups}
    return values | {AVERAGE: average_scores(groups)}


def _add(
    builder: Builder,
    section: str,
    config: str,
    groups: list[Group],
    tasks: list[str],
    values: dict[str, dict[int, float]],
) -> None:
    counts = sorted({len(group.done) for group in groups})
    cells = {"Configuration": config, "n": "–".join(map(str, dict.fromkeys((counts[0], counts[-1]))))}
    raw: dict[str, Any] = {"protocol": groups[0].protocol, "config": config, "what": "score"}
    notes = []
    for name in (*tasks, AVERAGE):
        summary = summarise(values.get(name, {}).values())
        cells[name] = summary.show(".2f")
        raw |= {f"{name}_mean": summary.mean, f"{name}_sd": summary.sd, f"{name}_n": summary.n}
        raw[f"{name}_values"] = " ".join(f"{value:.4f}" for value in values.get(name, {}).values())
    for group in groups:
        if not group.done:
            notes.append((group.task, MISSING))
        if group.diverged:
            what = f"{len(group.diverged)} of {len(group.records)} runs diverged and are in no mean."
            notes.append((group.task, what))
    builder.row(section, cells, raw, notes)


def _add_gain(
    builder: Builder,
    section: str,
    group: Group,
    pair: tuple[str, str],
    tasks: list[str],
    values: dict[str, dict[int, float]],
    baseline: dict[str, dict[int, float]],
) -> None:
    gains = {name: gain(values.get(name, {}), baseline.get(name, {})) for name in (*tasks, AVERAGE)}
    cells = {"Configuration": f"{pair[0]} {MINUS} {pair[1]}", "n": ""}
    cells |= {name: show_gain(found) for name, found in gains.items()}
    raw: dict[str, Any] = {"protocol": group.protocol, "config": pair[0], "over": pair[1], "what": "gain"}
    for name, found in gains.items():
        raw |= {f"{name}_mean": found.mean, f"{name}_low": found.low, f"{name}_high": found.high}
        raw[f"{name}_n"] = found.n
    builder.row(section, cells, raw, [])


def _add_reported(
    builder: Builder,
    section: str,
    reported: Reported,
    group: Group,
    metric: str,
    title: str,
    tasks: list[str],
) -> None:
    """A row of what others report for the configuration; none where nothing is known."""
    known = {
        name: key
        for name in (*tasks, AVERAGE)
        if (key := (group.protocol, group.config, name, metric)) in reported.values
    }
    if not known:
        return
    form = "+.2f" if metric == "gain" else ".2f"
    cells = {"Configuration": f"{title}, reported", "n": ""} | dict.fromkeys((*tasks, AVERAGE), DASH)
    cells |= {name: f"{reported.value(*key):{form}}".replace("-", MINUS) for name, key in known.items()}
    raw: dict[str, Any] = {"protocol": group.protocol, "config": group.config, "what": f"reported {metric}"}
    raw |= {f"{name}_mean": reported.value(*key) for name, key in known.items()}
    builder.row(section, cells, raw, [(name, f"{reported.origin(*key)}.") for name, key in known.items()])


def show_gain(found: Interval) -> str:
    """``+0.52 (−0.31 to +1.35)``; a dash without a common seed."""
    if not found.n:
        return DASH
    text = f"{found.mean:+.2f}"
    if found.n > 1:
        text += f" ({found.low:+.2f} to {found.high:+.2f})"
    return text.replace("-", MINUS)
