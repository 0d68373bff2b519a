"""What tables and figures are made of: a study, its runs, and what others report of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from redrop.analysis.collect import Group, Results
from redrop.analysis.reported import AUTHORS_CORPUS, NOTHING, Reported
from redrop.analysis.scoring import in_order
from redrop.study import Study

Protocols = Iterable[str] | Mapping[str, Iterable[str]]
"""Names of protocols, or protocol -> the corpora or tasks that it was run on."""


@dataclass(frozen=True)
class StudyResults:
    """A study with its runs."""

    results: Results
    study: Study
    reported: Reported = NOTHING
    """The authors' figures."""
    protocols: Protocols | None = None
    """Those that are shown; None: those that have runs, and without any run all."""

    def tasks(self) -> dict[str, list[str]]:
        """Protocol -> corpora or tasks: those given, else what the runs are on, else the authors' corpus."""
        present, protocols = self.results.protocols(self.study.name), self.protocols
        if isinstance(protocols, Mapping):
            return {name: list(tasks) for name, tasks in protocols.items()}
        if protocols is None:
            known = [name for name in self.study.protocols if name in present]
            protocols = [*known, *(name for name in present if name not in known)] or self.study.protocols
        others = sorted({task for tasks in present.values() for task in tasks}) or [AUTHORS_CORPUS]
        return {name: present.get(name, others) for name in protocols}

    def protocol_tasks(self) -> list[tuple[str, str]]:
        """Every protocol and task, in the study's order."""
        return [(name, task) for name, tasks in self.tasks().items() for task in tasks]

    def tasks_run(self, protocol: str) -> list[str]:
        """The tasks that the protocol has runs on, in GLUE's order."""
        return in_order(self.results.protocols(self.study.name).get(protocol, []))

    def heading(self, protocol: str, task: str | None = None) -> str:
        """How a table heads what was run with a protocol."""
        known = self.study.protocols.get(protocol)
        place = protocol if task is None else f"{protocol}, {task}"
        return place + (f": {known.title}" if known else "")

    def group(self, protocol: str, config: str, task: str) -> Group:
        """The seeds of a configuration; none of them need be there."""
        return self.results.group(self.study.name, protocol, config, task)

    def row_names(self, protocol: str) -> list[str]:
        """Names of the protocol's rows."""
        known = self.study.protocols.get(protocol)
        return list(known.rows) if known else []

    def groups(self, protocol: str, task: str) -> list[Group]:
        """A group for every row of the protocol, run or not, then for runs that are of no row."""
        rows = self.row_names(protocol)
        found = self.results.configs(self.study.name, protocol, task)
        rows += [config for config in found if config not in rows]
        return [self.group(protocol, row, task) for row in rows]

    def shown_groups(self, protocol: str, tasks: Sequence[str]) -> dict[str, list[Group]]:
        """Configuration -> a group for each task: those that have runs or are asked for, as in the study.

        Without any, the rows that carry no tag.
        """
        rows = self.row_names(protocol)
        extra = {config for task in tasks for config in self.results.configs(self.study.name, protocol, task)}
        configs = [*rows, *sorted(extra - set(rows))]
        found = {config: [self.group(protocol, config, task) for task in tasks] for config in configs}
        there = {name: own for name, own in found.items() if any(g.records or g.missing for g in own)}
        return there or {
            name: own for name, own in found.items() if not self.study.protocols[protocol].tags[name]
        }
