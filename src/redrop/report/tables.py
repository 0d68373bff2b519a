"""The registry's tables as the page shows them, each with the csv file that holds its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from redrop.analysis.build import find_reported
from redrop.analysis.names import TABLES, implementation, table_names
from redrop.analysis.tables.render import WRAP, to_csv
from redrop.analysis.tables.table import Table
from redrop.report.folder import ResultsFolder
from redrop.report.views import View


@dataclass(frozen=True)
class Cell:
    """A cell's text and the numbers of its footnotes."""

    text: str
    notes: tuple[int, ...]


@dataclass(frozen=True)
class ShownTable:
    """A table for the page."""

    anchor: str
    name: str
    title: str
    caption: str
    label: str | None
    columns: tuple[str, ...]
    words: frozenset[str]
    """Columns of words; the others are aligned as numbers."""
    wide: frozenset[str]
    """Word columns that wrap."""
    groups: tuple[tuple[str, tuple[tuple[Cell, ...], ...]], ...]
    """(heading, its rows), in order."""
    footnotes: tuple[str, ...]
    csv: str
    """The file with its numbers in full precision, from the results folder on."""
    is_there: bool
    """Whether that file lies there and holds these numbers."""
    command: str
    """Writes it."""


def shown_tables(folder: ResultsFolder, view: View, write_command: str) -> list[ShownTable]:
    """Every table of a study or part, made of the runs that there are."""
    reported = find_reported(view.study, None)
    return [
        _shown(
            folder,
            view,
            implementation(TABLES[name])(view.results, view.study, reported, view.protocols),
            write_command,
        )
        for name in table_names(view.study)
    ]


def _shown(folder: ResultsFolder, view: View, table: Table, command: str) -> ShownTable:
    columns = tuple(table.frame.columns)
    rows = [
        tuple(
            Cell(text, table.marks.get((number, column), ()))
            for column, text in zip(columns, table.frame.iloc[number], strict=True)
        )
        for number in range(len(table.frame))
    ]
    groups = tuple(
        (heading, tuple(rows[number] for number in numbers))
        for heading, numbers in groupby(range(len(rows)), key=lambda number: table.sections[number])
    )
    path = view.place / "tables" / f"{table.name}.csv"
    longest = {column: max(map(len, table.frame[column]), default=0) for column in columns}
    return ShownTable(
        f"table-{view.study.part}-{table.name}",
        table.name,
        table.title,
        table.caption,
        view.label,
        columns,
        table.text_columns,
        frozenset(column for column in table.text_columns if longest[column] > WRAP),
        groups,
        table.footnotes,
        folder.relative(path),
        path.exists() and path.read_text(encoding="utf-8") == to_csv(table, view.label),
        command,
    )
