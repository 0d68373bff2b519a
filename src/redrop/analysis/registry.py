"""Tables and figures by name: each is one file in ``tables`` or ``figures``, which says what it is for.

A table has ``build(data)``, a figure ``draw(data, protocol, task, sweep)`` with as many of these as it is
drawn for; see docs/add-a-table.md and docs/add-a-figure.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from redrop.analysis.study_results import Protocols, StudyResults
from redrop.checks import suggest
from redrop.errors import ConfigError
from redrop.presented import FIGURES, TABLES, check_presented
from redrop.study import Protocol, Study

if TYPE_CHECKING:
    from redrop.analysis.plotting.drawing import Drawing
    from redrop.analysis.table import Table

STUDY, PROTOCOL, TASK, SWEEP = "study", "protocol", "task", "sweep"
"""What one figure is drawn for; for a sweep means on each task."""


def table_module(name: str) -> ModuleType:
    """The file of a table; raises ``ConfigError`` for an unknown one."""
    check_names("table", [name], TABLES)
    return importlib.import_module(f"redrop.analysis.tables.{name.replace('-', '_')}")


def figure_module(name: str) -> ModuleType:
    """The file of a figure; raises ``ConfigError`` for an unknown one."""
    check_names("figure", [name], FIGURES)
    return importlib.import_module(f"redrop.analysis.figures.{name.replace('-', '_')}")


def build_table(name: str, data: StudyResults) -> Table:
    """Build a table; raises ``ConfigError`` where it is not for studies of that kind."""
    module = table_module(name)
    check_presented(f"study {data.study.name}", "tables", [name], data.study.reads)
    return module.build(data)


@dataclass(frozen=True)
class PlannedFigure:
    """One figure to draw and the stem of its files."""

    stem: str
    figure: str
    protocol: str | None = None
    """None: all of the study's."""
    task: str | None = None
    """The corpus; None: the only one that there is."""
    sweep: str | None = None

    def draw(self, data: StudyResults) -> Drawing:
        """Draw it."""
        module = figure_module(self.figure)
        given = {STUDY: (), PROTOCOL: (self.protocol,), TASK: (self.protocol, self.task)}
        return module.draw(data, *given.get(module.EACH, (self.protocol, self.task, self.sweep)))


def figure_plan(study: Study, protocols: Protocols, *, recorded: bool = True) -> list[PlannedFigure]:
    """Every figure of the protocols; several corpora put the corpus into the file names.

    ``recorded``: whether to draw what is made of the authors' records, where they are at hand.
    """
    modules = {name: figure_module(name) for name in study.figures}
    check_presented(f"study {study.name}", "figures", modules, study.reads)
    plan = [PlannedFigure(name, name) for name, module in modules.items() if module.EACH == STUDY]
    for name in protocols:
        protocol = study.protocol(name)
        plan += [
            PlannedFigure(f"{name}-{figure}", figure, name)
            for figure, module in modules.items()
            if module.EACH == PROTOCOL
        ]
        tasks = list(protocols[name]) if isinstance(protocols, Mapping) else [None]
        for task in tasks:
            prefix = f"{name}-{task}" if len(tasks) > 1 else name
            for figure, module in modules.items():
                if not _is_drawn(module, protocol, task, recorded):
                    continue
                if module.EACH == TASK:
                    plan.append(PlannedFigure(f"{prefix}-{figure}", figure, name, task))
                elif module.EACH == SWEEP:
                    plan += [
                        PlannedFigure(f"{prefix}-{figure}-{sweep}", figure, name, task, sweep)
                        for sweep in protocol.sweeps
                    ]
    return plan


def plan_of(data: StudyResults, *, recorded: bool = True, empty: bool = False) -> list[PlannedFigure]:
    """Every figure of what is shown of a study's runs; ``empty``: also of sweeps of which nothing was run."""
    shown = {name: tasks for name, tasks in data.tasks().items() if name in data.study.protocols}
    plan = figure_plan(data.study, shown, recorded=recorded)
    return plan if empty else [entry for entry in plan if _was_run(data, entry)]


def _was_run(data: StudyResults, entry: PlannedFigure) -> bool:
    if entry.sweep is None or not data.results.records:
        return True
    study, protocol = data.study, entry.protocol
    tasks = [entry.task] if entry.task else data.tasks()[protocol]
    run = {config for task in tasks for config in data.results.configs(study.name, protocol, task)}
    return not run.isdisjoint(study.protocol(protocol).sweeps[entry.sweep].configs)


def _is_drawn(module: ModuleType, protocol: Protocol, task: str | None, recorded: bool) -> bool:
    """By the figure's own ``is_drawn`` if it has one; what is made of ``RECORDS`` only where it is wanted."""
    if getattr(module, "RECORDS", False) and not recorded:
        return False
    return module.is_drawn(protocol, task) if hasattr(module, "is_drawn") else True


def figure_names(study: Study, protocols: Protocols) -> list[str]:
    """File stems of a study's figures; pass protocol -> corpora where there may be several."""
    return [entry.stem for entry in figure_plan(study, protocols)]


def check_names(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse a table or figure that does not exist."""
    known = list(dict.fromkeys(known))
    for name in names:
        if name not in known:
            raise ConfigError(f"{kind}: no {kind} {name!r} (known: {', '.join(known)}){suggest(name, known)}")
