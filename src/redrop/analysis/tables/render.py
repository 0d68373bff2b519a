"""Write a table as csv (raw numbers), html (a page of its own), tex (booktabs) and md."""

from __future__ import annotations

import html
from itertools import groupby
from pathlib import Path

from redrop.analysis.summary import DASH, MINUS
from redrop.analysis.tables.table import Table
from redrop.record import write_text

LONG = 40
"""A LaTeX table with more rows than this breaks over pages."""

CSS = """
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #fdfdfc; --line: #c9c9c4; --soft:
#f1f0ec; --dim: #55554f; --warn: #8a2c00; --warn-paper: #fff1e6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --paper: #191a1c; --line: #45464a;
  --soft: #242528; --dim: #b0aea8; --warn: #ffb58a; --warn-paper: #3a2317; } }
body { margin: 2rem auto; max-width: 84rem; padding: 0 1rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .5rem; }
.label { border: 2px solid var(--warn); border-radius: .3rem; padding: .4rem .8rem; margin: 0 0
1rem; color: var(--warn); background: var(--warn-paper); font-weight: 700; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; padding-top: .8rem; color: var(--dim);
  max-width: 60rem; }
thead th { border-top: 2px solid var(--ink); border-bottom: 1px solid var(--ink);
  vertical-align: bottom; }
th, td { padding: .22rem .7rem; text-align: right; white-space: nowrap; }
th.text, td.text { text-align: left; }
td.wrap { white-space: normal; min-width: 9rem; max-width: 26rem; }
tbody tr:nth-child(even) td { background: var(--soft); }
tbody th { text-align: left; padding-top: .9rem; border-bottom: 1px solid var(--line);
  white-space: normal; }
tbody:last-child tr:last-child td { border-bottom: 2px solid var(--ink); }
sup { line-height: 0; color: var(--dim); }
ol { font-size: .85rem; color: var(--dim); max-width: 60rem; }
"""

WRAP = 30
"""A word column with cells longer than this wraps in html and tex."""


def write_table(table: Table, folder: Path, label: str | None) -> list[Path]:
    """Write ``<folder>/<name>.{csv,html,tex,md}``; ``label`` marks what is not a real result."""
    texts = {
        "csv": to_csv(table, label),
        "html": to_html(table, label),
        "tex": to_tex(table, label),
        "md": to_md(table, label),
    }
    paths = []
    for suffix, text in texts.items():
        path = Path(folder) / f"{table.name}.{suffix}"
        write_text(path, text)
        paths.append(path)
    return paths


def to_csv(table: Table, label: str | None) -> str:
    """The raw frame in full precision; a label becomes a column, so that every row carries it."""
    raw = table.raw if label is None else table.raw.assign(label=label)
    return raw.to_csv(index=False, lineterminator="\n")


def to_html(table: Table, label: str | None) -> str:
    """A complete page that needs nothing else."""
    escape = html.escape
    wide = _wide(table)
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(table.title if label is None else f'{label}. {table.title}')}</title>",
        f"<style>{CSS}</style></head>",
        "<body>",
        f"<h1>{escape(table.title)}</h1>",
    ]
    if label is not None:
        lines.append(f'<p class="label" role="note">{escape(label)}</p>')
    lines.append('<div class="scroll" tabindex="0">')
    lines.append(f"<table>\n<caption>{escape(table.caption)}</caption>\n<thead><tr>")
    for column in table.frame.columns:
        kind = ' class="text"' if column in table.text_columns else ""
        lines.append(f'<th scope="col"{kind}>{escape(_pretty(column))}</th>')
    lines.append("</tr></thead>")
    for section, rows in _by_section(table):
        lines.append("<tbody>")
        if section:
            width = len(table.frame.columns)
            lines.append(f'<tr><th colspan="{width}" scope="rowgroup">{escape(section)}</th></tr>')
        for row in rows:
            cells = []
            for column, text in zip(table.frame.columns, table.frame.iloc[row], strict=True):
                classes = [
                    *(["text"] if column in table.text_columns else []),
                    *(["wrap"] if column in wide else []),
                ]
                kind = f' class="{" ".join(classes)}"' if classes else ""
                marks = ",".join(map(str, table.marks.get((row, column), ())))
                cells.append(f"<td{kind}>{escape(text)}{f'<sup>{marks}</sup>' if marks else ''}</td>")
            lines.append(f"<tr>{''.join(cells)}</tr>")
        lines.append("</tbody>")
    lines.append("</table></div>")
    if table.footnotes:
        notes = "".join(f"<li>{escape(note)}</li>" for note in table.footnotes)
        lines.append(f"<ol>{notes}</ol>")
    return "\n".join([*lines, "</body></html>", ""])


