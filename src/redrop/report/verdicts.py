"""Verdicts on a page: one a claim, their counts, their marks (a word and a sign, never colour alone)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from redrop.analysis.claims import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_AS_PUBLISHED,
    NOT_RUN,
    ONE_SEED,
    SUPPORTED,
    Claim,
    Judgement,
    judge,
    published_verdict,
)
from redrop.analysis.collect import Results
from redrop.study import Study

MIXED = "mixed"
"""Supported at one scale, and not at another."""
PARTLY = "partly run"
"""Some of the comparisons that the claim is made of were run, and none of these goes against it."""

OPEN = (PARTLY, ONE_SEED, NOT_RUN)
"""Nothing is decided."""

SIGNS = {
    SUPPORTED: "✓",
    CONTRADICTED: "✗",
    MIXED: "±",
    INCONCLUSIVE: "?",
    PARTLY: "…",
    ONE_SEED: "○",
    NOT_RUN: "–",
    NOT_AS_PUBLISHED: "–",
}
"""In the order in which they are counted."""

MEANING = {
    SUPPORTED: "the 95 % interval of every comparison lies on the claim's side of zero",
    CONTRADICTED: "the interval of at least one comparison lies on the other side",
    MIXED: "the verdict differs between the texts, tasks, protocols or budgets that were run",
    INCONCLUSIVE: "an interval holds zero",
    PARTLY: "some of its comparisons were run, and none of these goes against it",
    ONE_SEED: "there is no interval yet",
    NOT_RUN: "a configuration that the claim names has no run",
}


@dataclass(frozen=True)
class Judged:
    """A claim with all that can be said of it."""

    study: Study
    claim: Claim
    judgements: tuple[Judgement, ...]

    @property
    def as_published(self) -> str:
        """The verdict on what the paper says, at its own settings."""
        return published_verdict(self.judgements)

    @property
    def here(self) -> str:
        """The verdict at the scales that were run, one for all of them."""
        scales: dict[tuple[str, str, str], list[str]] = {}
        for one in self.judgements:
            scales.setdefault((one.protocol, one.budget, one.model), []).append(standing(one))
        verdicts = []
        for found in scales.values():
            against = self.claim.each_task and CONTRADICTED in found  # one task is enough
            verdicts += [CONTRADICTED] if against else found
        return together(verdicts)

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"claim-{self.study.name}-{self.claim.name}"

    @property
    def scales(self) -> str:
        """Where it was judged: ``5,000 iterations; 3,000 iterations (3 texts)``; paper A: also the model."""
        of_texts = self.study.reads == "corpus"
        tasks: dict[str, set[str]] = {}
        for judgement in self.judgements:
            if standing(judgement) not in OPEN or self.here in (PARTLY, ONE_SEED):
                scale = judgement.budget if of_texts else f"{judgement.model}, {judgement.budget}"
                tasks.setdefault(scale, set()).add(judgement.task)
        kind = "texts" if of_texts else "tasks"
        return "; ".join(
            f"{scale} ({len(names)} {kind})" if len(names) > 1 else scale for scale, names in tasks.items()
        )


def standing(judgement: Judgement) -> str:
    """A judgement's verdict, with what was run in part told from what was not run."""
    if judgement.verdict == NOT_RUN and any(one.interval.n for one in judgement.comparisons):
        return PARTLY
    return judgement.verdict


def together(verdicts: Sequence[str]) -> str:
    """One verdict for several scales; where nothing was decided counts only if nothing was anywhere."""
    decided = {verdict for verdict in verdicts if verdict not in OPEN}
    if decided:
        return decided.pop() if len(decided) == 1 else MIXED
    return next((verdict for verdict in OPEN if verdict in verdicts), NOT_RUN)


def judge_all(results: Results, study: Study, claims: Sequence[Claim]) -> list[Judged]:
    """Judge every claim of a study on the runs that there are."""
    return [Judged(study, claim, tuple(judge(results, study, claim))) for claim in claims]


def counts(verdicts: Sequence[str]) -> list[tuple[str, int]]:
    """How often each verdict was given, those that were not left out, in the order of ``SIGNS``."""
    found = Counter(verdicts)
    return [(verdict, found[verdict]) for verdict in SIGNS if found[verdict]]


def counted(verdicts: Sequence[str]) -> str:
    """``2 supported, 5 contradicted``."""
    return ", ".join(f"{n} {verdict}" for verdict, n in counts(verdicts))
