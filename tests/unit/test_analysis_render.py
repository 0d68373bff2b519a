"""One table in four formats: the same cells, nothing lost to a format's own characters."""

from __future__ import annotations

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis_support import results_of, write_config
from redrop.analysis.build import build_tables
from redrop.analysis.table import Builder, Table
from redrop.analysis.table_files import to_csv, to_html, to_md, to_tex, write_table
from support import STUDY

LABEL = "DEMO: 100% toy & <not> a result"
NASTY = r"a_b & 50% of {x} | <i> $1 #2 ~ ^ \ `c` *d*"


@pytest.fixture
def table() -> Table:
    builder = Builder(["Name", "Loss"], frozenset({"Name"}))
    builder.row("First: a & b", {"Name": NASTY, "Loss": "1.5000 ± 0.0100"}, {"loss": 1 / 3}, [])
    builder.row("First: a & b", {"Name": "none", "Loss": "—"}, {"loss": None}, [("Loss", "No run <yet>.")])
    builder.row("Second", {"Name": "again", "Loss": "—"}, {"loss": None}, [("Loss", "No run <yet>.")])
    return builder.table("losses", "Losses of a & b", "What it says, 90% of it.")


class Page(HTMLParser):
    """Collects a page's text by element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
            self.found.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.found[self.open[-1]][-1] += data


def test_the_label_is_in_all_four_formats(table: Table, tmp_path: Path) -> None:
    texts = {path.suffix: path.read_text() for path in write_table(table, tmp_path, LABEL)}
    assert LABEL in "".join(Page(texts[".html"]).found["p"])
    assert r"\textbf{DEMO: 100\% toy \& \textless{}not\textgreater{} a result.}" in texts[".tex"]
    assert r"**DEMO: 100% toy & \<not> a result**" in texts[".md"]
    assert set(pd.read_csv(io.StringIO(texts[".csv"]))["label"]) == {LABEL}


def test_without_a_label_there_is_none(table: Table) -> None:
    assert "label" not in to_csv(table, None)
    assert 'class="label"' not in to_html(table, None)
    assert r"\textbf" not in to_tex(table, None)
    assert "**" not in to_md(table, None).replace(r"\*", "")


def test_csv_has_full_precision_and_the_footnotes(table: Table) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(table, None))))
    assert float(rows[0]["loss"]) == 1 / 3
    assert [(row["loss"], row["notes"]) for row in rows[1:]] == [("", "No run <yet>.")] * 2


def test_html_reads_back(table: Table) -> None:
    page = Page(to_html(table, None)).found
    assert page["td"] == [NASTY, "1.5000 ± 0.0100", "none", "—", "again", "—"]
    assert page["sup"] == ["1", "1"]
    assert page["li"] == ["No run <yet>."]
    assert page["th"] == ["Name", "Loss", "First: a & b", "Second"]
    assert page["caption"] == [table.caption]


def md_rows(text: str) -> list[list[str]]:
    """The cells of every table line, split as GitHub does."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_markdown_reads_back(table: Table) -> None:
    rows = md_rows(to_md(table, None))
    assert {len(row) for row in rows} == {2}
    assert rows[0] == ["Name", "Loss"]
    assert rows[1] == ["---", "---:"]
    assert re.sub(r"\\([\\|*`<])", r"\1", rows[2][0]) == NASTY
    assert rows[3] == ["none", "—<sup>1</sup>"]
    assert r"1. No run \<yet>." in to_md(table, None)


def test_tex_has_no_character_that_would_break_it(table: Table) -> None:
    text = to_tex(table, None)
    (line,) = [line for line in text.splitlines() if line.startswith("a\\_b")]
    cell = line.split(" & 1.5000")[0]
    assert cell == (
        r"a\_b \& 50\% of \{x\} \textbar{} \textless{}i\textgreater{} \$1 \#2 "
        r"\textasciitilde{} \textasciicircum{} \textbackslash{} `c` *d*"
    )
    assert r"1.5000 $\pm$ 0.0100 \\" in text
    assert r"none & ---\textsuperscript{1} \\" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    body = [line for line in text.splitlines()[1:] if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body if "multicolumn" not in line} == {1}


NAMES = ("replication", "claims", "signatures", "protocol")


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    write_config(folder / "runs", "a2r025", {1: 1.5, 2: 1.6})
    write_config(folder / "runs", "skip1-0", {1: 1.55}, "matched")
    build_tables(results_of(folder / "runs"), STUDY, folder / "out", LABEL)
    return folder / "out"


def test_the_studys_own_tables_are_whole_in_every_format(tables: Path) -> None:
    names = {path.name for path in tables.iterdir()}
    assert names == {f"{name}.{suffix}" for name in NAMES for suffix in ("csv", "html", "tex", "md")}
    for name in NAMES:
        rows = md_rows((tables / f"{name}.md").read_text())
        heads = [row for row in rows if set(row) <= {"---", "---:"}]
        assert {len(row) for row in rows} == {len(rows[0])}
        n = len(rows) - 2 * len(heads)
        raw = pd.read_csv(tables / f"{name}.csv")
        page = Page((tables / f"{name}.html").read_text()).found
        assert n == len(page["td"]) // len(rows[0])
        if (
            name == "claims"
        ):  # comparisons that were not run are one line; questions of several places one more
            more = [int(row[0].split()[0]) for row in rows if "more comparison" in row[0]]
            n += sum(more) - len(more) - sum(row[0].startswith("all ") for row in rows)
        assert n == len(raw)
        assert set(raw["label"]) == {LABEL}


def test_a_table_built_twice_has_the_same_bytes(tables: Path, tmp_path: Path) -> None:
    build_tables(results_of(tables.parent / "runs"), STUDY, tmp_path, LABEL)
    for path in tables.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
