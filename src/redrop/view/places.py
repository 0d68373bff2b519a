"""Where the runs of a results folder lie.

A workflow's own are in runs/<study>/<run>; published ones, of one study each, in runs/<run>.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from redrop.layout import RUN_SUFFIX


@dataclass(frozen=True)
class StudyPlaces:
    """The folders of one study in a results folder, none of which need be there."""

    results: Path
    study: str

    @property
    def runs(self) -> Path:
        """Where each run has its folder."""
        own = self.results / "runs" / self.study
        return own if own.is_dir() else self.results / "runs"

    @property
    def pool(self) -> Path:
        """Locks, and records that wait for their own job."""
        return self.results / "pool" / self.study

    @property
    def logs(self) -> Path:
        """A log a run."""
        return self.results / "logs" / self.study

    def checkpoints(self, run: str) -> tuple[Path, Path]:
        """Where a run's checkpoints are: the workflow's, and those of one trained by hand into its folder."""
        return self.results / "checkpoints" / self.study / run, self.runs / run / "checkpoints" / run


def names_in(folder: Path) -> set[str]:
    """What lies in a folder; nothing where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def run_folders(results: Path) -> Iterator[Path]:
    """Every run's folder in a results folder, finished or not, by name."""
    for name in sorted(names_in(results / "runs")):
        folder = results / "runs" / name
        if RUN_SUFFIX.search(name):
            yield folder
        else:
            yield from (folder / run for run in sorted(names_in(folder)) if RUN_SUFFIX.search(run))
