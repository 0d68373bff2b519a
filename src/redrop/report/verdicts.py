"""Verdicts on a page: one a claim, their counts, their marks (a word and a sign, never colour alone)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from redrop.analysis.claims import (
    NOT_AS_PUBLISHED,
    Claim,
    Judgement,
    counting,
    judge,
    published_verdict,
    unclear,
    verdict_here,
)
from redrop.analysis.collect import Results
from redrop.analysis.decision.claim import MIXED, ClaimVerdict
from redrop.analysis.decision.comparison import (
    CONTRADICTED,
    EQUIVALENT,
    NOT_RUN,
    SMALL,
    SUPPORTED,
    UNDECIDED,
    Comparison,
)
from redrop.report.sentences import would_decide
from redrop.study import Study

SIGNS = {
    SUPPORTED: "✓",
    SMALL: "▵",
    CONTRADICTED: "✗",
    EQUIVALENT: "≈",
    MIXED: "±",
    UNDECIDED: "?",
    NOT_RUN: "–",
    NOT_AS_PUBLISHED: "–",
}
"""In the order in which they are counted."""

ANSWERS = {
    "What held": (SUPPORTED, SMALL),
    "What did not": (CONTRADICTED,),
    "No difference that matters": (EQUIVALENT,),
    "Held in some texts, tasks or scales only": (MIXED,),
    "Not decided yet": (UNDECIDED,),
    "Not run": (NOT_RUN,),
}
"""The questions of a reader, in this order -> the verdicts that answer them."""
OPEN = (UNDECIDED, NOT_RUN)
"""Verdicts that say nothing yet: the page folds them where it has others to show."""

MEANING = {
    SUPPORTED: "the 95 % interval of every comparison lies on the claim's side of zero",
    SMALL: "the same, and all of them nearer to zero than the smallest difference that matters",
    CONTRADICTED: "at least one comparison goes the other way, after correction for their number",
    EQUIVALENT: "every difference is shown to be smaller than one that matters",
    MIXED: "it holds in one text, task or scale and not in another, and these differ significantly",
    UNDECIDED: "too few seeds for what was seen, or some of its comparisons were not run",
    NOT_RUN: "no two configurations that the claim names have a seed in common",
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

    @cached_property
    def found(self) -> ClaimVerdict:
        """The verdict at the scales that were run, one for all of them, with its reasons."""
        return verdict_here(self.judgements)

    @property
    def here(self) -> str:
        """That verdict in words."""
        return self.found.verdict

    @property
    def numbers(self) -> dict[str, Comparison]:
        """Comparison -> its numbers over all places, or those of a place where all have too few seeds."""
        few = {part.pair: part.comparison for part in self.found.parts if part.comparison.n}
        return few | {each.pair: each.pooled for each in self.found.across}

    @property
    def would_decide(self) -> str:
        """What an undecided claim could have shown, and the seeds that would decide; else empty."""
        comparison = unclear(self.found)
        return would_decide(comparison, self.claim.metric) if comparison else ""

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"claim-{self.study.name}-{self.claim.name}"

    @property
    def scales(self) -> str:
        """Where it was judged: ``5,000 iterations; 3,000 iterations (3 texts)``; paper A: also the model."""
        of_texts = self.study.reads == "corpus"
        tasks: dict[str, set[str]] = {}
        for judgement in counting(self.judgements):
            scale = judgement.budget if of_texts else f"{judgement.model}, {judgement.budget}"
            tasks.setdefault(scale, set()).add(judgement.task)
        kind = "texts" if of_texts else "tasks"
        return "; ".join(
            f"{scale} ({len(names)} {kind})" if len(names) > 1 else scale for scale, names in tasks.items()
        )


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
