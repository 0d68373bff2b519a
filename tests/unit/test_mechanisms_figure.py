"""The figure of what is found inside: every number in its csv, nothing where nothing was measured."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from analysis_support import decay, write_run
from redrop.analysis import mechanisms
from redrop.analysis.build import build_figures, load
from redrop.analysis.figures import mechanisms as figure
from redrop.analysis.plotting import style
from redrop.analysis.study_results import StudyResults
from redrop.errors import RecordError
from redrop.evaluation import mechanisms as measured
from redrop.evaluation.mechanisms.frequency import THIRDS
from support import STUDY, spec_of


def document(scale: float, layers: int = 2) -> dict[str, object]:
    """Invented numbers."""
    places, parts = range(2 * layers + 1), range(2 * layers)
    found = {name: [scale * k for k in places] for name in ("token_rank", "token_rank_without_skips")}
    found |= {name: [scale * 0.1 * k for k in parts] for name in ("total", "direct", "repair", "turn")}
    found["attention_entropy"] = [[scale, 2 * scale]] * layers
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one configuration and one of another were looked into, one of a third was not."""
    folder = tmp_path_factory.mktemp("runs")
    made = {("res1-0", 1): 0.1, ("res1-0", 2): 0.3, ("res1-0.2", 1): 1.0, ("res1-0.5", 1): None}
    for (config, seed), scale in made.items():
        place = write_run(folder, spec_of(config, "notebook", seed), decay(1.9))
        if scale is not None:
            content = document(scale, 3 if config == "res1-0.2" else 2)
            content |= {"variance_shift": [1.0, None, 1.5, 1.0, 1.0]} if config == "res1-0" else {}
            (place / mechanisms.MECHANISMS).write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def data(runs: Path) -> StudyResults:
    return StudyResults(load(runs, None, "residual"), STUDY)


def test_what_is_read_is_what_training_writes() -> None:
    assert mechanisms.MECHANISMS == measured.MECHANISMS
    assert mechanisms.THIRDS == THIRDS


def test_rows_are_means_over_seeds(data: StudyResults) -> None:
    with style.applied():
        drawn = figure.draw(data, "notebook", "tiny_shakespeare")
    rows = {(r["config"], r["quantity"], r["place"], r.get("head")): (r["mean"], r["n"]) for r in drawn.rows}
    assert rows["res1-0", "token_rank", 3, None] == (pytest.approx(0.6), 2)
    assert rows["res1-0", "total", 4, None] == (pytest.approx(0.06), 2)
    assert rows["res1-0", "repair", 1, None] == (0.0, 2)
    assert rows["res1-0", "attention_entropy", 2, None] == (pytest.approx(0.3), 2)
    assert rows["res1-0", "attention_entropy", 2, 2] == (pytest.approx(0.4), 2)
    assert rows["res1-0.2", "token_rank", 6, None] == (6.0, 1)
    assert np.isnan(rows["res1-0", "variance_shift", 1, None][0])
    assert not any(config == "res1-0.5" for config, *_ in rows)
    assert "n = 1 to 2 seeds" in drawn.caption
    meshes = [axes.collections[0].get_array() for axes in drawn.figure.axes[:7]]
    assert [mesh.shape for mesh in meshes] == [(2, 7), (2, 7), (2, 5), (2, 3), (2, 6), (2, 6), (2, 6)]
    assert meshes[0].filled(-1)[0].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, -1, -1])


def test_it_is_drawn_only_of_what_was_looked_into(runs: Path, data: StudyResults, tmp_path: Path) -> None:
    paths = build_figures(data.results, STUDY, tmp_path / "all", None, suffixes=("svg",))
    stem = "notebook-mechanisms"
    assert [path.name for path in paths if "mechanisms" in path.name] == [f"{stem}.svg"]
    with (tmp_path / f"all/{stem}.csv").open() as file:
        assert {row["config"] for row in csv.DictReader(file)} == {"res1-0", "res1-0.2"}
    write_run(tmp_path / "runs", spec_of("res1-0", "notebook", 1), decay(1.9))
    without = load(tmp_path / "runs", None, "residual")
    paths = build_figures(without, STUDY, tmp_path / "none", None, suffixes=("svg",))
    assert not [path for path in paths if "mechanisms" in path.name]
    (path,) = build_figures(without, STUDY, tmp_path / "asked", None, ["mechanisms"], suffixes=("svg",))
    assert "not measured" in path.read_text()


@pytest.mark.parametrize("text", ["[1, 2]", '{"total": 3}', "{"])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    place = write_run(tmp_path, spec_of("res1-0", "notebook", 1), decay(1.9))
    (place / mechanisms.MECHANISMS).write_text(text)
    (record,) = load(tmp_path).records
    with pytest.raises(RecordError, match=r"mechanisms\.json"):
        mechanisms.mechanisms_of(record)
