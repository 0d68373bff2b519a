"""A study's tables as the page shows them, each with the csv file that holds its numbers."""

from __future__ import annotations

from typing import Any

from redrop.analysis.build import find_reported
from redrop.analysis.registry import build_table, module_of
from redrop.analysis.study_results import StudyResults
from redrop.analysis.table_files import to_csv
from redrop.report.folder import ResultsFolder
from redrop.report.study_views import View


def shown_tables(folder: ResultsFolder, view: View, command: str) -> list[dict[str, Any]]:
    """Every table of a view, made of the runs that there are, in the order in which they are shown.

    ``section``: of the page (``results``, ``settings``, ``cost``, ``failures``); ``csv``: the file with its
    numbers, from the results folder on; ``is_there``: whether it lies there and holds these numbers;
    ``command``: writes it.
    """
    data = StudyResults(view.results, view.study, find_reported(view.study), view.protocols)
    found = []
    modules = {name: module_of("table", name) for name in view.study.tables}
    for name, module in sorted(modules.items(), key=lambda one: one[1].ORDER):
        table, path = build_table(name, data), view.place / "tables" / f"{name}.csv"
        there = path.exists() and path.read_text(encoding="utf-8") == to_csv(table, view.label)
        found.append(
            {
                "anchor": f"table-{view.study.part}-{name}",
                "table": table,
                "label": view.label,
                "section": getattr(module, "SECTION", "results"),
                "csv": folder.relative(path),
                "is_there": there,
                "command": command,
            }
        )
    return found
