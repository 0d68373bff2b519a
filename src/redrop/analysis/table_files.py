"""Write a table as csv (raw numbers), html (a page of its own), tex (booktabs) and md."""

from __future__ import annotations

from pathlib import Path

from redrop.analysis.summary import DASH, MINUS
from redrop.analysis.table import Cell, Table
from redrop.record import write_text

LONG = 40
"""A LaTeX table with more rows than this breaks over pages."""


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
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("redrop.analysis", ""),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["print"] = _pretty
    return environment.get_template("table.html.jinja").render(table=table, label=label)


def to_md(table: Table, label: str | None) -> str:
    """A Markdown table for each section."""

    def clean(text: str) -> str:
        for character in "\\|*`<":
            text = text.replace(character, "\\" + character)
        return " ".join(text.split())

    def cell(one: Cell) -> str:
        return clean(one.text) + (f"<sup>{','.join(map(str, one.notes))}</sup>" if one.notes else "")

    def line(cells: list[str]) -> str:
        return f"| {' | '.join(cells)} |"

    lines = [f"## {clean(table.title)}", ""]
    if label is not None:
        lines += [f"**{clean(label)}**", ""]
    head = [
        line([clean(_pretty(column)) for column in table.columns]),
        line(["---" if column in table.text_columns else "---:" for column in table.columns]),
    ]
    for heading, rows in table.by_section():
        lines += [f"### {clean(heading)}", ""] if heading else []
        lines += [*head, *(line([cell(one) for one in row]) for row in rows), ""]
    lines += [clean(table.caption), ""]
    lines += [f"{number}. {clean(note)}" for number, note in enumerate(table.footnotes, 1)]
    return "\n".join(lines).rstrip() + "\n"


def to_tex(table: Table, label: str | None) -> str:
    """A floating table with booktabs rules, or a longtable for many rows, for a document to input."""

    def note_mark(numbers: object) -> str:
        return rf"\textsuperscript{{{numbers}}}"

    def cell(one: Cell) -> str:
        return _tex(one.text) + (note_mark(",".join(map(str, one.notes))) if one.notes else "")

    columns, widths = table.columns, dict.fromkeys(table.wide, "p{0.22\\linewidth}")
    kinds = "".join(widths.get(c, "l" if c in table.text_columns else "r") for c in columns)
    head = " & ".join(_tex(_pretty(column)) for column in columns) + r" \\"
    caption = _tex(table.caption) if label is None else rf"\textbf{{{_tex(label)}.}} {_tex(table.caption)}"
    body = []
    for index, (heading, rows) in enumerate(table.by_section()):
        if heading:
            body += [r"\addlinespace"] if index else []
            body.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{\textit{{{_tex(heading)}}}}} \\")
        body += [" & ".join(map(cell, row)) + r" \\" for row in rows]
    notes = [f"{note_mark(number)} {_tex(note)}" for number, note in enumerate(table.footnotes, 1)]
    comment = f"% {table.title}; needs booktabs"
    name = rf"\label{{tab:{table.name}}}"
    if len(body) > LONG:
        lines = [
            f"{comment} and longtable",
            rf"{{\footnotesize\begin{{longtable}}{{{kinds}}}",
            rf"\caption{{{caption}}}{name}\\",
            *[r"\toprule", head, r"\midrule", r"\endfirsthead"],
            *[r"\toprule", head, r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"],
            *body,
            r"\end{longtable}",
            *[rf"\par\noindent {note}" for note in notes],
            "}",
        ]
    else:
        lines = [
            comment,
            r"\begin{table*}\centering\footnotesize",
            rf"\caption{{{caption}}}{name}",
            rf"\begin{{tabular}}{{{kinds}}}",
            *[r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"],
            *[rf"\par\raggedright {note}" for note in notes],
            r"\end{table*}",
        ]
    return "\n".join(lines) + "\n"


def _pretty(column: str) -> str:
    """A column's name with the apostrophe and minus of print."""
    return column.replace(" - ", f" {MINUS} ").replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")


TEX = str.maketrans(
    {
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
)


def _tex(text: str) -> str:
    """Text as LaTeX."""
    return text.translate(TEX)
