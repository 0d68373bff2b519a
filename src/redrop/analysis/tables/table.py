"""A table as it is before it is written in any format: text, raw numbers, footnotes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


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


@dataclass
class Builder:
    """Collects the rows of a table; a footnote said twice is one footnote."""

    columns: list[str]
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
        self.rows.append([cells[column] for column in self.columns])
        self.raw.append({**raw, "notes": " ".join(dict.fromkeys(note for _, note in notes))})
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
            frame=pd.DataFrame(self.rows, columns=self.columns),
            raw=raw,
            sections=tuple(self.sections),
            footnotes=tuple(self.footnotes),
            marks={cell: tuple(sorted(numbers)) for cell, numbers in self.marks.items()},
            text_columns=self.text_columns,
        )
