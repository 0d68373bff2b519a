"""The replication table: ours beside the authors', and a dash with a reason where there is none."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pytest

from analysis_support import decay, results_of, write_config, write_run
from redrop.analysis.build import find_reported
from redrop.analysis.study_results import StudyResults
from redrop.analysis.table import Table
from redrop.analysis.tables import replication
from redrop.record import DIVERGED
from support import PROJECT, STUDY, spec_of

DASH = "—"
DIFFERENCE = "Ours - authors'"


def build(folder: Path, wanted: set[str] | None = None, protocols: list[str] | None = None) -> Table:
    return replication.build(StudyResults(results_of(folder, wanted), STUDY, find_reported(STUDY), protocols))


def cells(table: Table, config: str) -> dict[str, str]:
    (row,) = table.frame.index[table.frame["Configuration"] == config]
    return table.frame.loc[row].to_dict()


def notes(table: Table, config: str, column: str) -> list[str]:
    (row,) = table.frame.index[table.frame["Configuration"] == config]
    (cell,) = (cell for cell in table.rows[row][1] if cell.column == column)
    return [table.footnotes[number - 1] for number in cell.notes]


def test_mean_deviation_n_and_difference(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r025", {1: 1.55, 2: 1.56, 3: 1.57})
    table = build(tmp_path)
    row = cells(table, "a2r025")
    assert (row["n"], row["Last"], row["Best"]) == ("3", "1.5600 ± 0.0100", "1.5600 ± 0.0100")
    assert (row["Authors' last"], row[DIFFERENCE]) == ("1.5560", "+0.0040")
    assert (row["Iterations"], row["Iteration of best"], row["Skip-1"]) == ("50,000", "50,000", "0.025")
    assert (row["Skip-2"], row["Attn/MLP"], row["Stream"]) == ("none", "0.2", "normalised")
    raw = table.raw.set_index("config").loc["a2r025"]
    assert raw["difference"] == pytest.approx(1.56 - 1.5560)
    assert raw["val_loss_last_sd"] == pytest.approx(0.01)


def test_a_lower_loss_has_a_real_minus(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r025", {1: 1.5460})
    row = cells(build(tmp_path), "a2r025")
    assert (row["Last"], row[DIFFERENCE]) == ("1.5460", "−0.0100")


def test_a_missing_run_is_a_dash_with_a_reason(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r025", {1: 1.55})
    table = build(tmp_path)
    row = cells(table, "a2r05")
    assert [row[name] for name in ("n", "Last", "Best", "Iteration of best", DIFFERENCE)] == [DASH] * 5
    assert row["Authors' last"] == "1.5695"
    assert notes(table, "a2r05", "Last") == ["No run of this configuration is finished."]
    assert "no run of ours" in notes(table, "a2r05", DIFFERENCE)[0]
    assert notes(table, "a2r025", "Last") == []


def test_without_any_run_every_row_is_there(tmp_path: Path) -> None:
    table = build(tmp_path)
    rows = sum(len(protocol.rows) for protocol in STUDY.protocols.values())
    assert len(table.frame) == rows
    assert set(table.frame["Last"]) == {DASH}
    assert table.raw["val_loss_last_mean"].isna().all()


def test_fewer_seeds_than_asked_for_are_said(tmp_path: Path) -> None:
    there = write_config(tmp_path, "a2r025", {1: 1.55, 2: 1.56})
    table = build(tmp_path, {*there, spec_of("a2r025", seed=3).run})
    assert notes(table, "a2r025", "Last") == ["1 of the 3 runs asked for are missing."]


def test_a_row_behind_a_tag_says_which(tmp_path: Path) -> None:
    (there,) = write_config(tmp_path, "skip1-0", {1: 1.55}, "matched")
    table = build(tmp_path, {there})
    assert "the tag large" in notes(table, "deep-skip1-0", "Last")[0]


def test_diverged_seeds_are_counted_and_averaged_over(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r5", {1: 2.8, 2: 2.9})
    write_run(tmp_path, spec_of("a2r5", seed=3), [4.2, 3.0, None], None, DIVERGED)
    write_run(tmp_path, spec_of("a2r2", seed=1), [4.2, 3.0, None], None, DIVERGED)
    table = build(tmp_path)
    assert (cells(table, "a2r5")["n"], cells(table, "a2r5")["Last"]) == ("2", "2.8500 ± 0.0707")
    assert notes(table, "a2r5", "Last") == ["1 of 3 runs diverged (seed 3); the cells average the others."]
    assert (cells(table, "a2r2")["Last"], cells(table, "a2r2")[DIFFERENCE]) == (DASH, DASH)
    assert "nothing to average" in notes(table, "a2r2", "Last")[0]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"schedule__iterations": 300}, "with schedule.iterations 300"),
        ({"model__n_embd": 64}, "with model.n_embd 64"),
    ],
)
def test_another_size_takes_no_difference(tmp_path: Path, settings: dict[str, int], reason: str) -> None:
    write_config(tmp_path, "a2r025", {1: 1.55}, **settings)
    table = build(tmp_path)
    assert cells(table, "a2r025")[DIFFERENCE] == DASH
    assert reason in notes(table, "a2r025", DIFFERENCE)[0]
    raw = table.raw.set_index("config").loc["a2r025"]
    assert not raw["comparable"]
    assert math.isnan(raw["difference"])


def test_another_corpus_takes_no_difference(tmp_path: Path) -> None:
    spec = type(spec_of("a2r025")).from_dict(
        spec_of("a2r025").to_dict() | {"data": {"corpus": "python_docs"}}
    )
    write_run(tmp_path, spec, decay(1.55))
    table = build(tmp_path)
    assert cells(table, "a2r025")[DIFFERENCE] == DASH
    assert "run on python_docs" in notes(table, "a2r025", DIFFERENCE)[0]


def test_how_often_was_looked_does_not_matter(tmp_path: Path) -> None:
    write_config(tmp_path, "res1-0", {1: 1.9}, "notebook", evaluation__every=250)
    assert cells(build(tmp_path), "res1-0")[DIFFERENCE] == "+0.0022"


def test_a_run_of_no_row_is_shown_and_said(tmp_path: Path) -> None:
    values = spec_of("a2r025").to_dict() | {"config": "a2r03"}
    write_run(tmp_path, type(spec_of("a2r025")).from_dict(values), decay(1.5))
    table = build(tmp_path)
    assert cells(table, "a2r03")["Last"] == "1.5000"
    assert notes(table, "a2r03", "Last") == ["Not a row of the study file (any more)."]


def test_the_authors_column_is_their_file(tmp_path: Path) -> None:
    table = build(tmp_path, protocols=["authors", "notebook", "matched"])
    with (PROJECT / "config/reported/residual.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "val_loss_last"]
    assert len(rows) == 32
    for row in rows:
        assert cells(table, row["config"])["Authors' last"] == row["value"]
    assert cells(table, "skip1-0")["Authors' last"] == DASH


def test_a_protocol_asked_for_without_any_run_has_its_section_of_dashes(tmp_path: Path) -> None:
    write_config(tmp_path, "res1-0", {1: 1.9}, "notebook")
    asked = {"authors": ["python_docs"], "notebook": ["tiny_shakespeare"]}
    table = replication.build(StudyResults(results_of(tmp_path), STUDY, find_reported(STUDY), asked))
    heads = [section.split(":")[0] for section in dict.fromkeys(heading for heading, _ in table.rows)]
    assert heads == ["authors, python_docs", "notebook, tiny_shakespeare"]
    assert cells(table, "a2r025")["Last"] == DASH
    assert cells(table, "res1-0")["Last"] == "1.9000"
