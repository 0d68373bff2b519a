"""A claim: several comparisons, in one place or several, that must all hold.

*Supported* where every comparison is: each is tested at 5 %, and as all are needed the whole errs at most as
often, without a correction (Berger, 1982). *Contradicted* where one goes the other way after Holm's
correction over the claim's comparisons: one of many does so by chance more often than one alone. *Mixed* only
between places: where the claim holds in one and is contradicted in another, both after Holm, or the size of a
comparison differs significantly. Otherwise each comparison is pooled over its places and judged once more;
what is left is *undecided*. A claim that is only partly run can be contradicted or mixed, never supported.

Given the comparisons of one place alone, the verdict is that of the place.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from redrop.analysis.decision.comparison import (
    ALPHA,
    CONTRADICTED,
    EQUIVALENT,
    NOT_RUN,
    SMALL,
    SUPPORTED,
    UNDECIDED,
    Comparison,
)
from redrop.analysis.decision.holm import holm
from redrop.analysis.decision.places import heterogeneity, pool

MIXED = "mixed"
FOR = (SUPPORTED, SMALL)


@dataclass(frozen=True)
class Part:
    """A comparison of the claim, in one place."""

    pair: str
    """Which is said to be better than which: the same in every place."""
    place: str
    """Protocol, text or task, budget."""
    comparison: Comparison
    p_holm: float = math.nan
    """Adjusted over the claim's comparisons; NaN where there are too few seeds for a test."""

    @property
    def sign(self) -> int:
        """1 or -1 where the direction survives Holm's correction, else 0."""
        return int(math.copysign(1, self.comparison.mean)) if self.p_holm <= ALPHA else 0


@dataclass(frozen=True)
class Across:
    """One pair in all its places."""

    pair: str
    places: int
    pooled: Comparison
    """Every seed of every place."""
    q: float
    """Cochran's Q of the places' means; NaN for a single place."""
    p: float
    """Of the hypothesis that the places do not differ, adjusted by Holm over the pairs; NaN for one place."""
    one_way: bool
    """Whether the interval of every place lies on the same side of 0."""
    both_ways: bool
    """Whether both signs survive Holm's correction."""

    @property
    def differs(self) -> bool:
        """Whether no single verdict fits its places."""
        return self.both_ways or (self.p <= ALPHA and not self.one_way)


@dataclass(frozen=True)
class ClaimVerdict:
    """What is known of a claim, and why."""

    verdict: str
    parts: tuple[Part, ...]
    """Every comparison of the claim, run or not, with its adjusted p."""
    across: tuple[Across, ...]
    """One a pair; those without enough seeds anywhere are left out."""
    decided_by: tuple[Part | Across, ...]
    """What the verdict follows from; empty where it is undecided or not run."""

    @property
    def smaller_than_matters(self) -> bool:
        """Whether all that decided it lies nearer to 0 than the smallest difference that matters."""
        found = [by.comparison if isinstance(by, Part) else by.pooled for by in self.decided_by]
        return bool(found) and all(comparison.smaller_than_matters for comparison in found)

    @property
    def run(self) -> int:
        """Comparisons with at least one seed."""
        return sum(part.comparison.n > 0 for part in self.parts)

    @property
    def counts(self) -> dict[str, int]:
        """How many of those that are run speak for it, against it, are equivalent, undecided or too few."""
        found = Counter(_side(part.comparison) for part in self.parts if part.comparison.n)
        return {side: found[side] for side in SIDES if found[side]}

    @property
    def evidence(self) -> str:
        """``2 of 4 run: 1 for, 1 undecided``."""
        counted = ", ".join(f"{count} {side}" for side, count in self.counts.items())
        return f"{self.run} of {len(self.parts)} run" + (f": {counted}" if counted else "")


SIDES = ("for", "against", "equivalent", "undecided", "too few seeds")


def _side(comparison: Comparison) -> str:
    if not comparison.enough:
        return "too few seeds"
    sides = {CONTRADICTED: "against", EQUIVALENT: "equivalent", UNDECIDED: "undecided"}
    return sides.get(comparison.verdict, "for")


