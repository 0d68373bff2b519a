"""Which tables and figures there are, and what their files are called.

The Snakefile asks this in every job, so nothing heavy is imported: a table or figure is named here
and its function is imported when it is built.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from redrop.analysis.recorded import AUTHORS_CORPUS, recorded_file
from redrop.checks import suggest
from redrop.errors import ConfigError
from redrop.study import Study

TABLES = {
    "replication": "redrop.analysis.tables.replication:replication",
    "claims": "redrop.analysis.tables.claims:claims",
    "signatures": "redrop.analysis.tables.signatures:signatures",
    "protocol": "redrop.analysis.tables.protocol:protocol",
    "scores": "redrop.analysis.tables.scores:scores",
    "metrics": "redrop.analysis.tables.metrics:metrics",
    "chance": "redrop.analysis.tables.chance:chance",
    "significance": "redrop.analysis.tables.significance:significance",
    "cost": "redrop.analysis.tables.cost:cost",
}
"""Table name -> where its function is."""

SWEEP_FIGURES = {"curves": "redrop.analysis.figures.curves:curves"}
"""Figures drawn once for every sweep of a protocol."""

STUDY_FIGURES = {"forest": "redrop.analysis.figures.forest:forest"}
"""Figures drawn once for a study, with all of its protocols."""

RATE_FIGURES = {
    "final-loss": "redrop.analysis.figures.final_loss:final_loss",
    "paper-curves": "redrop.analysis.figures.paper_curves:paper_curves",
}
"""Figures drawn once for a protocol that has a sweep over a rate."""

RECORDED_FIGURES = {"recorded-curves": "redrop.analysis.figures.recorded_curves:recorded_curves"}
"""Figures of the authors' recorded curves, for the protocols that they ran, if at hand."""

PROTOCOL_FIGURES = {
    "small-multiples": "redrop.analysis.figures.multiples:small_multiples",
    "train-validation": "redrop.analysis.figures.train_validation:train_validation",
    "gradients": "redrop.analysis.figures.gradients:gradients",
}
"""Figures drawn once for every protocol."""

ACROSS_FIGURES = {
    "gain": "redrop.analysis.figures.across:gain_figure",
    "cost-gain": "redrop.analysis.figures.cost_gain:cost_gain_figure",
    "learning": "redrop.analysis.figures.across:learning_figure",
    "landscape": "redrop.analysis.figures.across:landscape_figure",
    "inconsistency": "redrop.analysis.figures.across:inconsistency_figure",
    "size": "redrop.analysis.figures.settings_curves:size_figure",
    "weights": "redrop.analysis.figures.settings_curves:weights_figure",
}
"""Figures drawn once for every protocol, with all of its tasks."""

FIGURES = {
    **STUDY_FIGURES,
    **SWEEP_FIGURES,
    **RATE_FIGURES,
    **RECORDED_FIGURES,
    **PROTOCOL_FIGURES,
    **ACROSS_FIGURES,
}
"""Figure name -> where its function is."""

TABLE_SUFFIXES = ("csv", "html", "tex", "md")
FIGURE_SUFFIXES = ("svg", "pdf", "png")

Protocols = Iterable[str] | Mapping[str, Iterable[str]]
"""Names of protocols, or protocol -> the corpora that it was run on."""


@dataclass(frozen=True)
class FigureName:
    """One figure to draw and the stem of its files."""

    stem: str
    figure: str
    protocol: str | None
    """None: all of the study's."""
    task: str | None
    """The corpus; None: the only one that there is."""
    sweep: str | None


def implementation(where: str) -> Callable[..., Any]:
    """Import the function that a registry entry such as ``package.module:function`` names."""
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def table_names(study: Study) -> list[str]:
    """File stems of a study's tables."""
    return list(study.tables)


def figure_plan(study: Study, protocols: Protocols, *, recorded: bool = True) -> list[FigureName]:
    """Every figure of the protocols; several corpora put the corpus into the file names.

    ``recorded``: whether to draw the authors' recorded curves where they are at hand.
    """
    plan = [FigureName(name, name, None, None, None) for name in study.figures if name in STUDY_FIGURES]
    for name in protocols:
        protocol = study.protocol(name)
        tasks = list(protocols[name]) if isinstance(protocols, Mapping) else [None]
        across = [figure for figure in study.figures if figure in ACROSS_FIGURES]
        plan += [FigureName(f"{name}-{figure}", figure, name, None, None) for figure in across]
        has_rate = any(sweep.rate for sweep in protocol.sweeps.values())
        for task in tasks:
            prefix = f"{name}-{task}" if len(tasks) > 1 else name
            for figure in study.figures:
                if figure in SWEEP_FIGURES:
                    for sweep in protocol.sweeps:
                        plan.append(FigureName(f"{prefix}-{figure}-{sweep}", figure, name, task, sweep))
                elif figure in RECORDED_FIGURES:
                    if recorded and recorded_file(name) and task in (None, AUTHORS_CORPUS):
                        plan.append(FigureName(f"{prefix}-{figure}", figure, name, task, None))
                elif figure in PROTOCOL_FIGURES or (has_rate and figure in RATE_FIGURES):
                    plan.append(FigureName(f"{prefix}-{figure}", figure, name, task, None))
    return plan


def figure_names(study: Study, protocols: Protocols) -> list[str]:
    """File stems of a study's figures; pass protocol -> corpora where there may be several."""
    return [entry.stem for entry in figure_plan(study, protocols)]


def check_names(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a table or figure that does not exist."""
    known = list(dict.fromkeys(known))
    for name in names:
        if name not in known:
            raise ConfigError(f"{kind}: no {kind} {name!r} (known: {', '.join(known)}){suggest(name, known)}")
