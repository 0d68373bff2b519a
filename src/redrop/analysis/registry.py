"""Tables and figures by name: each is one file in ``tables`` or ``figures``, which says what it is for.

A table has ``build(data)``, a figure ``draw(data, protocol, task, sweep)`` with as many of these as it is
drawn for; see docs/add-a-table.md and docs/add-a-figure.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from redrop.analysis.study_results import Protocols, StudyResults
from redrop.presented import check_presented
from redrop.study import Protocol, Study

if TYPE_CHECKING:
    from redrop.analysis.plotting.drawing import Drawing
    from redrop.analysis.table import Table

EACH = STUDY, PROTOCOL, TASK, SWEEP = "study", "protocol", "task", "sweep"
"""What one figure is drawn for; for a sweep means on each task."""


def module_of(kind: str, name: str) -> ModuleType:
    """The file of a ``table`` or ``figure``."""
    return importlib.import_module(f"redrop.analysis.{kind}s.{name.replace('-', '_')}")


def build_table(name: str, data: StudyResults) -> Table:
    """Build a table; raises ``ConfigError`` where there is none, or it is not for studies of that kind."""
    check_presented(f"study {data.study.name}", "tables", [name], data.study.reads)
    return module_of("table", name).build(data)


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
        module = module_of("figure", self.figure)
        return module.draw(data, *(self.protocol, self.task, self.sweep)[: EACH.index(module.EACH)])


def figure_plan(study: Study, protocols: Protocols, *, recorded: bool = True) -> list[PlannedFigure]:
    """Every figure of the protocols; several corpora put the corpus into the file names.

    ``recorded``: whether to draw what is made of the authors' records, where they are at hand.
    """
    check_presented(f"study {study.name}", "figures", study.figures, study.reads)
    modules = {name: module_of("figure", name) for name in study.figures}
    plan = [PlannedFigure(name, name) for name, module in modules.items() if module.EACH == STUDY]
    for name in protocols:
        protocol = study.protocol(name)
        tasks = list(protocols[name]) if isinstance(protocols, Mapping) else [None]
        places = [(name, None, (PROTOCOL,))]
        places += [(f"{name}-{task}" if len(tasks) > 1 else name, task, (TASK, SWEEP)) for task in tasks]
        for prefix, task, kinds in places:
            for figure, module in modules.items():
                if module.EACH in kinds and _is_drawn(module, protocol, task, recorded):
                    for sweep in protocol.sweeps if module.EACH == SWEEP else (None,):
                        stem = "-".join(filter(None, (prefix, figure, sweep)))
                        plan.append(PlannedFigure(stem, figure, name, task, sweep))
    return plan


def plan_of(data: StudyResults, *, recorded: bool = True, empty: bool = False) -> list[PlannedFigure]:
    """Every figure of what is shown of a study's runs.

    ``empty``: also of sweeps of which nothing was run, and of what was not measured.
    """
    shown = {name: tasks for name, tasks in data.tasks().items() if name in data.study.protocols}
    plan = figure_plan(data.study, shown, recorded=recorded)
    return plan if empty else [entry for entry in plan if _was_run(data, entry)]


def _was_run(data: StudyResults, entry: PlannedFigure) -> bool:
    module = module_of("figure", entry.figure)
    if hasattr(module, "is_measured") and not module.is_measured(data, entry.protocol, entry.task):
        return False
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
