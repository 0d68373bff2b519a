"""``redrop status``: what is done, running, failed and missing, and how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redrop.errors import ConfigError
from redrop.layout import ResultsLayout
from redrop.study import Plan
from redrop.view.numbers import duration, several
from redrop.view.pace import Pace, measure
from redrop.view.screen import Block, Column, Line, Table
from redrop.view.states import (
    BEGUN,
    DAMAGED,
    DIVERGED,
    DONE,
    FAILED,
    RUNNING,
    STATES,
    RunState,
    StudyStates,
    study_states,
)

BAR = 10
LISTED = 10
"""Runs of one state that are named; ``--json`` names all."""
RENEWED_SECONDS = 180.0
"""A checkpoint younger than this, or than three times the interval that it was renewed in, may be renewed."""

COLUMNS = [
    Column("protocol on task", folds=True),
    Column("runs", right=True),
    *(Column(state, right=True, hide="0") for state in STATES),
    Column("progress", right=True),
    Column("", decoration=True, spare=True),
    Column("left", right=True),
]


@dataclass(frozen=True)
class TaskStatus:
    """The runs of one protocol on one task."""

    study: str
    protocol: str
    task: str
    counts: Counter[str]
    iterations: int
    made: int
    """Iterations that need not be made any more."""
    seconds_left: float
    """Of one process, for the runs of which it is known."""
    unmeasured: int
    """Unfinished runs of which it is not."""

    @property
    def left(self) -> str:
        """The time left as text."""
        if not self.unmeasured:
            return duration(self.seconds_left) if self.seconds_left else ""
        return f"> {duration(self.seconds_left)}" if self.seconds_left else "?"


@dataclass(frozen=True)
class Status:
    """A results folder beside what a config asks for."""

    results: Path
    studies: list[StudyStates]
    others: int
    """Runs that are there and that the config does not ask for."""
    pace: Pace
    now: float
    """When it was looked at, in seconds since the epoch."""

    @property
    def runs(self) -> list[RunState]:
        """All runs that are asked for."""
        return [run for study in self.studies for run in study.runs]

    @property
    def tasks(self) -> list[TaskStatus]:
        """By study, protocol and task, in the order of the config."""
        found: dict[tuple[str, str, str], list[RunState]] = {}
        for run in self.runs:
            found.setdefault((run.spec.study, run.spec.protocol, run.spec.task), []).append(run)
        return [self._task(key, runs) for key, runs in found.items()]

    def _task(self, key: tuple[str, str, str], runs: list[RunState]) -> TaskStatus:
        left = [self.pace.seconds_left(run) for run in runs]
        return TaskStatus(
            *key,
            Counter(run.state for run in runs),
            sum(run.iterations for run in runs),
            sum(run.iteration for run in runs),
            sum(seconds for seconds in left if seconds is not None),
            left.count(None),
        )

    @property
    def processes(self) -> int:
        """How many train on this machine."""
        return len({run.pid for run in self.runs if run.state == RUNNING})


def read_status(plan: Plan, results: Path, study: str | None = None) -> Status:
    """Look at a results folder; ``study``: only this one. Raises ``ConfigError`` where there is no folder."""
    if not results.is_dir():
        raise ConfigError(f"--results: {results} is no folder; `snakemake` makes it, or name another one")
    names = [plan.studies[study].name] if study else list(plan.runs)
    found = plan.runs if study is None else {names[0]: plan.specs[study]}
    studies = [study_states(name, found[name].values(), results) for name in names]
    layout = ResultsLayout(results)
    folders = {name: layout.runs(name) for name in plan.runs}
    asked = {folders[spec.study].of(spec).name for specs in plan.runs.values() for spec in specs.values()}
    others = sum(folder.name not in asked for folder in layout.run_folders())
    pace = measure(run for each in studies for run in each.runs)
    return Status(results, studies, others, pace, time.time())


def blocks(status: Status) -> Iterator[Block]:
    """For the screen."""
    runs = status.runs
    counts = Counter(run.state for run in runs)
    said = ", ".join(f"{counts[state]:,} {state}" for state in STATES if counts[state] or state == DONE)
    yield Line(f"{status.results}: {several(len(runs), 'run')} asked for, {said}", "bold")
    yield _table(status.tasks)
    yield from _time_left(status)
    waiting = sum(run.waits for run in runs)
    if waiting:
        yield Line(f"{several(waiting, 'finished run')} in the pool, until the job of each collects it")
    if status.others:
        yield Line(f"{several(status.others, 'other run')} there that this config does not ask for")
    if not all(study.sees_locks for study in status.studies):
        yield Line("this system does not list locks (no /proc/locks): what is running is among 'begun'")
    for state in (RUNNING, BEGUN, FAILED, DAMAGED, DIVERGED):
        yield from _listed(state, [run for run in runs if run.state == state], status)


def _table(tasks: Sequence[TaskStatus]) -> Table:
    table = Table(COLUMNS)
    for before, task in zip([None, *tasks], tasks, strict=False):
        if before is None or before.study != task.study:
            table.row(task.study)
        share = task.made / task.iterations if task.iterations else 1.0
        counts = [task.counts[state] for state in STATES]
        full = int(BAR * share)
        bar = "█" * full + "░" * (BAR - full)
        name = f"{task.protocol} on {task.task}"
        table.row(name, task.counts.total(), *counts, f"{int(100 * share)}%", bar, task.left)
    return table


def _time_left(status: Status) -> Iterator[Line]:
    tasks = status.tasks
    seconds, unmeasured = sum(task.seconds_left for task in tasks), sum(task.unmeasured for task in tasks)
    if seconds:
        text = f"time left: {duration(seconds)} of one process"
        if status.processes > 1:
            text += f", {duration(seconds / status.processes)} with the {status.processes} that train now"
        measured = ", ".join(sorted(status.pace.devices))
        yield Line(text + (f" (measured on {measured})" if measured else " (by the last two checkpoints)"))
    if unmeasured:
        counted = ", not counted" if seconds else ""
        runs = several(unmeasured, "run")
        yield Line(f"time left not known{counted}: {runs}, as none of the kind was measured here")


def _listed(state: str, runs: list[RunState], status: Status) -> Iterator[Line]:
    if not runs:
        return
    yield Line("")
    style = "bold red" if state in (FAILED, DAMAGED) else "bold"
    yield Line(f"{state} ({STATES[state]})", style)
    for run in runs[:LISTED]:
        yield Line(f"  {run.spec.run}")
        yield from (Line(f"    {text}", whole="/" in text) for text in details(run, status))
    if len(runs) > LISTED:
        yield Line(f"  and {len(runs) - LISTED:,} more; --json lists all")


def details(run: RunState, status: Status) -> Iterator[str]:
    """What there is to say of a run that is not just done or missing."""
    if run.state in (DAMAGED, DIVERGED):
        yield str(run.fault)
        return
    if run.fault is not None:
        yield run.fault
    if run.reached is not None:
        share = int(100 * run.iteration / run.iterations)
        words = [f"checkpoint at iteration {run.reached.iteration:,} of {run.iterations:,} ({share}%)"]
        words.append(f"{duration(max(0.0, status.now - run.reached.saved))} ago")
        left = status.pace.seconds_left(run)
        if run.state == RUNNING and left is not None:
            words.append(f"{duration(left)} left")
        if run.state == BEGUN and run.log is not None and run.log.stopped:
            words.append("stopped when asked to")
        elif run.state == BEGUN and may_be_renewed(run, status.now):
            words.append("may be training")
        yield ", ".join(words)
    elif run.state == RUNNING:
        yield "no checkpoint so far"
    if run.pid is not None:
        yield f"process {run.pid}"
    if run.log is not None and (run.state == FAILED or run.reached is None):
        yield f"{run.log.path}, last written {duration(max(0.0, status.now - run.log.written))} ago"


def may_be_renewed(run: RunState, now: float) -> bool:
    """Whether the checkpoint is as young as that of a run in training; whether it is one, nobody can say."""
    limit = max(RENEWED_SECONDS, 3.0 * (run.reached.seconds or 0.0))
    return now - run.reached.saved < limit


def document(status: Status) -> dict[str, Any]:
    """For programs: everything, with times in seconds; null where something is not known."""
    return {
        "results": str(status.results),
        "looked_at": status.now,
        "sees_locks": all(study.sees_locks for study in status.studies),
        "processes": status.processes,
        "measured_on": sorted(status.pace.devices),
        "parts": [
            {
                "study": task.study,
                "protocol": task.protocol,
                "task": task.task,
                "runs": task.counts.total(),
                **{state: task.counts[state] for state in STATES},
                "iterations": task.iterations,
                "iterations_made": task.made,
                "process_seconds_left": task.seconds_left,
                "unmeasured": task.unmeasured,
            }
            for task in status.tasks
        ],
        "others": status.others,
        "runs": [_run_document(run, status) for run in status.runs],
    }


def _run_document(run: RunState, status: Status) -> dict[str, Any]:
    return {
        "run": run.spec.run,
        "study": run.spec.study,
        "state": run.state,
        "waits_in_pool": run.waits,
        "folder": str(run.folder),
        "iteration": run.iteration,
        "iterations": run.iterations,
        "checkpoint_saved": run.reached.saved if run.reached else None,
        "process": run.pid,
        "process_seconds_left": status.pace.seconds_left(run),
        "log": str(run.log.path) if run.log else None,
        "fault": run.fault,
    }
