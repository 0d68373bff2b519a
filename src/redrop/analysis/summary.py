"""Mean, standard deviation and n over seeds. Seeds are averaged, never picked."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

DASH = "\N{EM DASH}"
MINUS = "\N{MINUS SIGN}"


def show_number(value: float, form: str, otherwise: str = DASH) -> str:
    """A number as text, with the minus of print; ``otherwise`` where it is none."""
    return f"{value:{form}}".replace("-", MINUS) if math.isfinite(value) else otherwise


def several(count: int, thing: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


@dataclass(frozen=True)
class Summary:
    """What a cell of a table is made of."""

    mean: float
    """NaN where there is nothing to average."""
    sd: float
    """Sample standard deviation (n - 1); NaN for fewer than two values."""
    n: int

    def show(self, form: str = ".4f") -> str:
        """``1.5560 ± 0.0021``; without a deviation for one value, a dash for none."""
        if self.n == 0:
            return DASH
        mean = show_number(self.mean, form)
        return mean if self.n == 1 else f"{mean} ± {self.sd:{form}}"

    __format__ = show


def summarise(values: Iterable[float]) -> Summary:
    """Summarise the values that are numbers."""
    numbers = [value for value in values if math.isfinite(value)]
    n = len(numbers)
    mean = statistics.fmean(numbers) if n else math.nan
    sd = statistics.stdev(numbers) if n > 1 else math.nan
    return Summary(mean, sd, n)
