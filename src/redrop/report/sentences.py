"""A claim's numbers as a sentence.

    res1-0.025 ended 0.037 nats above res1-0 (95 % interval 0.030 to 0.044, 5 seeds): contradicted at 5,000
    iterations.

An amount is given without its sign, which the words say; so is its interval, unless that holds zero.
"""

from __future__ import annotations

import math

from redrop.analysis.claims import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_RUN,
    ONE_SEED,
    SUPPORTED,
    Comparison,
    Judgement,
)
from redrop.analysis.summary import MINUS

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
    "score": ("scored {} more than", "scored {} less than", "points"),
}
"""Metric -> what is said where the first configuration is better, where it is worse, and the unit."""
OTHER = ("had {} in its favour against", "had {} against it, compared with", "")


def amount(value: float, unit: str) -> str:
    """A number without its sign: whole iterations, points to 0.01, else three decimals, four if small."""
    size = abs(value)
    if unit == "iterations":
        return f"{size:,.0f}"
    if unit == "points":
        return f"{size:.2f}"
    return f"{size:.3f}" if size >= 0.01 else f"{size:.4f}"


def signed(value: float, unit: str) -> str:
    """The same with its sign."""
    text = amount(value, unit)
    return MINUS + text if value < 0 and float(text.replace(",", "")) else text


def seeds(n: int) -> str:
    """``1 seed``, ``5 seeds``."""
    return f"{n} seed" + ("s" if n != 1 else "")


def compared(judgement: Judgement, comparison: Comparison) -> str:
    """One comparison without a verdict; empty where it was not run."""
    interval = comparison.interval
    if not interval.n:
        return ""
    better, worse, unit = WORDS.get(judgement.claim.metric, OTHER)
    mean, low, high = interval.mean, interval.low, interval.high
    if low == high == 0:
        return f"{comparison.config} and {comparison.than} do not differ in any of {seeds(interval.n)}"
    words = (better if mean >= 0 else worse).format(f"{amount(mean, unit)} {unit}".strip())
    if math.isnan(low):
        evidence = f"{seeds(interval.n)}, so no interval"
    elif low > 0 or high < 0:
        near, far = sorted((low, high), key=abs)
        evidence = f"95 % interval {amount(near, unit)} to {amount(far, unit)}, {seeds(interval.n)}"
    else:
        if mean < 0:  # seen in the direction of the words
            low, high = -high, -low
        evidence = f"95 % interval {signed(low, unit)} to {signed(high, unit)}, {seeds(interval.n)}"
    return f"{comparison.config} {words} {comparison.than} ({evidence})"


def telling(judgement: Judgement) -> Comparison | None:
    """The comparison on which the verdict rests: the clearest that goes against it, else the least clear."""
    run = [one for one in judgement.comparisons if one.interval.n]
    if not run:
        return None
    against = [one for one in run if one.verdict == CONTRADICTED]
    if against:
        return min(against, key=lambda one: one.interval.high)
    unclear = [one for one in run if one.verdict in (INCONCLUSIVE, ONE_SEED)] or run
    return min(unclear, key=_least)


def _least(comparison: Comparison) -> float:
    """The lower end of the interval, or the difference itself where there is none."""
    interval = comparison.interval
    return interval.mean if math.isnan(interval.low) else interval.low


def sentence(judgement: Judgement) -> str:
    """What a judgement rests on and comes to."""
    comparisons, verdict = judgement.comparisons, judgement.verdict
    run = [one for one in comparisons if one.interval.n]
    one = telling(judgement)
    where = f"at {judgement.budget} ({judgement.protocol}, {judgement.task})"
    if one is None:
        return f"No two of the configurations that the claim names have a seed in common: {NOT_RUN} {where}."
    text = compared(judgement, one)
    if len(run) > 1:
        agreeing = sum(other.verdict == SUPPORTED for other in run)
        against = sum(other.verdict == CONTRADICTED for other in run)
        if verdict == SUPPORTED:
            text += f", the closest of {len(run)} comparisons, which all agree with the claim"
        else:
            text += f"; of {len(run)} comparisons, {agreeing} for the claim and {against} against it"
    if verdict == NOT_RUN:
        return (
            f"{text}. {len(run)} of {len(comparisons)} comparisons were run, so the claim stays open {where}."
        )
    return f"{text}: {verdict} {where}."
