"""What became of every run that is asked for, from what lies in the results folder.

Looked up in this order, so that a run which ends meanwhile is not missed: locks, the pool, the runs' own
folders; checkpoints and logs of those runs only that have no record. Nothing is opened for writing or locked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from redrop.errors import RecordError
from redrop.layout import ResultsLayout, names_in
from redrop.record import CURVE, METRICS, REMEDY, read_json
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
    fault: str | None = None
    """Why it diverged, what is wrong with its record, or the last line of its log that is an error's."""
    waits: bool = False
    """Whether its record is in the pool, until its own job collects it."""
    pid: int | None = None
    """The process that trains it."""
    together: int = 1
    """How many runs that process trains at once."""
    reached: Reached | None = None
    log: LogEnd | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return self.state in (DONE, DIVERGED)

    @property
    def iterations(self) -> int:
        """How many it takes."""
        return iterations_of(self.spec)

    @property
    def iteration(self) -> int:
        """Iterations that need not be made any more."""
        if self.finished:
            return self.iterations
        return 0 if self.reached is None else min(self.reached.iteration, self.iterations)


def run_states(study: str, specs: Iterable[RunSpec], results: Path) -> tuple[list[RunState], bool]:
    """The state of each of a study's ``specs``, and whether this system lists who holds a lock."""
    layout = ResultsLayout(results)
    pool, logs, folders = layout.pool(study), layout.logs(study), layout.runs(study)
    locks = held_locks(pool)
    in_pool, in_runs, in_logs = (names_in(folder) for folder in (pool, folders.path, logs))
    found = []
    for spec in specs:
        run, folder = spec.run, folders.of(spec)
        places = [pool / run] if run in in_pool else []
        if places or folder.name in in_runs:  # it may have been moved there meanwhile
            places.append(folder)
        state = next(filter(None, (_recorded(spec, place, folder) for place in places)), None)
        if state is None:
            checkpoints = [layout.checkpoints(study) / run]
            if run in in_runs:  # of a run that is trained by hand, in its own folder
                checkpoints.append(folders.path / run / "checkpoints" / run)
            log = log_end(logs / f"{run}.log") if f"{run}.log" in in_logs else None
            state = _unfinished(spec, folder, checkpoints, log, locks or {})
        found.append(state)
    return found, locks is not None


def _recorded(spec: RunSpec, place: Path, folder: Path) -> RunState | None:
    """By the metrics.json in ``place``; None where there is none.

    All of it is parsed, and its settings are not checked: 5,000 of them take a third of a second so.
    """
    path, state, fault = place / METRICS, DONE, None
    if not path.exists():
        return None
    try:
        document = read_json(path)
        if not (place / CURVE).exists():
            state, fault = DAMAGED, f"{place / CURVE}: no such file; {REMEDY}"
        elif document["status"] == RECORDED_AS_DIVERGED:
            state, fault = DIVERGED, document["reason"]
    except RecordError as error:
        state, fault = DAMAGED, str(error)
    except (KeyError, TypeError):
        state, fault = DAMAGED, f"{path}: not a run's metrics; {REMEDY}"
    return RunState(spec, state, folder, fault, waits=place != folder)


def _unfinished(
    spec: RunSpec, folder: Path, checkpoints: Iterable[Path], log: LogEnd | None, locks: dict[str, int]
) -> RunState:
    """By lock, log and the newest checkpoint."""
    there = filter(None, (reached(place, spec.run) for place in checkpoints))
    at = max(there, key=lambda one: one.saved, default=None)
    pid, fault = locks.get(spec.run), None
    if pid is not None:
        state = RUNNING
    elif log is not None and log.fault and (at is None or at.saved <= log.written):
        state, fault = FAILED, log.fault
    else:
        state = MISSING if at is None and log is None else BEGUN
    together = max(1, list(locks.values()).count(pid))
    return RunState(spec, state, folder, fault, pid=pid, together=together, reached=at, log=log)
