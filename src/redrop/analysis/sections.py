"""What a study's tables and figures go through: protocols, their tasks, and the rows of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from redrop.analysis.collect import Group, Results
from redrop.analysis.names import Protocols
from redrop.analysis.reported import AUTHORS_CORPUS
from redrop.study import Study


@dataclass(frozen=True)
class Section:
    """One protocol on one task."""

    protocol: str
    task: str

    def title(self, study: Study) -> str:
        """How a table heads the section."""
        known = study.protocols.get(self.protocol)
        return f"{self.protocol}, {self.task}" + (f": {known.title}" if known else "")


def corpora(results: Results, study: Study, protocols: Protocols | None) -> dict[str, list[str]]:
    """Protocol -> tasks. Not given: what the results hold; without any run: the authors' corpus."""
    present = results.protocols(study.name)
    if isinstance(protocols, Mapping):
        return {name: list(tasks) for name, tasks in protocols.items()}
    if protocols is None:
        known = [name for name in study.protocols if name in present]
        protocols = [*known, *(name for name in present if name not in known)] or study.protocols
    others = sorted({task for tasks in present.values() for task in tasks}) or [AUTHORS_CORPUS]
    return {name: present.get(name, others) for name in protocols}


def sections(results: Results, study: Study, protocols: Protocols | None) -> list[Section]:
    """Every protocol and task, in the study's order."""
    found = corpora(results, study, protocols)
    return [Section(name, task) for name, tasks in found.items() for task in tasks]


def groups(results: Results, study: Study, section: Section) -> list[Group]:
    """A group for every row of the protocol, run or not, then for runs that are of no row."""
    known = study.protocols.get(section.protocol)
    rows = list(known.rows) if known else []
    found = results.configs(study.name, section.protocol, section.task)
    rows += [config for config in found if config not in rows]
    return [results.group(study.name, section.protocol, row, section.task) for row in rows]
