"""How long what is left will take: iterations left, times what an iteration was measured to take.

The measure is, for each run, the first of these that there is: finished runs of the same settings; its own
last two checkpoints; running runs of the same settings; finished, then running, runs of the same protocol
and task. Time is that of one process: a run's share, where several are trained together, with evaluation.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
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
        measures = (
            self.finished.get(alike),
            [self.own[run.spec.run]] if run.spec.run in self.own else [],
            self.running.get(alike),
            self.finished.get(similar),
            self.running.get(similar),
        )
        seconds = next((median(found) for found in measures if found), None)
        return None if seconds is None else seconds * (run.iterations - run.iteration)


def kinds(spec: RunSpec) -> tuple[Hashable, Hashable]:
    """What is alike but for the seed, and what is at least of the same protocol and task."""
    return dataclasses.replace(spec, seed=0), (spec.study, spec.protocol, spec.task)


def measure(runs: Sequence[RunState]) -> Pace:
    """Look into finished runs of the kinds that something is left of, and at checkpoints of running ones."""
    pace, looked_into = Pace(), Counter()
    wanted = {kind for run in runs if not run.finished for kind in kinds(run.spec)}
    for run in runs:
        own = kinds(run.spec)
        if run.state == RUNNING and run.reached and run.reached.seconds_an_iteration:
            pace.own[run.spec.run] = run.reached.seconds_an_iteration / run.together
            for kind in own:
                pace.running[kind].append(pace.own[run.spec.run])
        if not run.finished or all(kind not in wanted or looked_into[kind] >= SAMPLE for kind in own):
            continue
        looked_into.update(own)
        try:
            found = read_provenance(run.folder)
        except RecordError:
            continue  # what cannot be read is no measure
        if found is not None and found.seconds and found.iterations:
            pace.devices.add(str(found.device))
            for kind in own:
                pace.finished[kind].append(found.total_seconds / found.iterations)
    return pace
