"""Write a table as csv (raw numbers), html (a page of its own), tex (booktabs) and md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from redrop.analysis.summary import DASH, MINUS
from redrop.analysis.table import Table
from redrop.record import write_text

TEX = {
    **{character: "\\" + character for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "|": r"\textbar{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    DASH: "---",
    MINUS: "$-$",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
}
MD = {character: "\\" + character for character in "\\|*`<"}
"""Character -> what stands for it."""


def write_table(table: Table, folder: Path, label: str | None) -> list[Path]:
    """Write ``<folder>/<name>.{csv,html,tex,md}``; ``label`` marks what is not a real result."""
    paths = []
    for suffix, to_text in {"csv": to_csv, "html": to_html, "tex": to_tex, "md": to_md}.items():
        path = Path(folder) / f"{table.name}.{suffix}"
        write_text(path, to_text(table, label))
        paths.append(path)
    return paths


def to_csv(table: Table, label: str | None) -> str:
    """The raw frame in full precision; a label becomes a column, so that every row carries it."""
    raw = table.raw if label is None else table.raw.assign(label=label)
    return raw.to_csv(index=False, lineterminator="\n")


def to_html(table: Table, label: str | None) -> str:
    """A complete page that needs nothing else."""
    return _filled("html", table, label, autoescape=True)


def to_md(table: Table, label: str | None) -> str:
    """A Markdown table for each section."""
    text = _filled("md", table, label, lambda text: " ".join(text.translate(str.maketrans(MD)).split()))
    return text.rstrip() + "\n"


def to_tex(table: Table, label: str | None) -> str:
    """A floating table, or a longtable for many rows, for a document to input."""
    marks = {"variable_start_string": "<<", "variable_end_string": ">>"}
    return _filled("tex", table, label, lambda text: text.translate(str.maketrans(TEX)), **marks)


def _filled(
    suffix: str, table: Table, label: str | None, escaped: Callable[[str], str] = str, **options: Any
) -> str:
    """The template of a format, filled; ``escaped``: how it writes a text."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("redrop.analysis", ""),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters |= {"print": _pretty, "escaped": escaped}
    return environment.get_template(f"table.{suffix}.jinja").render(table=table, label=label)


def _pretty(column: str) -> str:
    """A column's name with the apostrophe and minus of print."""
    return column.replace(" - ", f" {MINUS} ").replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")
