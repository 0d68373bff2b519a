"""A table as it is before it is written in any format: text, raw numbers, footnotes."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from redrop.analysis.summary import show_number

if TYPE_CHECKING:
    import pandas as pd

WRAP = 30
"""A column of words with cells longer than this wraps."""


class Cell(NamedTuple):
    """A cell's text and the numbers of its footnotes."""

    column: str
    text: str
    notes: tuple[int, ...]


@dataclass(frozen=True)
class Table:
    """What is shown (``rows``, text), the numbers behind it (``raw``), and what must be said."""

    name: str
    title: str
    caption: str
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    """A heading and the cells of each row; consecutive rows with one heading stand under it."""
    raw: pd.DataFrame
    footnotes: tuple[str, ...]
    text_columns: frozenset[str]
    """Columns of words; the others are aligned as numbers."""

    @property
    def frame(self) -> pd.DataFrame:
        """The cells' text."""
        import pandas as pd

        return pd.DataFrame([[cell.text for cell in row] for _, row in self.rows], columns=self.columns)

    @cached_property
    def wide(self) -> set[str]:
        """Columns of words that wrap."""
        return {
            cell.column for _, row in self.rows for cell in row if len(cell.text) > WRAP
        } & self.text_columns

    def by_section(self) -> list[tuple[str, list[list[Cell]]]]:
        """(heading, its rows), in order."""
        headed = groupby(self.rows, key=lambda row: row[0])
        return [(heading, [row for _, row in own]) for heading, own in headed]


class _Print(string.Formatter):
    """Numbers with the minus of print; a dash for what is no number."""

    def format_field(self, value: Any, form: str) -> str:
        return show_number(value, form) if isinstance(value, float) else format(value, form)


PRINT = _Print()


@dataclass
class Builder:
    """Collects the rows of a table; a footnote said twice is one footnote."""

    columns: Sequence[str] | Mapping[str, str]
    """Their names; or name -> how ``add`` writes its cells, such as ``{loss:.4f}``."""
    text_columns: frozenset[str]
    rows: list[tuple[str, list[Cell]]] = field(default_factory=list)
    raw: list[dict[str, Any]] = field(default_factory=list)
    footnotes: dict[str, int] = field(default_factory=dict)

    def row(
        self, section: str, cells: dict[str, str], raw: dict[str, Any], notes: Sequence[tuple[str, str]]
    ) -> None:
        """Add a row; ``notes`` are (column, footnote) pairs."""
        self.show(section, cells, notes)
        self.raw.append({**raw, "notes": " ".join(dict.fromkeys(note for _, note in notes))})

    def add(
        self, section: str, raw: dict[str, Any], notes: Sequence[tuple[str, str]] = (), **shown: Any
    ) -> None:
        """Add a row; the columns' formats make its cells of ``raw``, and of what is only ``shown``."""
        known = raw | shown
        cells = {name: PRINT.format(form, **known) for name, form in self.columns.items()}
        self.row(section, cells, raw, notes)

    def show(self, section: str, cells: dict[str, str], notes: Sequence[tuple[str, str]] = ()) -> None:
        """Add a row that sums up others, without numbers of its own in the csv file."""
        marks: dict[str, set[int]] = {}
        for column, note in notes:
            number = self.footnotes.setdefault(note, len(self.footnotes) + 1)
            marks.setdefault(column, set()).add(number)
        row = [Cell(name, cells[name], tuple(sorted(marks.get(name, ())))) for name in self.columns]
        self.rows.append((section, row))

    def table(self, name: str, title: str, caption: str) -> Table:
        """The finished table."""
        import pandas as pd

        raw = pd.DataFrame(self.raw)
        if "n" in raw:  # a count stays whole beside rows that have none
            raw["n"] = raw["n"].astype("Int64")
        notes = tuple(self.footnotes)
        return Table(name, title, caption, list(self.columns), self.rows, raw, notes, self.text_columns)
