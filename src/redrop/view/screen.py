"""Text and tables, for a terminal (with rich) or for a pipe: plain, aligned, never wrapped, no colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

GAP = "  "


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    right: bool = False
    """Whether it is set flush right, as numbers are."""
    folds: bool = False
    """Whether a narrow terminal may break its text."""
    hide: str | None = None
    """A terminal leaves the column out where all cells are this; a pipe always has it."""
    decoration: bool = False
    """Whether it is for a terminal only."""


@dataclass(frozen=True)
class Row:
    """Cells, and a style of rich's for all of them."""

    cells: tuple[str, ...]
    style: str = ""


@dataclass(frozen=True)
class Line:
    """A paragraph."""

    text: str
    style: str = ""


@dataclass
class Table:
    """Columns and rows; a row of one cell is a heading of those that follow."""

    columns: Sequence[Column]
    rows: list[Row] = field(default_factory=list)

    def row(self, *cells: object, style: str = "") -> None:
        """Add a row."""
        self.rows.append(Row(tuple(map(str, cells)), style))


Block = Line | Table


def display(blocks: Sequence[Block], console: Console | None = None) -> None:
    """Print the blocks to standard output, or to ``console``."""
    console = console or Console(highlight=False)
    if console.is_terminal:
        for block in blocks:
            shown = Text(block.text, block.style) if isinstance(block, Line) else rich_table(block)
            console.print(shown)
    else:
        console.file.write("".join(f"{line}\n" for block in blocks for line in plain(block)))


def plain(block: Block) -> list[str]:
    """The block's lines, whatever the width of a terminal."""
    if isinstance(block, Line):
        return [block.text]
    names = tuple(column.name for column in block.columns)
    full = [row.cells for row in block.rows if len(row.cells) > 1]
    widths = [max(len(row[number]) for row in [names, *full]) for number in range(len(names))]

    def line(cells: Sequence[str]) -> str:
        if len(cells) == 1:
            return cells[0]
        padded = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(cells, widths, block.columns, strict=True)
            if not column.decoration
        )
        return GAP.join(padded).rstrip()

    return [line(cells) for cells in (names, *(row.cells for row in block.rows)) if any(cells)]


def rich_table(table: Table) -> RichTable:
    """The table for a terminal."""
    full = [row.cells for row in table.rows if len(row.cells) > 1]
    shown = [
        number
        for number, column in enumerate(table.columns)
        if column.hide is None or any(cells[number] != column.hide for cells in full)
    ]
    header = any(column.name for column in table.columns)
    made = RichTable(box=SIMPLE_HEAD, show_header=header, pad_edge=False)
    for number in shown:
        column = table.columns[number]
        made.add_column(
            Text(column.name),
            justify="right" if column.right else "left",
            no_wrap=not column.folds,
            overflow="fold",
        )
    for row in table.rows:
        if len(row.cells) == 1:
            made.add_row(Text(row.cells[0], "bold"))
        else:
            made.add_row(*(Text(row.cells[number], row.style) for number in shown))
    return made
