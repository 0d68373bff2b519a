"""The league: gains over plain training at equal updates and at equal compute, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis_support import decay, write_run
from redrop.analysis.build import load
from redrop.analysis.figures import league as figure
from redrop.analysis.league import League, leagues
from redrop.analysis.plotting import style
from redrop.analysis.study_results import StudyResults
from redrop.analysis.tables import league as table
from redrop.study import load_part, make_spec

CORPUS = "tiny_shakespeare_tenth"
LOSSES = {
    "plain": [1.90, 1.92, 1.91],
    "plain-2x": [1.88, 1.91, 1.89],
    "dropout": [1.80, 1.82, 1.81],
    "rdrop": [1.85, 1.86, 1.87],  # two passes an update
    "plain-short": [1.95, 1.97, 1.96],
}


@pytest.fixture(scope="module")
def data(project: Path, tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    """Five methods of the decoder, three seeds each."""
    folder, study = tmp_path_factory.mktemp("league"), load_part("methods", project)
    for config, losses in LOSSES.items():
        for seed, loss in enumerate(losses, 1):
            write_run(folder, make_spec(study, "decoder", config, CORPUS, seed, {}), decay(loss))
    return StudyResults(load(folder, None, "methods"), study, protocols={"decoder": [CORPUS]})


@pytest.fixture(scope="module")
def found(data: StudyResults) -> League:
    (league,) = leagues(data)
    return league


def test_methods_stand_in_the_order_of_their_gain(found: League) -> None:
    assert found.plain.config == "plain"
    run = [one for one in found.entries if one.equal_updates.n]
    assert [one.config for one in run] == ["dropout", "rdrop", "plain-short"]
    gains = [one.equal_updates.mean for one in run]
    assert gains == pytest.approx([0.10, 0.05, -0.05])
    low, high = run[0].equal_updates.interval()
    assert 0.0 < low < 0.10 < high


def test_two_passes_compete_with_plain_training_of_twice_the_updates(found: League) -> None:
    by_name = {one.config: one for one in found.entries}
    rdrop = by_name["rdrop"]
    assert rdrop.passes == 2
    differences = [longer - own for longer, own in zip(LOSSES["plain-2x"], LOSSES["rdrop"], strict=True)]
    assert rdrop.equal_compute.differences == pytest.approx(differences)
    assert by_name["dropout"].equal_compute.mean == pytest.approx(0.10)  # of one pass: plain itself
    assert by_name["plain-2x"].equal_updates.n == 0
    assert by_name["plain-short"].equal_compute.n == 0


def test_the_table_has_every_row_and_says_what_is_missing(data: StudyResults) -> None:
    made = table.build(data)
    frame = made.frame.set_index("Method")
    assert frame.index[:3].tolist() == ["plain", "dropout", "rdrop"]
    assert frame.loc["dropout", "Verdict"] == "supported"
    assert frame.loc["plain-short", "Verdict"] == "contradicted"
    assert frame.loc["plain", "Last"] == "1.9100 ± 0.0100"
    assert set(frame.index) == set(LOSSES)


def test_the_figure_draws_both_budgets(data: StudyResults) -> None:
    with style.applied():
        drawing = figure.draw(data)
    rows = {(row["config"], row["budget"]): row["gain"] for row in drawing.rows}
    assert rows["rdrop", "equal updates"] == pytest.approx(0.05)
    assert rows["rdrop", "equal compute"] == pytest.approx(0.1 / 3)
    assert "n = 3" in drawing.caption


def test_nothing_run_is_an_empty_figure_not_an_error(data: StudyResults, tmp_path: Path) -> None:
    nothing = StudyResults(load(tmp_path, None, "methods"), data.study, protocols={"decoder": [CORPUS]})
    with style.applied():
        assert "no method was run" in figure.draw(nothing).caption
