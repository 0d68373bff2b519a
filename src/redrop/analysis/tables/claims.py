"""Every claim with its comparisons: paired difference, interval, verdict."""

from __future__ import annotations

from redrop.analysis.claims import (
    NOT_RUN,
    Comparison,
    Judgement,
    judge,
    own_claims,
    published_verdict,
    raw_row,
)
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
    "P(better)",
    "Verdict",
]
TEXT = frozenset({"Judged on", "Budget", "Better", "Than", "Verdict"})

CAPTION = (
    "Difference: by how much the configuration under Better is better than that under Than (lower for a "
    "loss, higher for a score, in points), paired by seed, mean over the n common seeds with Student's t "
    "interval; positive is what the claim says. P(better): probability of improvement, the share of all "
    "pairs of a run of the first and one of the second in which the first is better. A comparison is "
    "supported or contradicted if its interval lies on one side of 0; a claim is supported if all its "
    "comparisons are, contradicted if one is (intervals are not widened for the number of comparisons). The "
    "words after each claim are its verdict as published; verdicts at other budgets, on other corpora, in "
    "other protocols or with other models hold at their own scale only, where the ranking may differ. Places "
    "(Key Results and the like) are those of a summary of the paper."
)


def build(data: StudyResults) -> Table:
    """One section a claim, one row a comparison; the authors' figures play no part."""
    builder = Builder(COLUMNS, TEXT)
    for claim in own_claims(data.study):
        judgements = judge(data.results, data.study, claim)
        overall = published_verdict(judgements)
        section = f"{claim.name} ({claim.source}: {claim.place}). {claim.text}: {overall}"
        for judgement in judgements:
            for comparison in judgement.comparisons:
                cells = _cells(judgement, comparison)
                builder.row(section, cells, raw_row(judgement, comparison, overall), [])
        if not judgements:
            cells = dict.fromkeys(COLUMNS, DASH) | {"Judged on": ", ".join(claim.pairs), "Verdict": NOT_RUN}
            raw = {"claim": claim.name, "source": claim.source, "place": claim.place, "text": claim.text}
            raw |= {"metric": claim.metric, "verdict_as_published": overall}
            builder.row(section, cells, raw, [])
    return builder.table("claims", f"{data.study.title}: claims", CAPTION)


def _cells(judgement: Judgement, comparison: Comparison) -> dict[str, str]:
    interval = comparison.interval
    form = {"iteration_of_best": "+.0f", "score": "+.2f"}.get(judgement.claim.metric, "+.4f")
    low, high = (show_number(end, form, "") for end in (interval.low, interval.high))
    return {
        "Judged on": f"{judgement.protocol}, {judgement.task}",
        "Budget": judgement.budget,
        "Better": comparison.config,
        "Than": comparison.than,
        "n": str(interval.n) if interval.n else DASH,
        "Difference": show_number(interval.mean, form),
        "95 % interval": f"{low} to {high}" if low else DASH,
        "P(better)": show_number(comparison.improvement, ".2f") if interval.n > 1 else DASH,
        "Verdict": comparison.verdict,
    }
