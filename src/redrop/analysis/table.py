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
    """What is shown (``frame``, text), the numbers behind it (``raw``), and what must be said."""

    name: str
    title: str
    caption: str
    frame: pd.DataFrame
    raw: pd.DataFrame
    sections: tuple[str, ...]
    """A heading for each row; consecutive rows with one heading stand under it."""
    footnotes: tuple[str, ...]
    marks: dict[tuple[int, str], tuple[int, ...]]
    """(row, column) -> numbers of its footnotes, from 1."""
    text_columns: frozenset[str]
    """Columns of words; the others are aligned as numbers."""

    @property
    def columns(self) -> list[str]:
        """Their names."""
        return list(self.frame.columns)

    @cached_property
    def wide(self) -> set[str]:
        """Columns of words that wrap."""
        return {c for c in self.text_columns if max(map(len, self.frame[c]), default=0) > WRAP}

    def by_section(self) -> list[tuple[str, list[list[Cell]]]]:
        """(heading, its rows), in order."""
        rows = [
            [Cell(column, text, self.marks.get((number, column), ())) for column, text in row.items()]
            for number, row in enumerate(self.frame.to_dict("records"))
        ]
        headed = groupby(zip(self.sections, rows, strict=True), key=lambda row: row[0])
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
    rows: list[list[str]] = field(default_factory=list)
    raw: list[dict[str, Any]] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    footnotes: dict[str, int] = field(default_factory=dict)
    marks: dict[tuple[int, str], list[int]] = field(default_factory=dict)

    def row(
        self, section: str, cells: dict[str, str], raw: dict[str, Any], notes: list[tuple[str, str]]
    ) -> None:
        """Add a row; ``notes`` are (column, footnote) pairs."""
        for column, note in notes:
            number = self.footnotes.setdefault(note, len(self.footnotes) + 1)
            numbers = self.marks.setdefault((len(self.rows), column), [])
            if number not in numbers:
                numbers.append(number)
        self.show(section, cells)
        self.raw.append({**raw, "notes": " ".join(dict.fromkeys(note for _, note in notes))})

    def add(
        self, section: str, raw: dict[str, Any], notes: Sequence[tuple[str, str]] = (), **shown: Any
    ) -> None:
        """Add a row; the columns' formats make its cells of ``raw``, and of what is only ``shown``."""
        known = raw | shown
        cells = {name: PRINT.format(form, **known) for name, form in self.columns.items()}
        self.row(section, cells, raw, list(notes))

    def show(self, section: str, cells: dict[str, str]) -> None:
        """Add a row that sums up others, without numbers of its own in the csv file."""
        self.rows.append([cells[column] for column in self.columns])
        self.sections.append(section)

    def table(self, name: str, title: str, caption: str) -> Table:
        """The finished table."""
        import pandas as pd

        raw = pd.DataFrame(self.raw)
        if "n" in raw:  # a count stays whole beside rows that have none
            raw["n"] = raw["n"].astype("Int64")
        return Table(
            name=name,
            title=title,
            caption=caption,
            frame=pd.DataFrame(self.rows, columns=list(self.columns)),
            raw=raw,
            sections=tuple(self.sections),
            footnotes=tuple(self.footnotes),
            marks={cell: tuple(sorted(numbers)) for cell, numbers in self.marks.items()},
            text_columns=self.text_columns,
        )
