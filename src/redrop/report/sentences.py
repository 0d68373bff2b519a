"""A claim's numbers as a sentence.

    res1-0.025 ended 0.037 nats above res1-0 (95 % interval 0.030 to 0.044, 5 seeds): contradicted at 5,000
    iterations.

An amount is given without its sign, which the words say; so is its interval, unless that holds zero.
"""

from __future__ import annotations

import math

from redrop.analysis.claims import Judgement
from redrop.analysis.compared import ComparedPair
from redrop.analysis.decision.claim import FOR
from redrop.analysis.decision.comparison import CONTRADICTED, NOT_RUN, UNDECIDED, Comparison
from redrop.analysis.decision.power import detectable_by, seeds_to_decide
from redrop.analysis.summary import MINUS, several

WORDS = {
    "val_loss_last": ("ended {} below", "ended {} above", "nats"),
    "val_loss_best": ("came {} below", "stayed {} above", "nats"),
    "gap_last": ("ended with a gap {} narrower than", "ended with a gap {} wider than", "nats"),
    "iteration_of_best": ("was best {} before", "was best {} after", "iterations"),
    "landscape_rise": (
        "lies in a loss that rises {} less than around",
        "lies in a loss that rises {} more than around",
        "",
    ),
    "overfitting": ("rose {} less above its best than", "rose {} more above its best than", "nats"),
    "largest_rise": ("had a largest spike {} below that of", "had a largest spike {} above that of", "nats"),
    "training_loss": ("had a training loss {} below", "had a training loss {} above", "nats"),
    "training_gap": ("ended with a gap {} narrower than", "ended with a gap {} wider than", "nats"),
    "milliseconds_an_update": ("took {} less an update than", "took {} more an update than", "ms"),
    "peak_megabytes": ("needed {} less than", "needed {} more than", "MB"),
    "score": ("scored {} more than", "scored {} less than", "points"),
}
"""Metric -> what is said where the first configuration is better, where it is worse, and the unit."""
TIMES = ("was there {} before", "was there {} after", "iterations")
"""The same of ``iterations_to_`` a loss."""
OTHER = ("had {} in its favour against", "had {} against it, compared with", "")


def words_of(metric: str) -> tuple[str, str, str]:
    """What is said of a metric; see ``WORDS``."""
    return TIMES if metric.startswith("iterations_to_") else WORDS.get(metric, OTHER)


def amount(value: float, unit: str) -> str:
    """A number without its sign: whole iterations, points to 0.01, else three decimals, four if small."""
    size = abs(value)
    if unit in ("iterations", "ms", "MB"):
        return f"{size:,.0f}"
    if unit == "points":
        return f"{size:.2f}"
    return f"{size:.3f}" if size >= 0.01 else f"{size:.4f}"


def signed(value: float, unit: str) -> str:
    """The same with its sign."""
    text = amount(value, unit)
    return MINUS + text if value < 0 and float(text.replace(",", "")) else text


def compared(judgement: Judgement, comparison: ComparedPair) -> str:
    """One comparison without a verdict; empty where it was not run."""
    found = comparison.result
    if not found.n:
        return ""
    better, worse, unit = words_of(judgement.claim.metric)
    mean, (low, high) = found.mean, found.interval()
    if not any(found.differences):
        return f"{comparison.config} and {comparison.than} do not differ in any of {several(found.n, 'seed')}"
    words = (better if mean >= 0 else worse).format(f"{amount(mean, unit)} {unit}".strip())
    if math.isnan(low):
        evidence = f"{several(found.n, 'seed')}, so no interval"
    elif low > 0 or high < 0:
        near, far = sorted((low, high), key=abs)
        evidence = f"95 % interval {amount(near, unit)} to {amount(far, unit)}, {several(found.n, 'seed')}"
    else:
        if mean < 0:  # seen in the direction of the words
            low, high = -high, -low
        evidence = f"95 % interval {signed(low, unit)} to {signed(high, unit)}, {several(found.n, 'seed')}"
    return f"{comparison.config} {words} {comparison.than} ({evidence})"


def telling(judgement: Judgement) -> ComparedPair | None:
    """The comparison on which the verdict rests: the clearest that goes against it, else the least clear."""
    run = judgement.run
    if not run:
        return None
    against = [one for one in run if one.verdict == CONTRADICTED]
    if against:
        return min(against, key=lambda one: one.result.interval()[1])
    unclear = [one for one in run if one.verdict not in FOR] or run
    return min(unclear, key=_least)


def _least(comparison: ComparedPair) -> float:
    """The lower end of the interval, or the difference itself where there is none."""
    low, _ = comparison.result.interval()
    return comparison.result.mean if math.isnan(low) else low


MOST_SEEDS = 1000
"""More than so many are not counted out to a reader: a stuck run makes the spread as large as the effect."""


def would_decide(comparison: Comparison, metric: str) -> str:
    """``5 seeds can show 0.012 nats, and 9 would decide``; of an undecided comparison."""
    unit = words_of(metric)[2]
    shown, needed = detectable_by(comparison), seeds_to_decide(comparison.matters, comparison.spread.sd)
    parts = []
    if shown > 0.0:
        parts.append(f"{several(comparison.n, 'seed')} can show {amount(shown, unit)} {unit}".strip())
    if needed is not None:
        many = f"{needed:,}" if needed <= MOST_SEEDS else "more than a thousand"
        parts.append(f"{many} would decide" if parts else f"{many} seeds would decide")
    return ", and ".join(parts)


def sentence(judgement: Judgement) -> str:
    """What a judgement rests on and comes to."""
    run, verdict = judgement.run, judgement.verdict
    one = telling(judgement)
    where = f"at {judgement.budget} ({judgement.protocol}, {judgement.task})"
    if one is None:
        return f"No two of the configurations that the claim names have a seed in common: {NOT_RUN} {where}."
    text = compared(judgement, one)
    if len(judgement.comparisons) > 1:
        if verdict in FOR:
            text += f", the closest of {len(run)} comparisons, which all agree with the claim"
        else:
            text += f"; {judgement.found.evidence}"
    open_ = would_decide(one.result, judgement.claim.metric) if one.verdict == UNDECIDED else ""
    return f"{text}: {verdict} {where}." + (f" {open_.capitalize()}." if open_ else "")