def to_md(table: Table, label: str | None) -> str:
    """A Markdown table for each section."""

    def clean(text: str) -> str:
        for character in "\\|*`<":
            text = text.replace(character, "\\" + character)
        return " ".join(text.split())

    lines = [f"## {clean(table.title)}", ""]
    if label is not None:
        lines += [f"**{clean(label)}**", ""]
    columns = list(table.frame.columns)
    rule = ["---" if column in table.text_columns else "---:" for column in columns]
    for section, rows in _by_section(table):
        if section:
            lines += [f"### {clean(section)}", ""]
        lines.append(f"| {' | '.join(clean(_pretty(column)) for column in columns)} |")
        lines.append(f"| {' | '.join(rule)} |")
        for row in rows:
            cells = []
            for column, text in zip(columns, table.frame.iloc[row], strict=True):
                marks = ",".join(map(str, table.marks.get((row, column), ())))
                cells.append(clean(text) + (f"<sup>{marks}</sup>" if marks else ""))
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    lines += [clean(table.caption), ""]
    lines += [f"{number}. {clean(note)}" for number, note in enumerate(table.footnotes, 1)]
    return "\n".join(lines).rstrip() + "\n"


def to_tex(table: Table, label: str | None) -> str:
    """A floating table with booktabs rules, or a longtable for many rows, for a document to input."""
    columns = list(table.frame.columns)
    wide = _wide(table)
    widths = dict.fromkeys(wide, "p{0.22\\linewidth}")
    kinds = [widths.get(c, "l" if c in table.text_columns else "r") for c in columns]
    head = " & ".join(_tex(_pretty(column)) for column in columns) + r" \\"
    caption = _tex(table.caption) if label is None else rf"\textbf{{{_tex(label)}.}} {_tex(table.caption)}"
    body = []
    for index, (section, rows) in enumerate(_by_section(table)):
        if section:
            body += [r"\addlinespace"] if index else []
            body.append(rf"\multicolumn{{{len(columns)}}}{{l}}{{\textit{{{_tex(section)}}}}} \\")
        for row in rows:
            cells = []
            for column, text in zip(columns, table.frame.iloc[row], strict=True):
                marks = ",".join(map(str, table.marks.get((row, column), ())))
                cells.append(_tex(text) + (rf"\textsuperscript{{{marks}}}" if marks else ""))
            body.append(" & ".join(cells) + r" \\")
    notes = [rf"\textsuperscript{{{number}}} {_tex(note)}" for number, note in enumerate(table.footnotes, 1)]
    comment = f"% {table.title}; needs booktabs"
    name = rf"\label{{tab:{table.name}}}"
    if len(body) > LONG:
        lines = [
            f"{comment} and longtable",
            rf"{{\footnotesize\begin{{longtable}}{{{''.join(kinds)}}}",
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
            rf"\begin{{tabular}}{{{''.join(kinds)}}}",
            *[r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}"],
            *[rf"\par\raggedright {note}" for note in notes],
            r"\end{table*}",
        ]
    return "\n".join(lines) + "\n"


def _by_section(table: Table) -> list[tuple[str, list[int]]]:
    rows = range(len(table.frame))
    return [(name, list(part)) for name, part in groupby(rows, key=lambda row: table.sections[row])]


def _wide(table: Table) -> set[str]:
    """Word columns that need wrapping."""
    longest = {column: max(map(len, table.frame[column]), default=0) for column in table.text_columns}
    return {column for column, length in longest.items() if length > WRAP}


def _pretty(column: str) -> str:
    """A column's name with the apostrophe and minus of print."""
    return column.replace(" - ", f" {MINUS} ").replace("'", "\N{RIGHT SINGLE QUOTATION MARK}")


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


def _tex(text: str) -> str:
    """Text as LaTeX."""
    return "".join(TEX.get(character, character) for character in text)
