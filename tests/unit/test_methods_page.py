"""docs/methods.md has every optimiser, dropout schedule and method, with the sources that its file names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from redrop.dropout_schedules import DROPOUT_SCHEDULES
from redrop.kinds import KINDS
from redrop.methods import METHODS
from redrop.optimisers import OPTIMISERS
from redrop.registry import Registry

TABLES: dict[str, Registry] = {
    "Dropout schedules": DROPOUT_SCHEDULES,
    "Optimisers": OPTIMISERS,
    "Methods of the objective": METHODS,
}
ARXIV = re.compile(r"\b\d{4}\.\d{5}\b")


def table(page: str, heading: str) -> dict[str, dict[str, str]]:
    """Name -> its row, by column."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    columns, _, *rest = [[cell.strip() for cell in row] for row in rows]
    return {row[0].strip("`"): dict(zip(columns, row, strict=True)) for row in rest}


@pytest.fixture(scope="module")
def page(project: Path) -> str:
    return (project / "docs/methods.md").read_text()


@pytest.mark.parametrize("heading", TABLES)
def test_every_file_has_its_row_and_its_sources(heading: str, page: str) -> None:
    registry, rows = TABLES[heading], table(page, heading)
    assert list(rows) == sorted(registry)
    for name, row in rows.items():
        assert set(ARXIV.findall(row["source (arXiv)"])) == set(ARXIV.findall(registry[name].__doc__)), name
        assert bool(row["how sure"]) is (name not in ("ce", "constant"))
    assert f"[src/{registry.package.replace('.', '/')}]" in page


def test_what_packs_take_and_which_models_have_what_a_method_needs(page: str) -> None:
    for name, row in table(page, "Optimisers").items():
        assert row["packed"] == ("yes" if hasattr(OPTIMISERS[name], "MOMENTS") else "no")
    for name, row in table(page, "Methods of the objective").items():
        module = METHODS[name]
        needs, weights = (set(getattr(module, what, ())) for what in ("NEEDS", "WEIGHTS"))
        kinds = {key: entry.KIND for key, entry in KINDS.items()}
        able = [
            key
            for key, kind in kinds.items()
            if needs <= set(kind.sites)
            and weights <= set(kind.weights)
            and kind.reads in getattr(module, "READS", (kind.reads,))
        ]
        assert row["models"].split(", ") == sorted(able), name
