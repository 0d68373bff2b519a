"""Every claim's verdict and numbers as one document in JSON, to be read by programs and compared.

    {"label": null, "claims": {"STUDY/CLAIM": {"verdict": ..., "comparisons": {QUESTION: {"n": ..., ...}}}}}

A difference is in the metric's unit and positive where it favours the claim.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from redrop.analysis.decision.comparison import Comparison
from redrop.report.sentences import words_of
from redrop.report.verdicts import Judged

DIGITS = 6
"""Significant digits of a number."""
ROUNDED = ("difference", "interval")
"""What depends on a processor's rounding."""
COMPARED = ("verdict", "verdict_as_published", "budget", "metric", "comparisons")
"""What has to be as expected."""


def answers(judged: Iterable[Judged], label: str | None) -> dict[str, Any]:
    """The document; ``label`` marks what is not a result."""
    return {"label": label, "claims": {f"{one.study.name}/{one.claim.name}": _answer(one) for one in judged}}


def _answer(one: Judged) -> dict[str, Any]:
    places = [part.pair for part in one.found.parts if part.comparison.n]
    return {
        "claim": one.claim.text,
        "source": one.claim.source,
        "verdict": one.here,
        "verdict_as_published": one.as_published,
        "budget": one.scales,
        "metric": one.claim.metric,
        "unit": words_of(one.claim.metric)[2],
        "comparisons": {
            pair: _numbers(found) | {"places": places.count(pair)} for pair, found in one.numbers.items()
        },
    }


def _numbers(found: Comparison) -> dict[str, Any]:
    """Difference, its 95 % interval (null with too few seeds) and the number of seeds."""
    ends = found.interval()
    known = found.enough and all(map(math.isfinite, ends))
    interval = [_rounded(end) for end in ends] if known else None
    return {"difference": _rounded(found.mean), "interval": interval, "n": found.n}


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def without_numbers(document: dict[str, Any]) -> dict[str, Any]:
    """The same without what depends on a processor's rounding."""
    claims = {}
    for name, claim in document["claims"].items():
        compared = {
            question: {key: value for key, value in numbers.items() if key not in ROUNDED}
            for question, numbers in claim["comparisons"].items()
        }
        claims[name] = claim | {"comparisons": compared}
    return document | {"claims": claims}


def disagreements(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """What is not as expected of verdicts, budgets and numbers of seeds: a line each.

    Of the claims that are expected; others may have come since.
    """
    lines = []
    if found["label"] != expected["label"]:
        lines.append(f"label: {found['label']!r}, expected {expected['label']!r}")
    ours, theirs = (without_numbers(document)["claims"] for document in (found, expected))
    for name, other in theirs.items():
        if (one := ours.get(name)) is None:
            lines.append(f"{name}: no such claim")
            continue
        different = (key for key in COMPARED if one[key] != other[key])
        lines += [f"{name}: {key}: {one[key]!r}, expected {other[key]!r}" for key in different]
    return lines
