"""``redrop doctor``: a line a check, and what to do below those that need it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redrop.runtime.doctor import PROBLEM, WARNING, Check, count
from redrop.view.screen import Block, Column, Line, Table

STYLES = {PROBLEM: "bold red", WARNING: "yellow"}


def blocks(checks: Sequence[Check]) -> Iterator[Block]:
    """For the screen."""
    for check in checks:
        table = Table([Column(""), Column(""), Column("", folds=True)])
        table.row(f"{check.state:7}", f"{check.name:9}", check.said, style=STYLES.get(check.state, ""))
        yield table
        if check.fix:
            yield Line(f"{'':20}-> {check.fix}", whole=True)
    yield Line(f"\nproblems: {count(checks, PROBLEM)}, warnings: {count(checks, WARNING)}")
