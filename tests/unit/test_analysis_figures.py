"""The figures as files: all there, equal bytes, marked, and with a caption that says what is drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from analysis_support import decay, results_of, write_config, write_run
from redrop.analysis.build import build_figures
from redrop.analysis.names import figure_names
from redrop.errors import ConfigError
from redrop.record import DIVERGED
from support import STUDY, spec_of

LABEL = "DEMO: toy & size, <not> a result"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Skip-1 with one seed and with two, one configuration diverged; no run of skip-2 and skip-4."""
    folder = tmp_path_factory.mktemp("runs")
    write_config(folder, "res1-0", {1: 1.90, 2: 1.91}, "notebook")
    write_config(folder, "res1-0.025", {1: 1.93, 2: 1.94}, "notebook")
    write_config(folder, "res1-0.2", {1: 2.13}, "notebook")
    spec = spec_of("res1-0.5", "notebook")
    write_run(folder, spec, [4.3, 3.0, 60.0, None], [4.3, 3.0, 60.0, None], DIVERGED)
    return folder


@pytest.fixture(scope="module")
def figures(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every figure of the runs, labelled."""
    folder = tmp_path_factory.mktemp("figures")
    build_figures(results_of(runs), STUDY, folder, LABEL)
    return folder


def texts(path: Path) -> list[str]:
    """The text elements of an svg, which must be well-formed."""
    root = ElementTree.parse(path).getroot()
    return ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]


def test_every_planned_figure_is_written_in_every_format(figures: Path) -> None:
    stems = figure_names(STUDY, ["notebook"])
    assert set(stems) == {
        *(f"notebook-curves-skip-{span}" for span in (1, 2, 4)),
        "notebook-final-loss",
        "notebook-train-validation",
    }
    names = {f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "pdf", "png", "txt")}
    assert {path.name for path in figures.iterdir()} == names
    for stem in stems:
        assert (figures / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        assert (figures / f"{stem}.pdf").read_bytes().startswith(b"%PDF")


def test_a_figure_drawn_twice_or_in_another_process_has_the_same_bytes(
    runs: Path, figures: Path, tmp_path: Path
) -> None:
    kinds = ["notebook-curves-skip-1", "final-loss"]
    paths = build_figures(results_of(runs), STUDY, tmp_path, LABEL, kinds)
    assert len(paths) == 6
    for path in paths:
        assert path.read_bytes() == (figures / path.name).read_bytes(), path.name


def test_every_svg_carries_the_label_and_title_as_text(figures: Path) -> None:
    for path in figures.glob("*.svg"):
        found = texts(path)
        assert LABEL in found
        assert any("(notebook, tiny_shakespeare)" in text for text in found)


def test_every_caption_carries_the_label_seeds_budget_and_corpus(figures: Path) -> None:
    for path in figures.glob("*.txt"):
        text = path.read_text()
        assert text.startswith(f"{LABEL}. ")
        assert "tiny_shakespeare" in text
        assert "budget 5,000 iterations" in text
        empty = path.stem in ("notebook-curves-skip-2", "notebook-curves-skip-4")
        assert ("no finished run" if empty else "n = 1 to 2 seeds") in text
        if not empty:
            assert "Diverged runs, in no mean: res1-0.5 (1)" in text


def test_every_series_is_in_the_legend(figures: Path) -> None:
    found = texts(figures / "notebook-curves-skip-1.svg")
    legend = found[found.index("dropout rate") + 1 :]
    assert [text for text in legend if text != LABEL][:4] == ["0", "0.025", "0.2", "0.5 (diverged)"]


def test_the_authors_figures_stand_beside_ours_only_where_they_are_comparable(
    figures: Path, tmp_path: Path
) -> None:
    assert "the authors' figure" in texts(figures / "notebook-final-loss.svg")
    assert "Diamonds: the authors'" in (figures / "notebook-final-loss.txt").read_text()
    write_config(tmp_path / "runs", "res1-0", {1: 2.5}, "notebook", schedule__iterations=300)
    build_figures(results_of(tmp_path / "runs"), STUDY, tmp_path, None, ["final-loss"])
    assert "the authors' figure" not in texts(tmp_path / "notebook-final-loss.svg")
    assert "The authors' figures are not shown" in (tmp_path / "notebook-final-loss.txt").read_text()


def test_every_finished_configuration_has_a_row_with_its_gap(figures: Path) -> None:
    found = texts(figures / "notebook-train-validation.svg")
    for config in ("res1-0", "res1-0.025", "res1-0.2"):
        assert config in found
    assert "res1-0.5" not in found
    assert found.count("+0.100") == 3


def test_without_a_label_nothing_is_marked(tmp_path: Path) -> None:
    write_config(tmp_path / "runs", "res1-0", {1: 1.9}, "notebook")
    build_figures(results_of(tmp_path / "runs"), STUDY, tmp_path, None, ["train-validation"])
    text = (tmp_path / "notebook-train-validation.txt").read_text()
    assert text.startswith("Training (hollow)")
    assert "n = 1 seed," in text


def test_a_configuration_far_off_is_named_and_does_not_set_the_axis(tmp_path: Path) -> None:
    for config, last in {"a2r025": 1.55, "a2r05": 1.57, "a2r1": 1.60, "a2r2": 1.69, "a2r5": 2.91}.items():
        write_run(tmp_path / "runs", spec_of(config), decay(last))
    build_figures(
        results_of(tmp_path / "runs"), STUDY, tmp_path, None, ["authors-curves-skip-1", "final-loss"]
    )
    assert "second half (off the axis: 0.5)" in texts(tmp_path / "authors-curves-skip-1.svg")
    assert "2.91 (authors' 2.87)" in texts(tmp_path / "authors-final-loss.svg")
    caption = (tmp_path / "authors-curves-skip-1.txt").read_text()
    assert "Above the right panel's axis: 0.5." in caption


def test_smallest_type_is_7_points(figures: Path) -> None:
    for path in figures.glob("*.svg"):
        sizes = re.findall(r"font(?:-size)?:[^;\"]*?([\d.]+)px", path.read_text())
        assert sizes
        assert min(map(float, sizes)) >= 7.0


def test_an_unknown_figure_is_refused_with_a_suggestion(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no figure 'curve'.*did you mean 'curves'"):
        build_figures(results_of(runs), STUDY, tmp_path, None, ["curve"])
