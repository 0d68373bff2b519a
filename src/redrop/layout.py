"""Where everything below a results folder lies. Every verb and the workflow ask here.

    downloads/DATA_SET/      raw files             data/DATA_SET/    prepared ones
    models/MODEL/            released models
    runs/STUDY/RUN/          a run's record        logs/STUDY/RUN.log
    runs/STUDY/RUN/weights/  its model, if kept
    checkpoints/STUDY/RUN/   until it has ended    benchmarks/STUDY/RUN.tsv
    pool/STUDY/              what jobs share out among themselves
    PART/                    runs.csv, tables/ and figures/ of a study or of a part of one
    runs.csv, report.html    of all of them

A folder of published studies has a study's runs in STUDY/runs/RUN/, and what is made of them in STUDY/ and
STUDY/PART/; the folder of one published study is read, too.

A run's folder has the id that the run was given when it was recorded. Where an earlier version gave it
another id than today's (``redrop.settings``), it is found by its settings.

Read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from redrop.errors import RedropError
from redrop.record import METRICS, read_record
from redrop.spec import RunSpec

RUN_SUFFIX = re.compile(r"-s\d+-[0-9a-f]{8}$")
"""What every run's id ends with: its seed and the hash of its settings."""
HASH = 8
"""Characters of the hash."""


WEIGHTS = "weights"
"""In a run's folder, where its finished model was kept."""

OWN, PUBLISHED, ONE_STUDY, EMPTY = "own", "published", "one study", "empty"


def _inside(name: str) -> property:
    return property(lambda self: self.path / name)


def _of_study(name: str) -> Callable[..., Path]:
    return lambda self, study="": self.path / name / study


@dataclass(frozen=True)
class ResultsLayout:
    """The folders and files of one results folder."""

    path: Path

    data = _inside("data")
    """Prepared data sets, a folder each."""
    models = _inside("models")
    """Released models, a folder each."""
    downloads = _inside("downloads")
    """Raw files of data sets, a folder each."""
    csv = _inside("runs.csv")
    """All runs of all studies in one long table."""
    page = _inside("report.html")
    """The report."""

    @cached_property
    def kind(self) -> str:
        """``OWN``, ``PUBLISHED`` or ``ONE_STUDY``, by where finished runs are; ``EMPTY`` without any."""
        for kind, pattern in ((OWN, "runs/*/*"), (ONE_STUDY, "runs/*"), (PUBLISHED, "*/runs/*")):
            if next(self.path.glob(f"{pattern}/{METRICS}"), None) is not None:
                return kind
        return EMPTY

    def runs(self, study: str) -> RunFolders:
        """The folders of a study's runs."""
        published = {PUBLISHED: self.path / study / "runs", ONE_STUDY: self.path / "runs"}
        return RunFolders(published.get(self.kind, self.path / "runs" / study))

    pool = _of_study("pool")
    """Locks, and records that wait for their own job."""
    checkpoints = _of_study("checkpoints")
    """Checkpoints, a folder a run."""
    logs = _of_study("logs")
    """A log a run, or of what is not a run of a study."""
    benchmarks = _of_study("benchmarks")
    """What Snakemake measured of each run's job."""

    def part(self, part: str) -> Path:
        """What is made of the runs of a study, or of a part of one: runs.csv, tables/, figures/."""
        return self.path / part

    def run_folders(self) -> Iterator[Path]:
        """Every run's folder, finished or not, a study after another, by name."""
        top = self.path / "runs"
        places = [top, *(top / name for name in sorted(names_in(top)))]
        if self.kind == PUBLISHED:
            places = [self.path / name / "runs" for name in sorted(names_in(self.path))]
        for place in places:
            yield from (place / run for run in sorted(names_in(place)) if RUN_SUFFIX.search(run))


@dataclass(frozen=True)
class RunFolders:
    """The folders of runs in one folder; what is in it is looked up once."""

    path: Path

    def of(self, spec: RunSpec) -> Path:
        """Where the record of ``spec`` lies, or will."""
        found = self.path / spec.run
        if found.name in self._names:
            return found
        named = (self.path / name for name in self._by_prefix.get(spec.run[:-HASH], ()))
        return next((folder for folder in named if self._holds(folder, spec)), found)

    def is_finished(self, spec: RunSpec) -> bool:
        """Whether its record is there."""
        return (self.of(spec) / METRICS).exists()

    @cached_property
    def _names(self) -> set[str]:
        return names_in(self.path)

    @cached_property
    def _by_prefix(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in sorted(self._names):
            found.setdefault(name[:-HASH], []).append(name)
        return found

    @staticmethod
    def _holds(folder: Path, spec: RunSpec) -> bool:
        try:
            return (folder / METRICS).exists() and read_record(folder).spec == spec
        except RedropError:
            return False  # what is wrong with it is said where it is read


def names_in(folder: Path) -> set[str]:
    """What lies in a folder; nothing where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return set()