def judge(parts: Sequence[Part]) -> ClaimVerdict:
    """Apply the rule of this module to a claim's comparisons, those that were not run included."""
    parts = _adjusted(parts)
    across = _across(parts)
    verdict, decided_by = _decide(parts, across)
    return ClaimVerdict(verdict, parts, across, decided_by)


def _decide(parts: tuple[Part, ...], across: tuple[Across, ...]) -> tuple[str, tuple[Part | Across, ...]]:
    if not any(part.comparison.n for part in parts):
        return NOT_RUN, ()
    verdicts = {part.comparison.verdict for part in parts}
    if verdicts <= set(FOR):
        return (SUPPORTED if SUPPORTED in verdicts else SMALL), parts
    if differing := tuple(each for each in across if each.differs):
        return MIXED, differing
    if opposite := _opposite_places(parts):
        return MIXED, opposite
    if against := tuple(part for part in parts if part.sign < 0):
        return CONTRADICTED, against
    return _pooled(parts, across)


def _opposite_places(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The decisive parts where one place has all its comparisons for the claim and another one against it."""
    places: dict[str, list[Part]] = {}
    for part in parts:
        places.setdefault(part.place, []).append(part)
    holds = [part for own in places.values() if all(each.sign > 0 for each in own) for part in own]
    against = [part for part in parts if part.sign < 0]
    return tuple(holds + against) if holds and against else ()


def _pooled(parts: tuple[Part, ...], across: tuple[Across, ...]) -> tuple[str, tuple[Part | Across, ...]]:
    """The verdict of the pairs, each over all its places; partly run claims can only be contradicted."""
    adjusted = holm(np.array([each.pooled.p for each in across]))
    against = tuple(
        each for each, p in zip(across, adjusted, strict=True) if p <= ALPHA and each.pooled.mean < 0.0
    )
    if against:
        return CONTRADICTED, against
    if all(part.comparison.enough for part in parts):
        verdicts = {each.pooled.verdict for each in across}
        if verdicts <= set(FOR):
            return (SUPPORTED if SUPPORTED in verdicts else SMALL), across
        if verdicts == {EQUIVALENT}:
            return EQUIVALENT, across
    return UNDECIDED, ()


def _adjusted(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Holm's p over those with enough seeds for a test."""
    tested = [i for i, part in enumerate(parts) if part.comparison.enough]
    adjusted = dict(
        zip(tested, holm(np.array([parts[i].comparison.p for i in tested])).tolist(), strict=True)
    )
    return tuple(
        Part(part.pair, part.place, part.comparison, adjusted.get(i, math.nan))
        for i, part in enumerate(parts)
    )


def _across(parts: tuple[Part, ...]) -> tuple[Across, ...]:
    """Every pair over its places, with the test of heterogeneity corrected for the number of pairs."""
    by_pair: dict[str, list[Part]] = {}
    for part in parts:
        if part.comparison.enough:
            by_pair.setdefault(part.pair, []).append(part)
    tests = {pair: _test(own) for pair, own in by_pair.items() if len(own) > 1}
    adjusted = dict(zip(tests, holm(np.array([p for _, p in tests.values()])).tolist(), strict=True))
    return tuple(
        Across(
            pair,
            len(own),
            pool([part.comparison for part in own]),
            tests[pair][0] if pair in tests else math.nan,
            adjusted.get(pair, math.nan),
            _one_way([part.comparison for part in own]),
            {1, -1} <= {part.sign for part in own},
        )
        for pair, own in by_pair.items()
    )


def _test(parts: Sequence[Part]) -> tuple[float, float]:
    found = [part.comparison for part in parts]
    q, p = heterogeneity([c.mean for c in found], [c.se for c in found], [c.spread.df for c in found])
    return float(q), float(p)


def _one_way(comparisons: Sequence[Comparison]) -> bool:
    verdicts = {comparison.verdict for comparison in comparisons}
    return verdicts <= set(FOR) or verdicts == {CONTRADICTED}
