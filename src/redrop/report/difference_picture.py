"""A paired difference as a small picture: its interval, its seeds, and zero, drawn beside the numbers."""

from __future__ import annotations

import math

from redrop.analysis.compared import ComparedPair

WIDTH, HEIGHT = 160, 18
MARGIN = 6


def reach(comparison: ComparedPair) -> float:
    """How far from zero the picture reaches."""
    values = [abs(value) for value in (*comparison.result.interval(), *comparison.differences.values())]
    return max(filter(math.isfinite, values), default=0.0) or 1.0


def picture(comparison: ComparedPair) -> str:
    """An svg without ids, on a scale of its own; to the right of the line is what the claim says."""

    limit = reach(comparison)

    def x(value: float) -> str:
        return f"{WIDTH / 2 + value / limit * (WIDTH / 2 - MARGIN):.1f}"

    middle, (low, high) = HEIGHT // 2, comparison.result.interval()
    shapes = [f'<line class="zero" x1="{WIDTH // 2}" x2="{WIDTH // 2}" y1="0" y2="{HEIGHT}"/>']
    if math.isfinite(low):
        ends = f'x1="{x(low)}" x2="{x(high)}"'
        shapes.append(f'<line class="interval" {ends} y1="{middle}" y2="{middle}"/>')
    shapes += [
        f'<circle class="seed" cx="{x(value)}" cy="{middle}" r="1.8"/>'
        for value in comparison.differences.values()
    ]
    if comparison.result.n:
        shapes.append(f'<circle class="mean" cx="{x(comparison.result.mean)}" cy="{middle}" r="3.6"/>')
    return (
        f'<svg class="difference" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'aria-hidden="true" focusable="false">{"".join(shapes)}</svg>'
    )
