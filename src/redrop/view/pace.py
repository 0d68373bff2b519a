"""How long what is left will take: iterations left, times what an iteration was measured to take.

The measure is, for each run, the first of these that there is: finished runs of the same settings; its own
last two checkpoints; running runs of the same settings; finished, then running, runs of the same protocol
and task. Time is that of one process: a run's share, where several are trained together, with evaluation.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from statistics import median

from redrop.errors import RecordError
from redrop.provenance import read_provenance
from redrop.spec import RunSpec
from redrop.view.states import RUNNING, RunState

SAMPLE = 5
"""Finished runs of a kind that are looked into: a file each."""


@dataclass
class Pace:
    """Seconds an iteration, by kind of run."""

    finished: dict[Hashable, list[float]] = field(default_factory=lambda: defaultdict(list))
    running: dict[Hashable, list[float]] = field(default_factory=lambda: defaultdict(list))
    own: dict[str, float] = field(default_factory=dict)
    devices: set[str] = field(default_factory=set)
    """Where finished runs were measured."""

    def seconds_left(self, run: RunState) -> float | None:
        """Of one process; None where nothing like the run was measured."""
        if run.finished:
            return 0.0
        alike, similar = kinds(run.spec)
        own = [self.own[run.spec.run]] if run.spec.run in self.own else []
        measures = (
            self.finished.get(alike),
            own,
            self.running.get(alike),
            self.finished.get(similar),
            self.running.get(similar),
        )
        seconds = next((median(found) for found in measures if found), None)
        return None if seconds is None else seconds * (run.iterations - run.iteration)


def kinds(spec: RunSpec) -> tuple[Hashable, Hashable]:
    """What is alike but for the seed, and what is at least of the same protocol and task."""
    return dataclasses.replace(spec, seed=0), (spec.study, spec.protocol, spec.task)


def measure(runs: Iterable[RunState]) -> Pace:
    """Look into finished runs of the kinds that something is left of, and at checkpoints of running ones."""
    runs = list(runs)
    pace = Pace()
    wanted = {kind for run in runs if not run.finished for kind in kinds(run.spec)}
    for run in runs:
        if run.state == RUNNING and run.reached and run.reached.seconds_an_iteration:
            pace.own[run.spec.run] = run.reached.seconds_an_iteration / run.together
            for kind in kinds(run.spec):
                pace.running[kind].append(pace.own[run.spec.run])
    for run in _sample([run for run in runs if run.finished], wanted):
        try:
            found = read_provenance(run.folder)
        except RecordError:
            continue  # what cannot be read is no measure
        if found is None or not found.seconds or not found.iterations:
            continue
        pace.devices.add(str(found.device))
        seconds = found.total_seconds / found.iterations
        for kind in kinds(run.spec):
            pace.finished[kind].append(seconds)
    return pace


def _sample(runs: list[RunState], wanted: set[Hashable]) -> Iterator[RunState]:
    """At most ``SAMPLE`` runs of each wanted kind."""
    alike: dict[Hashable, list[RunState]] = defaultdict(list)
    for run in runs:
        for kind in kinds(run.spec):
            if kind in wanted:
                alike[kind].append(run)
    chosen = itertools.chain.from_iterable(found[:SAMPLE] for found in alike.values())
    yield from {run.spec.run: run for run in chosen}.values()
