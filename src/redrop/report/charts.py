"""Curves to look into: every run of a protocol on one text or task, with hover and a choice of runs.

Altair writes the chart as data (Vega-Lite), and the libraries that draw it are embedded once. Against plotly:
0.9 MB of JavaScript rather than 4.8, and marks as svg, which scales, prints and has text that is read aloud.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from redrop.analysis.scoring import first_metric, in_order, score_while_training
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import several
from redrop.record import RunRecord
from redrop.report.folder import ResultsFolder
from redrop.report.study_views import View

COLOURS = ("#0072b2", "#d55e00", "#008f68", "#b85c94", "#8a7500", "#3f9bd1", "#808080", "#a0522d")
"""After Okabe and Ito (2008), moved to where each is told from a white and from a dark page."""
DASHES = ((1, 0), (6, 2), (2, 2), (8, 2, 2, 2), (12, 3))
POINTS = 4000
"""Of one chart; longer curves are thinned evenly, their last point kept."""


class Look(NamedTuple):
    """Colour and dashes of a configuration."""

    config: str
    colour: str
    dash: tuple[int, ...]


def charts(folder: ResultsFolder, view: View) -> list[dict[str, Any]]:
    """A chart for each protocol and task of a view that has curves.

    ``looks``: of its configurations; ``spec``: Vega-Lite; ``source``: pattern of the files that hold its
    numbers, from the results folder on.
    """
    found = []
    for protocol, tasks in StudyResults(view.results, view.study).tasks().items():
        for task in in_order(tasks):
            specs = ((record, record.spec) for record in view.results.records)
            runs = [record for record, spec in specs if (spec.protocol, spec.task) == (protocol, task)]
            rows = thinned({record.run: _points(view, record) for record in runs})
            if rows:
                chart = _chart(view, protocol, task, rows)
                source = f"{folder.relative(runs[0].folder.parent)}/{protocol}-*-{task}-s*/curve.jsonl"
                found.append(chart | {"source": source})
    return found


def _points(view: View, record: RunRecord) -> list[dict[str, Any]]:
    """The rows of a run's curve that have what is drawn: config, seed, x, y."""
    if view.study.reads == "corpus":
        rows = view.results.rows(record.run)
        curve = [(row["iteration"], row["val_loss"]) for row in rows if row.get("val_loss") is not None]
    else:
        curve = score_while_training(view.results, view.study.reads, record)
    head = {"config": record.spec.config, "seed": record.spec.seed}
    return [head | {"x": x, "y": round(y, 5)} for x, y in curve]


def thinned(curves: Mapping[str, list[dict[str, Any]]], limit: int = POINTS) -> list[dict[str, Any]]:
    """All rows, of every curve each k-th and the last where together they would be more than ``limit``."""
    step = -(-sum(map(len, curves.values())) // limit) or 1
    return [row for curve in curves.values() for row in curve[::-1][::step][::-1]]


def _chart(view: View, protocol: str, task: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All of a chart but its source."""
    reads = view.study.reads
    x, y = "Iteration", "Validation loss, nats a character"
    if reads != "corpus":
        x = "Epoch" if reads == "glue" else "Update"
        y = f"Development score ({first_metric(reads, task)}), points"
    looks = [
        Look(config, COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)])
        for i, config in enumerate(dict.fromkeys(row["config"] for row in rows))
    ]
    seeds = len({row["seed"] for row in rows})
    description = (
        f"{y}, over the {x.lower()}s, of {several(len(looks), 'configuration')}, protocol {protocol} on "
        f"{task}, up to {several(seeds, 'seed')} each: thin lines are single runs, thick lines their means."
    )
    description = f"{view.label}. {description}" if view.label else description
    return {
        "anchor": f"chart-{view.study.part}-{protocol}-{task}",
        "title": f"{protocol}, {task}",
        "description": description,
        "looks": looks,
        "spec": specification(rows, looks, x, y, description),
    }


def specification(
    rows: list[dict[str, Any]], looks: Sequence[Look], across: str, upwards: str, description: str
) -> dict[str, Any]:
    """The chart as Vega-Lite; its parameters ``shown`` and ``start`` are set by the page's controls."""
    import altair as alt

    configs, colours, dashes = ([look[part] for look in looks] for part in range(3))
    lowest, highest = min(row["x"] for row in rows), max(row["x"] for row in rows)
    shown, start = alt.param(name="shown", value=configs), alt.param(name="start", value=lowest)
    colour = alt.Color("config:N", legend=None).scale(domain=configs, range=colours)
    dash = alt.StrokeDash("config:N", legend=None).scale(domain=configs, range=list(map(list, dashes)))
    x = alt.X("x:Q", title=across).scale(nice=False, zero=False)
    y = alt.Y("y:Q", title=upwards).scale(zero=False)
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
        fields=["config", "seed", "x"],
        on="pointerover",
        clear="pointerout",
        nearest=True,
        empty=False,
    )
    tooltip = [
        alt.Tooltip("config:N", title="configuration"),
        alt.Tooltip("seed:O", title="seed"),
        alt.Tooltip("x:Q", title=across.lower(), format=","),
        alt.Tooltip("y:Q", title=upwards.partition(",")[0].lower(), format=".4f"),
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
