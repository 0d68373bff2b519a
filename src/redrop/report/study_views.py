"""What the page shows of a folder: a view for each study, and for each part that has tables of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from redrop.analysis.collect import Results
from redrop.analysis.study_results import Protocols
from redrop.data import is_generated
from redrop.report.folder import OWN, ResultsFolder, read_folder
from redrop.report.known_configs import Asked, known_plans, recognise
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


def read_studies(
    results: Path, project: Path, given: Mapping[str, Plan] | None
) -> tuple[ResultsFolder, list[StudyRuns]]:
    """A results folder and every study's runs there.

    ``given``: name -> the one config to go by; None: those of the project that the runs belong to.
    """
    wanted = None
    if given is not None:
        wanted = {run for plan in given.values() for runs in plan.runs.values() for run in runs}
    folder = read_folder(results, wanted)
    plans = known_plans(project) if given is None else given
    return folder, all_studies(folder, project, plans, given=given is not None)


def all_studies(
    folder: ResultsFolder, project: Path, plans: Mapping[str, Plan], *, given: bool
) -> list[StudyRuns]:
    """Every study of the project with its runs, paper B's first.

    ``given``: the plan was, so its runs are asked for whether any of them is there or not.
    """
    names = {path.stem for path in (project / "config" / "studies").glob("*.yaml")}
    ordered = sorted(names, key=lambda name: (name != "residual", name))
    return [_study_runs(folder, load_part(name, project), plans, given) for name in ordered]


def _study_runs(folder: ResultsFolder, study: Study, plans: Mapping[str, Plan], given: bool) -> StudyRuns:
    records = folder.studies[study.name].records if study.name in folder.studies else []
    ids = {record.spec.run for record in records}
    asked, left = recognise(study.name, ids, plans)
    if given and not asked:
        planned = {name: plan.runs[study.name] for name, plan in plans.items() if study.name in plan.runs}
        asked = [Asked(name, plans[name], 0, len(runs)) for name, runs in planned.items()]
    results = Results(records, 0, frozenset(ids.union(*(one.plan.runs[study.name] for one in asked))))
    label = next((one.plan.label for one in asked if one.plan.label), None)
    if label is None and any(is_generated(record.spec.data.data_set) for record in records):
        label = TOY_LABEL
    parts = {study.name: (study, set(left))}
    for one in asked:
        for name, specs in one.plan.specs.items():
            if one.plan.studies[name].name == study.name:
                parts.setdefault(name, (one.plan.studies[name], set()))[1].update(specs)
    views = []
    for name, (part, own) in parts.items():
        shown = results
        if study.parts:  # cells of one part never stand in the table of another
            shown = Results([one for one in records if one.spec.run in own], 0, frozenset(own))
        exact = folder.kind == OWN and len(asked) == 1 and name in asked[0].plan.specs
        protocols = asked[0].plan.tasks(name) if exact else None
        if shown.records:
            views.append(View(part, shown, label, protocols, folder.place(study.name, name)))
    return StudyRuns(study, results, label, tuple(asked), len(left), tuple(views))
