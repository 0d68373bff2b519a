"""Text and tables, for a terminal (with rich) or for a pipe: plain, aligned, never wrapped, no colour."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

GAP = "  "
FEWEST = 12
"""Characters of a column that folds, at least."""
ENDLESS = 100_000
"""Characters of a line that is not broken."""


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    name: str
    right: bool = False
    """Whether it is set flush right, as numbers are."""
    folds: bool = False
    """Whether a narrow terminal may break its text."""
    spare: bool = False
    """Whether a terminal leaves it out, and says so, where it has too little room."""
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
    """A paragraph; spaces that it begins with indent all of it."""

    text: str
    style: str = ""
    whole: bool = False
    """Whether no line break is put into it, so that it can be copied: a command."""


@dataclass
class Table:
    """Columns and rows; a row of one cell is a heading of those that follow."""

    columns: Sequence[Column]
    rows: list[Row] = field(default_factory=list)

    def row(self, *cells: object, style: str = "") -> None:
        """Add a row."""
        self.rows.append(Row(tuple(map(str, cells)), style))


Block = Line | Table


def display(blocks: Iterable[Block], console: Console | None = None) -> None:
    """Print the blocks to standard output, or to ``console``."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.file.write(plain(blocks))
        return
    for block in blocks:
        _print(console, block)


def plain(blocks: Iterable[Block]) -> str:
    """The blocks as text, whatever the width of a terminal."""
    sink = io.StringIO()
    console = Console(file=sink, width=ENDLESS, color_system=None, highlight=False)
    for block in blocks:
        _print(console, block, everything=True)
    return "".join(f"{line.rstrip()}\n" for line in sink.getvalue().split("\n")[:-1])


def _print(console: Console, block: Block, everything: bool = False) -> None:
    if isinstance(block, Table):
        _print_table(console, block, everything)
        return
    text = block.text.removeprefix("\n")
    if text != block.text or not text:
        console.print()
    if block.whole:
        console.print(Text(text, block.style), soft_wrap=True)
    elif text:
        bare = text.lstrip(" ")
        console.print(Padding(Text(bare, block.style), (0, 0, 0, len(text) - len(bare)), expand=False))


def _print_table(console: Console, table: Table, everything: bool) -> None:
    """Headings over the whole width; on a terminal without the columns that are not worth their place."""
    columns = table.columns
    full = [row.cells for row in table.rows if len(row.cells) > 1]
    shown = [
        number
        for number, column in enumerate(columns)
        if not (column.decoration if everything else all(cells[number] == column.hide for cells in full))
    ]
    names = [column.name for column in columns]
    natural = {number: max(cell_len(cells[number]) for cells in [names, *full]) for number in shown}
    widths = {number: natural[number] for number in shown if not columns[number].spare}
    for number in (number for number in shown if columns[number].spare):
        least = min(FEWEST, natural[number]) if columns[number].folds else natural[number]
        if _total(widths) + len(GAP) + least <= console.width:
            widths[number] = natural[number]
    _shrink(widths, [number for number in widths if columns[number].folds], console.width)
    made = [Row(tuple(names), "dim"), *table.rows] if any(names) else table.rows
    for heading, rows in itertools.groupby(made, lambda row: len(row.cells) == 1):
        part = _grid([(widths[number], columns[number].right) for number in sorted(widths)])
        for row in rows:
            if heading:
                console.print(Text(row.cells[0], row.style or "bold"))
            else:
                part.add_row(*(Text(row.cells[number], row.style) for number in sorted(widths)))
        if not heading:
            console.print(part)
    left_out = [names[number] for number in shown if number not in widths and names[number]]
    if left_out:
        console.print(Text(f"(left out for want of width: {', '.join(left_out)})", "dim"))


def _grid(columns: Sequence[tuple[int, bool]]) -> RichTable:
    grid = RichTable.grid(padding=(0, len(GAP), 0, 0))
    for width, right in columns:
        grid.add_column(width=width, justify="right" if right else "left", overflow="fold")
    return grid


def _total(widths: dict[int, int]) -> int:
    return sum(widths.values()) + len(GAP) * (len(widths) - 1)


def _shrink(widths: dict[int, int], folding: Sequence[int], available: int) -> None:
    """Take what is too much from the widest column that folds, again and again."""
    while _total(widths) > available:
        widest = max(folding, key=lambda number: widths[number], default=None)
        if widest is None or widths[widest] <= FEWEST:
            return
        widths[widest] -= 1
