"""What captions say alike: how many seeds, which budget, what is not drawn."""

from __future__ import annotations

from collections.abc import Sequence

from redrop.analysis.collect import Group
from redrop.analysis.settings import show

NOTHING_DRAWN = "no finished run"
"""In place of the number of seeds."""


def seeds_text(groups: Sequence[Group]) -> str:
    """``n = 5 seeds``, or ``n = 3 to 5 seeds`` where configurations differ."""
    counts = [len(group.done) for group in groups if group.done]
    if not counts:
        return NOTHING_DRAWN
    low, high = min(counts), max(counts)
    if low != high:
        return f"n = {low} to {high} seeds"
    return f"n = {low} seed" + ("s" if low > 1 else "")


def budget_text(groups: Sequence[Group]) -> str:
    """``, budget 5,000 iterations`` of what was run; empty without a run."""
    budgets = sorted({group.spec.schedule.last_iteration for group in groups if group.done})
    return f", budget {', '.join(map(show, budgets))} iterations" if budgets else ""


def absent_text(groups: Sequence[Group]) -> str:
    """A sentence on what is not drawn, or empty."""
    absent = [group.config for group in groups if not group.records]
    fewer = [f"{group.config} ({group.missing})" for group in groups if group.records and group.missing]
    diverged = [f"{group.config} ({len(group.diverged)})" for group in groups if group.diverged]
    text = f" No finished run: {', '.join(absent)}." if absent else ""
    text += f" Runs missing: {', '.join(fewer)}." if fewer else ""
    return text + (f" Diverged runs, in no mean: {', '.join(diverged)}." if diverged else "")
