"""What the page shows of a folder: a view for each study, and for each part that has tables of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from redrop.analysis.collect import Results
from redrop.analysis.study_results import Protocols
from redrop.data import is_generated
from redrop.report.folder import OWN, ResultsFolder
from redrop.report.known_configs import Asked, recognise
from redrop.study import Plan, Study, load_part

TOY_LABEL = "TOY DATA: not a result"
"""For generated data that come with no config to say so."""


@dataclass(frozen=True)
class View:
    """A study or part, its runs, and what marks them."""

    study: Study
    results: Results
    label: str | None
    protocols: Protocols | None
    """Protocols and tasks that are asked for; None: those that have runs."""
    place: Path
    """Where its tables and figures lie if they were built."""


@dataclass(frozen=True)
class StudyRuns:
    """A study of the project and all that was found of it."""

    study: Study
    results: Results
    """Of all parts together, with what is missing: what claims are judged on."""
    label: str | None
    asked: tuple[Asked, ...]
    unknown: int
    """Runs that no known config asks for; how many were planned is not known then."""
    views: tuple[View, ...]

    @property
    def found(self) -> int:
        """How many runs are there, diverged ones included."""
        return len(self.results.records)

    @property
    def missing(self) -> int:
        """How many runs are asked for and not there."""
        found = {record.spec.run for record in self.results.records}
        return len((self.results.wanted or frozenset()) - found)


def studies_of(project: Path) -> list[str]:
    """Every study of the project, paper B's first."""
    names = sorted(path.stem for path in (project / "config" / "studies").glob("*.yaml"))
    return sorted(names, key=lambda name: name != "residual")


def all_studies(
    folder: ResultsFolder, project: Path, plans: Mapping[str, Plan], *, given: bool
) -> list[StudyRuns]:
    """Every study of the project with its runs; ``given``: the plan was, so its runs are asked for."""
    return [_study_runs(folder, load_part(name, project), plans, given) for name in studies_of(project)]


def _study_runs(folder: ResultsFolder, study: Study, plans: Mapping[str, Plan], given: bool) -> StudyRuns:
    records = folder.studies[study.name].records if study.name in folder.studies else []
    ids = {record.spec.run for record in records}
    if given:
        (name, plan), *_ = plans.items()
        wanted = set(plan.runs.get(study.name, {}))
        asked, left = [Asked(name, plan, len(ids & wanted), len(wanted))] if wanted else [], set()
    else:
        asked, left = recognise(study.name, ids, plans)
    wanted = ids.union(*(one.plan.runs[study.name] for one in asked))
    results = Results(records, 0, frozenset(wanted))
    label = next((one.plan.label for one in asked if one.plan.label), None)
    if label is None and any(is_generated(record.spec.data.data_set) for record in records):
        label = TOY_LABEL
    views = _views(folder, study, results, asked, left, label) if records else ()
    return StudyRuns(study, results, label, tuple(asked), len(left), tuple(views))


def _views(
    folder: ResultsFolder,
    study: Study,
    results: Results,
    asked: list[Asked],
    left: set[str],
    label: str | None,
) -> list[View]:
    parts: dict[str, tuple[Study, set[str]]] = {study.name: (study, set(left))}
    for one in asked:
        for name, specs in one.plan.specs.items():
            if one.plan.studies[name].name == study.name:
                parts.setdefault(name, (one.plan.studies[name], set()))[1].update(specs)
    views = []
    for name, (part, ids) in parts.items():
        own = results
        if study.parts:  # cells of one part never stand in the table of another
            records = [record for record in results.records if record.spec.run in ids]
            own = Results(records, 0, frozenset(ids))
        if not own.records:
            continue
        exact = folder.kind == OWN and len(asked) == 1 and name in asked[0].plan.specs
        protocols = asked[0].plan.tasks(name) if exact else None
        views.append(View(part, own, label, protocols, folder.place(study.name, name)))
    return views
