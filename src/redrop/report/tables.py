"""A study's tables as the page shows them, each with the csv file that holds its numbers."""

from __future__ import annotations

from dataclasses import dataclass

from redrop.analysis.build import find_reported
from redrop.analysis.registry import build_table, table_module
from redrop.analysis.study_results import StudyResults
from redrop.analysis.table import Table
from redrop.analysis.table_files import to_csv
from redrop.report.folder import ResultsFolder
from redrop.report.study_views import View


@dataclass(frozen=True)
class ShownTable:
    """A table for the page."""

    anchor: str
    table: Table
    label: str | None
    section: str
    """Of the page: ``results``, ``settings``, ``cost`` or ``failures``."""
    order: int
    """Its place among the tables of a section, from the top."""
    csv: str
    """The file with its numbers in full precision, from the results folder on."""
    is_there: bool
    """Whether that file lies there and holds these numbers."""
    command: str
    """Writes it."""


def shown_tables(folder: ResultsFolder, view: View, write_command: str) -> list[ShownTable]:
    """Every table of a view, made of the runs that there are."""
    data = StudyResults(view.results, view.study, find_reported(view.study, None), view.protocols)
    found = []
    for name in view.study.tables:
        table, module = build_table(name, data), table_module(name)
        path = view.place / "tables" / f"{name}.csv"
        found.append(
            ShownTable(
                f"table-{view.study.part}-{name}",
                table,
                view.label,
                getattr(module, "SECTION", "results"),
                module.ORDER,
                folder.relative(path),
                path.exists() and path.read_text(encoding="utf-8") == to_csv(table, view.label),
                write_command,
            )
        )
    return found
