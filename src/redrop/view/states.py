"""What became of every run that is asked for, from what lies in the results folder.

Looked up in this order, so that a run which ends meanwhile is not missed: locks, the pool, the runs' own
folders; checkpoints and logs of those runs only that have no record. Nothing is opened for writing or locked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from redrop.errors import RecordError
from redrop.layout import ResultsLayout, RunFolders, names_in
from redrop.record import CURVE, METRICS, read_json
from redrop.record import DIVERGED as RECORDED_AS_DIVERGED
from redrop.runtime.work import iterations_of
from redrop.spec import RunSpec
from redrop.view.checkpoints import Reached, reached
from redrop.view.lock_holders import held_locks
from redrop.view.logs import LogEnd, log_end

DONE, DIVERGED, DAMAGED = "done", "diverged", "damaged"
RUNNING, BEGUN, FAILED, MISSING = "running", "begun", "failed", "missing"

STATES = {
    DONE: "its metrics.json is there",
    DIVERGED: "the same; its loss was no longer a number",
    DAMAGED: "its metrics.json cannot be read",
    RUNNING: "a process of this machine holds its lock",
    BEGUN: "a checkpoint or a log, but no lock: interrupted, trained by hand, or on another machine",
    FAILED: "no lock, and its log ends in an error",
    MISSING: "nothing of it is there",
}
"""State -> what it means."""


@dataclass(frozen=True)
class RunState:
    """What is known of one run."""

    spec: RunSpec
    state: str
    folder: Path
    """Where its record is, or will be."""
    iterations: int
    """How many it takes."""
    waits: bool = False
    """Whether its record is in the pool, until its own job collects it."""
    pid: int | None = None
    """The process that trains it."""
    together: int = 1
    """How many runs that process trains at once."""
    reached: Reached | None = None
    log: LogEnd | None = None
    fault: str | None = None
    """Why it diverged, what is wrong with its record, or the last line of its log that is an error's."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in (DONE, DIVERGED)

    @property
    def iteration(self) -> int:
        """Iterations that need not be made any more."""
        if self.finished:
            return self.iterations
        return 0 if self.reached is None else min(self.reached.iteration, self.iterations)


@dataclass(frozen=True)
class StudyStates:
    """A study's runs."""

    study: str
    runs: list[RunState]
    sees_locks: bool


def study_states(study: str, specs: Iterable[RunSpec], results: Path) -> StudyStates:
    """The state of each of ``specs`` in a results folder."""
    layout = ResultsLayout(results)
    held = held_locks(layout.pool(study))
    folders = layout.runs(study)
    there = (names_in(folder) for folder in (layout.pool(study), folders.path, layout.logs(study)))
    seen = _Seen(layout, study, folders, held or {}, *there)
    runs = [seen.state(spec) for spec in specs]
    return StudyStates(study, runs, held is not None)


@dataclass(frozen=True)
class _Seen:
    """What a look at the folders showed."""

    layout: ResultsLayout
    study: str
    folders: RunFolders
    held: dict[str, int]
    pool: set[str]
    runs: set[str]
    logs: set[str]

    def state(self, spec: RunSpec) -> RunState:
        """One run's."""
        run, iterations = spec.run, iterations_of(spec)
        folder = self.folders.of(spec)
        for place in self._records(run, folder):
            state, fault = _recorded(place)
            if state is not None:
                waits = place.parent == self.layout.pool(self.study)
                return RunState(spec, state, folder, iterations, waits, fault=fault)
        at = max(
            filter(None, (reached(place, run) for place in self._checkpoints(run))),
            key=lambda found: found.saved,
            default=None,
        )
        log = log_end(self.layout.logs(self.study) / f"{run}.log") if f"{run}.log" in self.logs else None
        fault = None
        if run in self.held:
            state = RUNNING
        elif log is not None and log.fault and (at is None or at.saved <= log.written):
            state, fault = FAILED, log.fault
        else:
            state = MISSING if at is None and log is None else BEGUN
        pid = self.held.get(run)
        return RunState(
            spec,
            state,
            folder,
            iterations,
            pid=pid,
            together=max(1, list(self.held.values()).count(pid)),
            reached=at,
            log=log,
            fault=fault,
        )

    def _records(self, run: str, folder: Path) -> Iterator[Path]:
        """Where its record may be; it may have been moved from the first to the second meanwhile."""
        if run in self.pool:
            yield self.layout.pool(self.study) / run
        if folder.name in self.runs or run in self.pool:
            yield folder

    def _checkpoints(self, run: str) -> Iterator[Path]:
        yield self.layout.checkpoints(self.study) / run
        if run in self.runs:  # of a run that is trained by hand, in its own folder
            yield self.folders.path / run / "checkpoints" / run


def _recorded(folder: Path) -> tuple[str | None, str | None]:
    """State and fault by a run's metrics.json; neither where there is none.

    All of it is parsed, and its settings are not checked: 5,000 of them take a third of a second so.
    """
    path = folder / METRICS
    if not path.exists():
        return None, None
    try:
        document = read_json(path)
        if not (folder / CURVE).exists():
            return DAMAGED, f"{folder / CURVE}: no such file; delete its folder and run the run again"
        if document["status"] == RECORDED_AS_DIVERGED:
            return DIVERGED, document["reason"]
        return DONE, None
    except RecordError as error:
        return DAMAGED, str(error)
    except (KeyError, TypeError):
        return DAMAGED, f"{path}: not a run's metrics; delete its folder and run the run again"
