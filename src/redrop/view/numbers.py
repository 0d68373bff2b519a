"""Numbers as a person reads them."""

from __future__ import annotations

MINUTE, HOUR, DAY, YEAR = 60.0, 3600.0, 86400.0, 365 * 86400.0


def duration(seconds: float) -> str:
    """``40 s``, ``12 min``, ``3.2 h``, ``5.1 days``, ``2.3 years``: two digits are enough."""
    for unit, name in ((YEAR, "years"), (DAY, "days"), (HOUR, "h"), (MINUTE, "min")):
        if seconds >= (2 * unit if unit in (YEAR, DAY) else unit):
            value = seconds / unit
            return f"{value:,.0f} {name}" if value >= 10 else f"{value:.1f} {name}"
    return f"{seconds:.0f} s"


def size(n_bytes: float) -> str:
    """``579 MB``; below 10, two digits."""
    value, unit = (n_bytes / 1e9, "GB") if n_bytes >= 1e9 else (n_bytes / 1e6, "MB")
    return f"{value:.1f} {unit}" if unit == "GB" or value < 10 else f"{value:.0f} {unit}"
