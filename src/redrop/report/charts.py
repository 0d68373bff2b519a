"""Curves to look into: every run of a protocol on one text or task, with hover and a choice of runs.

Altair writes the chart as data (Vega-Lite), and the libraries that draw it are embedded once. Against plotly:
0.9 MB of JavaScript rather than 4.8, and marks as svg, which scales, prints and has text that is read aloud.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from redrop.analysis.collect import Results
from redrop.analysis.scoring import first_metric, in_order, score_while_training
from redrop.analysis.study_results import StudyResults
from redrop.record import RunRecord
from redrop.report.folder import ResultsFolder
from redrop.report.study_views import View

COLOURS = ("#0072b2", "#d55e00", "#008f68", "#b85c94", "#8a7500", "#3f9bd1", "#808080", "#a0522d")
"""After Okabe and Ito (2008), moved to where each is told from a white and from a dark page."""
DASHES = ((1, 0), (6, 2), (2, 2), (8, 2, 2, 2), (12, 3))
POINTS = 4000
"""Of one chart; longer curves are thinned evenly, their last point kept."""


@dataclass(frozen=True)
class Look:
    """Colour and dashes of a configuration."""

    config: str
    colour: str
    dash: tuple[int, ...]


@dataclass(frozen=True)
class Chart:
    """A chart for the page."""

    anchor: str
    title: str
    description: str
    looks: tuple[Look, ...]
    spec: dict[str, Any]
    source: str
    """Pattern of the files that hold its numbers, from the results folder on."""


def charts(folder: ResultsFolder, view: View) -> list[Chart]:
    """A chart for each protocol and task of a view that has curves."""
    study, found = view.study, []
    for protocol, tasks in StudyResults(view.results, study).tasks().items():
        for task in in_order(tasks):
            runs = [
                record
                for record in view.results.records
                if (record.spec.protocol, record.spec.task) == (protocol, task)
            ]
            rows = thinned(points(view.results, study.reads, runs))
            if not rows:
                continue
            words = words_of(study.reads, task)
            configs = list(dict.fromkeys(row["config"] for row in rows))
            looks = tuple(
                Look(config, COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)])
                for i, config in enumerate(configs)
            )
            seeds = len({row["seed"] for row in rows})
            description = (
                f"{words['y']}, over the {words['x'].lower()}s, of {len(configs)} "
                f"configuration{'s' if len(configs) > 1 else ''}, protocol {protocol} on {task}, up to "
                f"{seeds} seed{'s' if seeds > 1 else ''} each: thin lines are single runs, thick "
                "lines their means."
            )
            if view.label:
                description = f"{view.label}. {description}"
            place = folder.relative(runs[0].folder.parent)
            found.append(
                Chart(
                    f"chart-{study.part}-{protocol}-{task}",
                    f"{protocol}, {task}",
                    description,
                    looks,
                    specification(rows, looks, words, description),
                    f"{place}/{protocol}-*-{task}-s*/curve.jsonl",
                )
            )
    return found


def words_of(reads: str, task: str) -> dict[str, str]:
    """What the axes say."""
    if reads == "corpus":
        return {"x": "Iteration", "y": "Validation loss, nats a character"}
    x = "Epoch" if reads == "glue" else "Update"
    return {"x": x, "y": f"Development score ({first_metric(reads, task)}), points"}


def points(results: Results, reads: str, runs: list[RunRecord]) -> dict[str, list[dict[str, Any]]]:
    """Run -> the rows of its curve that have what is drawn: config, seed, x, y."""
    found = {}
    for record in runs:
        spec = record.spec
        if reads == "corpus":
            rows = results.rows(record.run)
            curve = [(row["iteration"], row["val_loss"]) for row in rows if row.get("val_loss") is not None]
        else:
            curve = score_while_training(results, reads, record)
        head = {"config": spec.config, "seed": spec.seed}
        found[record.run] = [head | {"x": x, "y": round(y, 5)} for x, y in curve]
    return {run: rows for run, rows in found.items() if rows}


def thinned(curves: Mapping[str, list[dict[str, Any]]], limit: int = POINTS) -> list[dict[str, Any]]:
    """All rows, of every curve each k-th and the last where together they would be more than ``limit``."""
    total = sum(map(len, curves.values()))
    step = -(-total // limit) if total else 1
    rows = []
    for curve in curves.values():
        last = len(curve) - 1
        rows += [row for number, row in enumerate(curve) if (last - number) % step == 0]
    return rows


def specification(
    rows: list[dict[str, Any]], looks: tuple[Look, ...], words: dict[str, str], description: str
) -> dict[str, Any]:
    """The chart as Vega-Lite; its parameters ``shown`` and ``start`` are set by the page's controls."""
    import altair as alt

    configs = [look.config for look in looks]
    lowest, highest = min(row["x"] for row in rows), max(row["x"] for row in rows)
    shown = alt.param(name="shown", value=configs)
    start = alt.param(name="start", value=lowest)
    colour = alt.Color("config:N", legend=None).scale(domain=configs, range=[look.colour for look in looks])
    dash = alt.StrokeDash("config:N", legend=None).scale(
        domain=configs, range=[list(look.dash) for look in looks]
    )
    x = alt.X("x:Q", title=words["x"]).scale(nice=False, zero=False)
    y = alt.Y("y:Q", title=words["y"]).scale(zero=False)
    base = (
        alt.Chart(alt.Data(values=rows))
        .transform_filter("indexof(shown, datum.config) >= 0 && datum.x >= start")
        .encode(x=x, color=colour)
    )
    thin = base.mark_line(strokeWidth=0.8, opacity=0.4, aria=False).encode(
        y=y, detail="seed:N", strokeDash=dash
    )
    thick = base.mark_line(strokeWidth=2.2, aria=False).encode(y=alt.Y("mean(y):Q"), strokeDash=dash)
    near = alt.selection_point(
        name="near",
        on="pointerover",
        nearest=True,
        fields=["config", "seed", "x"],
        empty=False,
        clear="pointerout",
    )
    tooltip = [
        alt.Tooltip("config:N", title="configuration"),
        alt.Tooltip("seed:O", title="seed"),
        alt.Tooltip("x:Q", title=words["x"].lower(), format=","),
        alt.Tooltip("y:Q", title=words["y"].partition(",")[0].lower(), format=".4f"),
    ]
    marks = (
        base.mark_point(filled=True, size=60, aria=False)
        .encode(y=y, opacity=alt.condition(near, alt.value(1), alt.value(0)), tooltip=tooltip)
        .add_params(near)
    )
    chart = alt.layer(thin, thick, marks).add_params(shown, start).properties(width="container", height=340)
    spec = chart.configure(background="transparent").configure_view(stroke=None).to_dict()
    return {**spec, "description": description, "usermeta": {"lowest": lowest, "highest": highest}}


@cache
def javascript() -> str:
    """The JavaScript that draws the charts: vega, vega-lite and vega-embed in one."""
    import altair
    import vl_convert

    version = ".".join(altair.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    return vl_convert.javascript_bundle(vl_version=version)
