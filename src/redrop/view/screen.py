"""Text and tables, for a terminal (with rich) or for a pipe: plain, aligned, never wrapped, no colour."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

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
    """The column is left out where all cells are this."""


@dataclass(frozen=True)
class Line:
    """A paragraph; spaces that it begins with indent all of it."""

    text: str
    style: str = ""
    whole: bool = False
    """Whether no line break is put into it, so that it can be copied: a command."""


@dataclass
class Table:
    """Columns, and rows with a style of rich's; a row of one cell is a heading of those that follow."""

    columns: Sequence[Column]
    rows: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def row(self, *cells: object, style: str = "") -> None:
        """Add a row."""
        self.rows.append((tuple(map(str, cells)), style or ("bold" if len(cells) == 1 else "")))

    def grid(self, shown: Sequence[int]) -> RichTable:
        """These columns of it."""
        names = [column.name for column in self.columns]
        grid = RichTable(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=any(names))
        grid.header_style = "dim"
        for number in shown:
            column = self.columns[number]
            cells = [names[number], *(cells[number] for cells, _ in self.rows if number < len(cells))]
            grid.add_column(
                column.name,
                justify="right" if column.right else "left",
                min_width=None if column.folds else max(map(cell_len, cells)),
                no_wrap=not column.folds,
                overflow="fold",
            )
        for cells, style in self.rows:
            grid.add_row(*(Text(cells[number], style) for number in shown if number < len(cells)))
        return grid


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
        _print(console, block)
    return "".join(f"{line.rstrip()}\n" for line in sink.getvalue().split("\n")[:-1])


def _print(console: Console, block: Block) -> None:
    if isinstance(block, Table):
        _print_table(console, block)
        return
    text = block.text.removeprefix("\n")
    if text != block.text or not text:
        console.print()
    if block.whole:
        console.print(Text(text, block.style), soft_wrap=True)
    elif text:
        bare = text.lstrip(" ")
        console.print(Padding(Text(bare, block.style), (0, 0, 0, len(text) - len(bare)), expand=False))


def _print_table(console: Console, table: Table) -> None:
    """Where there is little room, without the columns that are not worth it, the last of them first."""
    full, columns = [cells for cells, _ in table.rows if len(cells) > 1], enumerate(table.columns)
    shown = [n for n, column in columns if any(cells[n] != column.hide for cells in full) or not full]
    spare, left_out = [number for number in shown if table.columns[number].spare], []
    endless = console.options.update(width=ENDLESS)
    while spare and Measurement.get(console, endless, table.grid(shown)).minimum > console.width:
        left_out.insert(0, table.columns[spare[-1]].name)
        shown.remove(spare.pop())
    console.print(table.grid(shown))
    if any(left_out):
        names = ", ".join(filter(None, left_out))
        console.print(Text(f"(left out for want of width: {names})", "dim"))
