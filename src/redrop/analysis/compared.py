"""Two configurations compared on the runs that there are, paired by seed, with the spread to judge by."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from redrop.analysis.collect import Group, Results
from redrop.analysis.decision.comparison import FEWEST_FOR_OWN_SPREAD, Comparison, compare
from redrop.analysis.decision.spread import Spread, pooled_spread
from redrop.analysis.derived import COSTS, OF_ALL_RUNS, derived, device_of
from redrop.analysis.failure_signatures import is_stuck
from redrop.analysis.scoring import SCORE, scale
from redrop.analysis.stats import mean_of_common, paired_differences
from redrop.kinds import WINDOWS
from redrop.methods import passes_of
from redrop.record import RunRecord

NOISY = 3.0
"""A configuration whose seeds vary by more than this many times the median one's is not pooled with them."""

Place = dict[str, list[Group]]
"""Every configuration of a protocol -> its groups on the tasks that are judged together."""


@dataclass(frozen=True)
class ComparedPair:
    """Two configurations, paired by seed; the first is said to be better."""

    config: str
    than: str
    question: str
    """What is compared, in the same words in every protocol."""
    differences: dict[int, float]
    """Seed -> how much better ``config`` is than ``than`` (scores: points), positive where it holds."""
    result: Comparison

    @property
    def verdict(self) -> str:
        """Of this comparison alone."""
        return self.result.verdict


@dataclass(frozen=True)
class Measure:
    """What is compared, which side is better, and how large a difference matters."""

    metric: str
    higher: bool = False
    matters: float = 0.0
    equal_passes: bool = False
    """Whether runs are compared that sent as many batches through the model, instead of equally long ones."""

    def compare(self, results: Results, place: Place, config: str, than: str, question: str) -> ComparedPair:
        """Compare two configurations in a place; runs of different budgets are not compared."""
        first, second = place[config], place[than]
        budgets = [budget(group) for group in first]
        long = passes if self.equal_passes else budget
        alike = [long(group) for group in first] == [long(group) for group in second]
        a, b = (self.values(results, groups) for groups in (first, second))
        lower, upper = (b, a) if self.higher else (a, b)
        differences = paired_differences(lower, upper) if alike else {}
        if self.metric in COSTS:
            differences = {
                seed: differences[seed] for seed in differences if _one_device(first, second, seed)
            }
        stuck = [
            record.run
            for group in (*first, *second)
            for record in group.done
            if record.spec.seed in differences and got_stuck(results, record)
        ]
        few = 0 < len(differences) < FEWEST_FOR_OWN_SPREAD
        pooled = self.pooled(results, place, budgets) if few else None
        result = compare(list(differences.values()), self.matters, pooled, stuck)
        return ComparedPair(config, than, question, differences, result)

    def values(
        self, results: Results, groups: Sequence[Group], without: frozenset[str] = frozenset()
    ) -> dict[int, float]:
        """Seed -> mean over the tasks, of scores in points, for the seeds that have every one of them."""
        values = [
            {
                record.spec.seed: self.value(results, record)
                for record in (group.records if self.metric in OF_ALL_RUNS else group.done)
                if record.run not in without
            }
            for group in groups
        ]
        return mean_of_common([{s: x for s, x in own.items() if math.isfinite(x)} for own in values])

    def value(self, results: Results, record: RunRecord) -> float:
        """The metric of a run, or what is worked out from its other files; NaN where it has none."""
        if (of := derived(self.metric)) is not None:
            return of(results, record)
        return record.value(self.metric) * (scale(record) if self.metric == SCORE else 1.0)

    def pooled(self, results: Results, place: Place, budgets: list[str]) -> Spread | None:
        """The spread of a paired difference over the place's configurations of these budgets.

        Left out are runs that got stuck, and configurations that are clearly noisier than the others (such as
        dropout of 0.5 on a skip): the model takes one variance for all.
        """
        alike = [own for own in place.values() if [budget(group) for group in own] == budgets]
        records = [record for own in alike for group in own for record in group.done]
        stuck = frozenset(record.run for record in records if got_stuck(results, record))
        values = {own[0].config: self.values(results, own, stuck) for own in alike}
        spreads = {name: statistics.stdev(own.values()) for name, own in values.items() if len(own) > 1}
        limit = NOISY * statistics.median(spreads.values()) if spreads else math.inf
        return pooled_spread({name: own for name, own in values.items() if spreads.get(name, 0.0) <= limit})


def got_stuck(results: Results, record: RunRecord) -> bool:
    """Whether a character model's run knew no more than how frequent characters are for long."""
    vocabulary = record.data.get("vocab_size")
    if record.spec.kind.reads != WINDOWS or not vocabulary:
        return False
    return is_stuck(results.curve(record.run), vocabulary)


def budget(group: Group) -> str:
    """How long its runs are, as text; empty without a run."""
    if group.spec is None:
        return ""
    schedule = group.spec.schedule
    epochs = getattr(schedule, "epochs", None)
    if epochs is not None:
        return f"{epochs:g} epochs"
    updates = getattr(schedule, "updates", None)
    return f"{schedule.last_iteration:,} iterations" if updates is None else f"{updates:,} updates"


def passes(group: Group) -> float:
    """How often its runs send a batch through the model, in updates or epochs; 0 without a run."""
    return 0.0 if group.spec is None else passes_of(group.spec.objective) * length(group)


def length(group: Group) -> float:
    """How long its runs are, in updates or epochs; 0 without a run."""
    schedule = group.spec.schedule if group.spec else None
    names = ("epochs", "updates", "last_iteration")
    return next((found for name in names if (found := getattr(schedule, name, None)) is not None), 0.0)


def _one_device(first: Sequence[Group], second: Sequence[Group], seed: int) -> bool:
    """Whether all runs of a seed were trained on the same, so that their costs can be compared."""
    runs = [record for group in (*first, *second) for record in group.done if record.spec.seed == seed]
    return len({device_of(record) for record in runs}) == 1


def model_size(record: RunRecord) -> str:
    """The model, as text."""
    return record.spec.kind.size(record.spec.model)
