"""The README's first table: what was asked, our number, the paper's, the verdict; a row a claim."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from redrop.analysis.decision.comparison import Comparison
from redrop.analysis.reported import GAIN, Reported
from redrop.analysis.summary import DASH, MINUS, several
from redrop.errors import ConfigError
from redrop.report.sentences import amount, words_of
from redrop.report.verdicts import SIGNS, Judged

HEADER = ["| the claim | our number | the paper's | verdict |", "| --- | --- | --- | --- |"]


@dataclass(frozen=True)
class Asked:
    """A row: a claim of config/claims.yaml in a reader's words."""

    study: str
    claim: str
    says: str
    """What is compared, in such words that ``0.012 nats lower`` is an answer."""
    question: str = ""
    """Which of the claim's comparisons gives the number; empty: there is one, or all are shown."""
    theirs: tuple[str, str, str] | str = ""
    """Protocol and two configurations whose reported losses differ by the paper's number, or words."""


GAINS = "gains"
"""The paper's number is every gain that it reports for the study."""

ASKED = (
    Asked(
        "residual",
        "skip1-0.025-best",
        "Of the paper's skip-1 rates, 0.025 is best (against 0.05)",
        "0.025 and 0.05",
        ("authors", "a2r025", "a2r05"),
    ),
    Asked(
        "residual",
        "skip1-control",
        "No skip-1 dropout at all is better than 0.025",
        "skip-1, 0 and 0.025",
        "not run",
    ),
    Asked(
        "residual",
        "skip1-more-is-worse",
        "More skip-1 dropout is worse (0.1 against 0.2)",
        "0.1 and 0.2",
        ("authors", "a2r1", "a2r2"),
    ),
    Asked(
        "residual",
        "attention-0.2-over-0",
        "Attention/MLP dropout of 0.2 is better than none",
        "pre-norm, 0.2 and 0",
        ("authors", "a2r0", "a0r0"),
    ),
    Asked(
        "residual",
        "skip2-0.99-best",
        "Skip-2 dropout of 0.99 is best (against 0)",
        "0.99 and 0",
        ("authors", "a2r100_2", "a2r0_2"),
    ),
    Asked(
        "residual",
        "skip2-over-skip1",
        "Skip-2 at 0.99 is better than skip-1 alone",
        "skip-2 at 0.99",
        ("authors", "a2r100_2", "a2r025"),
    ),
    Asked(
        "residual",
        "skip4-degrades",
        "Skip-4 is worse at every rate (0.99 against without)",
        "skip-4 at 0.99",
        ("authors", "a2r100_2", "a2r99_4"),
    ),
    Asked("glue", "lrdrop-over-ce", "LR-Drop beats plain fine-tuning on GLUE", "", GAINS),
    Asked(
        "glue",
        "lrdrop-over-rdrop",
        "LR-Drop beats R-Drop with the same weight on every GLUE task",
        "",
        "on all eight",
    ),
    Asked("translation", "translation-gain", "LR-Drop translates better than plain training", "", GAINS),
    Asked(
        "translation",
        "translation-over-rdrop",
        "LR-Drop translates better than R-Drop",
        "",
        "in all six directions",
    ),
    Asked("summarization", "summarization-gain", "LR-Drop summarises better than plain training", "", "yes"),
)


def rows(judged: Mapping[tuple[str, str], Judged], reported: Mapping[str, Reported]) -> list[str]:
    """The table's lines; ``judged`` by study and claim, ``reported`` by study."""
    lines = list(HEADER)
    for asked in ASKED:
        one = judged.get((asked.study, asked.claim))
        if one is None:
            raise ConfigError(
                f"tools/readme_answers.py: config/claims.yaml has no claim {asked.claim!r} about "
                f"{asked.study}; name another or delete the row"
            )
        verdict = f"{SIGNS[one.here]} {one.here}"
        lines.append(f"| {asked.says} | {ours(one, asked)} | {theirs(one, asked, reported)} | {verdict} |")
    return lines


def ours(one: Judged, asked: Asked) -> str:
    """Over all places: the difference with its interval, or from the lowest to the highest of several."""
    metric, higher = one.claim.metric, one.claim.higher
    known = {part.pair for part in one.found.parts}
    if asked.question and known and asked.question not in known:
        raise ConfigError(
            f"tools/readme_answers.py: claim {asked.claim!r} has no comparison {asked.question!r} "
            f"(known: {', '.join(sorted(known))}); correct it"
        )
    found = [c for pair, c in one.numbers.items() if asked.question in ("", pair)]
    if not found:
        return DASH
    if len(found) > 1:
        means = sorted((c.mean for c in found), key=float)
        return f"{_difference(means[0], metric, higher)} to {_difference(means[-1], metric, higher)}"
    text = _difference(found[0].mean, metric, higher)
    return f"{text} ({_interval(found[0], metric, higher)})"


def theirs(one: Judged, asked: Asked, reported: Mapping[str, Reported]) -> str:
    """The paper's own number, from config/reported."""
    values = reported[asked.study].values
    if asked.theirs == GAINS:
        own = [
            value for (_, config, _, metric), value in values.items() if metric == GAIN and config == "lrdrop"
        ]
        return ", ".join(f"+{value:.2f}" for value in own) or DASH
    if isinstance(asked.theirs, str):
        return asked.theirs
    protocol, first, second = asked.theirs
    pair = [values[protocol, config, "tiny_shakespeare", one.claim.metric] for config in (first, second)]
    return _difference(pair[1] - pair[0], one.claim.metric, one.claim.higher)


def _difference(value: float, metric: str, higher: bool) -> str:
    """``value``: positive where the first is better."""
    unit = words_of(metric)[2]
    if higher:
        return f"{_signed(value, unit)} {unit}"
    return f"{amount(value, unit)} {'lower' if value >= 0 else 'higher'}"


def _interval(found: Comparison, metric: str, higher: bool) -> str:
    low, high = found.interval()
    if math.isnan(low) or not found.enough:
        return several(found.n, "seed")
    unit = words_of(metric)[2]
    if not higher and found.mean < 0:
        low, high = -high, -low
    ends = [
        _signed(end, unit) if higher else amount(end, unit) if end >= 0 else MINUS + amount(end, unit)
        for end in (low, high)
    ]
    return " to ".join(ends)


def _signed(value: float, unit: str, plus: bool = True) -> str:
    return (MINUS if value < 0 else "+" if plus else "") + amount(value, unit)
