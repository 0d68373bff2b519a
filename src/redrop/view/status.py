"""``redrop status``: what is done, running, failed and missing, and how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redrop.analysis.summary import several
from redrop.errors import ConfigError
from redrop.layout import ResultsLayout
from redrop.spec import RunSpec
from redrop.study import Plan
from redrop.view.numbers import duration
from redrop.view.pace import Pace, measure
from redrop.view.screen import Block, Column, Line, Table
from redrop.view.states import BEGUN, DAMAGED, DIVERGED, DONE, FAILED, RUNNING, STATES, RunState, run_states

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
    Column("", spare=True),
    Column("left", right=True),
]


@dataclass(frozen=True)
class Status:
    """A results folder beside what a config asks for."""

    results: Path
    runs: list[RunState]
    """All that are asked for, in the order of the config."""
    sees_locks: bool
    others: int
    """Runs that are there and that the config does not ask for."""
    pace: Pace
    now: float
    """When it was looked at, in seconds since the epoch."""

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The runs by study, protocol and task: their number in each state, iterations, and time left.

        ``process_seconds_left``: of one process, without the ``unmeasured`` runs, of which it is not known.
        """
        groups: dict[tuple[str, str, str], list[RunState]] = {}
        for run in self.runs:
            groups.setdefault((run.spec.study, run.spec.protocol, run.spec.task), []).append(run)
        found = []
        for (study, protocol, task), runs in groups.items():
            counts, left = Counter(run.state for run in runs), [self.pace.seconds_left(run) for run in runs]
            found.append(
                {
                    "study": study,
                    "protocol": protocol,
                    "task": task,
                    "runs": len(runs),
                    **{state: counts[state] for state in STATES},
                    "iterations": sum(run.iterations for run in runs),
                    "iterations_made": sum(run.iteration for run in runs),
                    "process_seconds_left": sum(seconds for seconds in left if seconds is not None),
                    "unmeasured": left.count(None),
                }
            )
        return found

    @property
    def processes(self) -> int:
        """How many train on this machine."""
        return len({run.pid for run in self.runs if run.state == RUNNING})


def read_status(plan: Plan, results: Path, study: str | None = None) -> Status:
    """Look at a results folder; ``study``: only this one. Raises ``ConfigError`` where there is no folder."""
    if not results.is_dir():
        raise ConfigError(f"--results: {results} is no folder; `snakemake` makes it, or name another one")
    found = plan.runs if study is None else {plan.studies[study].name: plan.specs[study]}
    layout = ResultsLayout(results)
    folders = {name: layout.runs(name) for name in plan.runs}
    asked = {folders[spec.study].of(spec).name for specs in plan.runs.values() for spec in specs.values()}
    others = sum(folder.name not in asked for folder in layout.run_folders())
    return status_of({name: specs.values() for name, specs in found.items()}, results, others)


def status_of(asked: Mapping[str, Iterable[RunSpec]], results: Path, others: int = 0) -> Status:
    """That of the runs ``asked`` for, by study."""
    found = [run_states(study, specs, results) for study, specs in asked.items()]
    runs = [run for own, _ in found for run in own]
    return Status(results, runs, all(seen for _, seen in found), others, measure(runs), time.time())


def blocks(status: Status) -> Iterator[Block]:
    """For the screen."""
    by_state = {state: [run for run in status.runs if run.state == state] for state in STATES}
    said = ", ".join(f"{len(runs):,} {state}" for state, runs in by_state.items() if runs or state == DONE)
    yield Line(f"{status.results}: {several(len(status.runs), 'run')} asked for, {said}", "bold")
    tasks = status.tasks
    yield _table(tasks)
    yield from _time_left(status, tasks)
    waiting = sum(run.waits for run in status.runs)
    if waiting:
        yield Line(f"{several(waiting, 'finished run')} in the pool, until the job of each collects it")
    if status.others:
        yield Line(f"{several(status.others, 'other run')} there that this config does not ask for")
    if not status.sees_locks:
        yield Line("this system does not list locks (no /proc/locks): what is running is among 'begun'")
    for state in (RUNNING, BEGUN, FAILED, DAMAGED, DIVERGED):
        if by_state[state]:
            yield from _listed(state, by_state[state], status)


def _table(tasks: Sequence[dict[str, Any]]) -> Table:
    table, study = Table(COLUMNS), None
    for task in tasks:
        if task["study"] != study:
            study = task["study"]
            table.row(study)
        share = task["iterations_made"] / task["iterations"] if task["iterations"] else 1.0
        counts = [task[state] for state in STATES]
        bar = ("█" * int(BAR * share)).ljust(BAR, "░")
        name = f"{task['protocol']} on {task['task']}"
        table.row(name, task["runs"], *counts, f"{int(100 * share)}%", bar, time_left(task))
    return table


def time_left(task: Mapping[str, Any]) -> str:
    """Of an entry of ``Status.tasks``: ``2.5 h``, ``> 2.5 h`` with runs that are not measured, ``?``."""
    seconds = task["process_seconds_left"]
    text = duration(seconds) if seconds else ""
    return text if not task["unmeasured"] else f"> {text}" if text else "?"


def _time_left(status: Status, tasks: Sequence[dict[str, Any]]) -> Iterator[Line]:
    seconds, unmeasured = (sum(task[key] for task in tasks) for key in ("process_seconds_left", "unmeasured"))
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
    style = "bold red" if state in (FAILED, DAMAGED) else "bold"
    yield Line(f"\n{state} ({STATES[state]})", style)
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
        "sees_locks": status.sees_locks,
        "processes": status.processes,
        "measured_on": sorted(status.pace.devices),
        "parts": status.tasks,
        "others": status.others,
        "runs": [
            {
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
            for run in status.runs
        ],
    }
