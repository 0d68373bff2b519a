"""Every claim with its comparisons: paired difference, interval, verdict, and what would decide it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from redrop.analysis.claims import (
    Claim,
    Judgement,
    counting,
    judge,
    own_claims,
    published_verdict,
    raw_row,
    verdict_here,
)
from redrop.analysis.compared import ComparedPair
from redrop.analysis.decision.claim import Across, ClaimVerdict
from redrop.analysis.decision.comparison import NOT_RUN, UNDECIDED, Comparison
from redrop.analysis.decision.power import detectable_by, seeds_to_decide
from redrop.analysis.derived import ITERATIONS_TO
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH, show_number
from redrop.analysis.table import Builder, Table

ORDER = 50
COLUMNS = [
    "Judged on",
    "Budget",
    "Better",
    "Than",
    "n",
    "Difference",
    "95 % interval",
    "Verdict",
    "Detectable",
    "Seeds",
]
TEXT = frozenset({"Judged on", "Budget", "Better", "Than", "Verdict"})
FORMS = {"score": ".2f"} | dict.fromkeys(
    ("iteration_of_best", "milliseconds_an_update", "peak_megabytes"), ".0f"
)
"""Metric -> how its differences are shown, others with four decimals."""

CAPTION = (
    "Difference: by how much the configuration under Better is better than that under Than (lower for a "
    "loss, higher for a score, in points), paired by seed, mean over the n common seeds with Student's t "
    "interval; positive is what the claim says. With fewer than five seeds the standard deviation is that of "
    "the protocol's configurations, unless their own is larger; fewer than three never decide. Supported or "
    "contradicted: the interval lies on one side of 0; equivalent: the 90 % interval lies nearer to 0 than "
    "the smallest difference that matters. A claim is supported if all its comparisons are, contradicted if "
    "one is by Holm's correction, mixed if places differ. All places: one question in all of them together. "
    "Detectable: the difference that these seeds show with a probability of 80 %; Seeds: how many show, with "
    "80 %, the smallest difference that matters, or that there is none. The words after each claim are its "
    "verdict at the scales that were run, with all that was run for and against, then that as published; "
    "rankings may differ at other scales. Places (Key Results and the like) are those of a summary of the "
    "paper. The csv file also has the 90 % interval, p values, and the probability of improvement."
)


def build(data: StudyResults) -> Table:
    """One section a claim, one row a comparison; the authors' figures play no part."""
    builder = Builder(COLUMNS, TEXT)
    for claim in own_claims(data.study):
        _add(builder, claim, judge(data.results, data.study, claim))
    return builder.table("claims", f"{data.study.title}: claims", CAPTION)


def _add(builder: Builder, claim: Claim, judgements: Sequence[Judgement]) -> None:
    """A claim: its comparisons, its questions over several places, and how many comparisons were not run."""
    overall, here = published_verdict(judgements), verdict_here(judgements)
    section = (
        f"{claim.name} ({claim.source}: {claim.place}). {claim.text}: {here.verdict} ({here.evidence}); "
        f"as published: {overall}"
    )
    counted, across = counting(judgements), {each.pair: each for each in here.across}
    absent = []
    for judgement in judgements:
        for number, (comparison, part) in enumerate(zip(judgement.comparisons, judgement.parts, strict=True)):
            asked = across.get(part.pair) if judgement in counted else None
            raw = raw_row(judgement, number, overall, here, asked)
            if comparison.result.n:
                builder.row(section, _cells(judgement, comparison), raw, _notes(comparison))
            else:
                absent.append(raw)
    for each in here.across:
        if each.places > 1:
            builder.show(section, _pooled_cells(claim, each, here))
    if absent or not judgements:
        plural = "s" if len(absent) != 1 else ""
        what = f"{len(absent)} more comparison{plural}" if judgements else ", ".join(claim.pairs)
        builder.show(section, dict.fromkeys(COLUMNS, DASH) | {"Judged on": what, "Verdict": NOT_RUN})
    if not judgements:
        raw = {"claim": claim.name, "source": claim.source, "place": claim.place, "text": claim.text}
        absent = [
            raw | {"metric": claim.metric, "verdict_as_published": overall, "verdict_here": here.verdict}
        ]
    builder.raw += [raw | {"notes": ""} for raw in absent]


def _cells(judgement: Judgement, comparison: ComparedPair) -> dict[str, str]:
    place = {"Judged on": f"{judgement.protocol}, {judgement.task}", "Budget": judgement.budget}
    sides = {"Better": comparison.config, "Than": comparison.than}
    return place | sides | _numbers(judgement.claim, comparison.result)


def _pooled_cells(claim: Claim, across: Across, here: ClaimVerdict) -> dict[str, str]:
    differ = " (they differ)" if across in here.decided_by and across.differs else ""
    head = {
        "Judged on": f"all {across.places} places{differ}",
        "Budget": DASH,
        "Better": across.pair,
        "Than": DASH,
    }
    return head | _numbers(claim, across.pooled)


def _numbers(claim: Claim, found: Comparison) -> dict[str, str]:
    form = ".0f" if ITERATIONS_TO.fullmatch(claim.metric) else FORMS.get(claim.metric, ".4f")
    low, high = (show_number(end, f"+{form}", "") for end in found.interval())
    undecided = found.verdict == UNDECIDED
    seeds = seeds_to_decide(found.matters, found.spread.sd) if undecided else None
    return {
        "n": str(found.n),
        "Difference": show_number(found.mean, f"+{form}"),
        "95 % interval": f"{low} to {high}" if low else DASH,
        "Verdict": found.verdict,
        "Detectable": show_number(detectable_by(found), form) if undecided else DASH,
        "Seeds": DASH if seeds is None else f"{seeds:,}",
    }


def _notes(comparison: ComparedPair) -> list[tuple[str, str]]:
    """Runs that got stuck, and the median, which they do not move."""
    found = comparison.result
    if not found.stuck:
        return []
    median = show_number(found.median, "+.4f") if math.isfinite(found.median) else DASH
    return [("Difference", f"Stuck for long: {', '.join(found.stuck)}. Median of the differences: {median}.")]
