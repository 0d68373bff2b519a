"""Methods in one ranking: each against plain training, at equal updates and at equal compute.

Plain training is the protocol's first row. A method that sends its batch through the model k times an update
competes, at equal compute, with the row of plain training that has k times as many updates.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from redrop.analysis.collect import Group
from redrop.analysis.compared import Measure, length, passes
from redrop.analysis.decision.comparison import Comparison, compare
from redrop.analysis.run_costs import median, median_costs
from redrop.analysis.settings import flat
from redrop.analysis.stats import paired_differences
from redrop.analysis.study_results import StudyResults
from redrop.methods import passes_of
from redrop.yaml_files import read_yaml

TRIALS = "-trials"
"""How protocols of trials are called; they choose settings and rank nothing."""
LENGTH = ("schedule.iterations", "schedule.updates", "schedule.epochs")
LOSS, SCORE = "val_loss_last", "score"


@dataclass(frozen=True)
class Entry:
    """A configuration of the league."""

    config: str
    passes: int
    """Forward passes of a batch an update; 0 where it was not run."""
    values: Mapping[int, float]
    """Seed -> last validation loss, or mean score over the tasks in points."""
    lowest: Mapping[int, float]
    """Seed -> lowest validation loss; empty for scores."""
    equal_updates: Comparison
    """Against plain training as long, or longer; positive where the method is better."""
    equal_compute: Comparison
    """Against plain training of as many passes; empty where there is none."""
    time: float
    """Median time of an update, in those of plain training; NaN where it is not known."""


@dataclass(frozen=True)
class League:
    """A protocol's entries, best first; those without a common seed last."""

    protocol: str
    tasks: tuple[str, ...]
    metric: str
    plain: Entry
    entries: tuple[Entry, ...]


def leagues(data: StudyResults) -> Iterator[League]:
    """One a protocol; a corpus by itself, tasks by their mean."""
    for protocol, tasks in data.tasks().items():
        if not protocol.endswith(TRIALS):
            together = [[task] for task in tasks] if data.study.reads == "corpus" else [tasks]
            for own in together:
                if rows := data.shown_groups(protocol, own):
                    yield _league(data, protocol, own, rows)


def _league(data: StudyResults, protocol: str, tasks: Sequence[str], rows: dict[str, list[Group]]) -> League:
    scored = data.study.reads != "corpus"
    metric = SCORE if scored else LOSS
    limits = read_yaml(data.study.root / "config" / "claims.yaml").get("matters", {})
    measure = Measure(metric, scored, limits.get(metric, 0.0))
    first = next(iter(rows))
    plain, *entries = [_entry(data, measure, rows, config, first) for config in rows]
    entries.sort(key=lambda one: -one.equal_updates.mean if one.equal_updates.n else math.inf)
    return League(protocol, tuple(tasks), metric, plain, tuple(entries))


def _entry(
    data: StudyResults, measure: Measure, rows: dict[str, list[Group]], config: str, plain: str
) -> Entry:
    groups = rows[config]
    spec = next((group.spec for group in groups if group.spec), None)
    nothing = compare([])
    updates = compute = nothing
    if config != plain and spec is not None:
        updates = _at_most_as_long(data, measure, rows, config, plain)
        if longer := _as_many_passes(rows, groups, plain, config):
            equal = Measure(measure.metric, measure.higher, measure.matters, equal_passes=True)
            compute = equal.compare(data.results, rows, config, longer, config).result
    times = [median_costs(group)["ms"] for group in groups]
    base = [median_costs(group)["ms"] for group in rows[plain]]
    lowest = {} if measure.higher else Measure("val_loss_best").values(data.results, groups)
    return Entry(
        config,
        passes_of(spec.objective) if spec else 0,
        measure.values(data.results, groups),
        lowest,
        updates,
        compute,
        median(time / other for time, other in zip(times, base, strict=True)),
    )


def _at_most_as_long(
    data: StudyResults, measure: Measure, rows: dict[str, list[Group]], config: str, plain: str
) -> Comparison:
    """A row that ends earlier is compared as it is: to stop early is a regulariser, too."""
    shorter = [length(group) < length(other) for group, other in zip(rows[config], rows[plain], strict=True)]
    if not all(shorter):
        return measure.compare(data.results, rows, config, plain, config).result
    own, other = (measure.values(data.results, rows[name]) for name in (config, plain))
    pair = (other, own) if measure.higher else (own, other)
    return compare(list(paired_differences(*pair).values()), measure.matters)


def _as_many_passes(
    rows: dict[str, list[Group]], groups: Sequence[Group], plain: str, config: str
) -> str | None:
    """The row that differs from plain training in its length alone, and makes as many passes."""
    wanted = [passes(group) for group in groups]
    for name, own in rows.items():
        same = name == plain or _only_longer(own, rows[plain])
        if name != config and same and [passes(group) for group in own] == wanted:
            return name
    return None


def _only_longer(groups: Sequence[Group], plain: Sequence[Group]) -> bool:
    if not all(group.spec for group in (*groups, *plain)):
        return False
    return all(
        _without_length(one) == _without_length(other) for one, other in zip(groups, plain, strict=True)
    )


def _without_length(group: Group) -> dict[str, object]:
    settings = flat(group.spec)
    return {key: value for key, value in settings.items() if key not in LENGTH}
