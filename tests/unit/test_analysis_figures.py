"""The figures as files: all there, equal bytes, marked, each with its caption and its numbers."""

from __future__ import annotations

import csv
import itertools
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import matplotlib.image as mpl_image
import numpy as np
import pytest

from analysis_support import decay, edit_metrics, results_of, write_config, write_run
from redrop.analysis.build import build_figures
from redrop.analysis.figures import forest, small_multiples
from redrop.analysis.plotting import style
from redrop.analysis.plotting.drawing import to_csv
from redrop.analysis.registry import figure_plan
from redrop.analysis.study_results import StudyResults
from redrop.errors import ConfigError
from redrop.record import CURVE, DIVERGED, curve_text, read_curve, write_text
from support import STUDY, spec_of

NO_RUN = ("notebook-curves-skip-2", "notebook-curves-skip-4")
LABEL = "DEMO: toy & size, <not> a result"


@pytest.fixture(scope="module", autouse=True)
def _no_records() -> Iterator[None]:
    """The authors' records are at hand only where a test says so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("REDROP_REFERENCE", raising=False)
        yield


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
    stems = [entry.stem for entry in figure_plan(STUDY, ["notebook"])]
    kinds = ("final-loss", "paper-curves", "small-multiples", "train-validation", "gradients", "mechanisms")
    assert set(stems) == {
        "verdicts",
        "forest",
        *(f"notebook-curves-skip-{span}" for span in (1, 2, 4)),
        *(f"notebook-{kind}" for kind in kinds),
    }
    for span in (2, 4):  # of which nothing was run: no empty picture
        stems.remove(f"notebook-curves-skip-{span}")
    stems.remove("notebook-mechanisms")  # which were not asked for
    names = {f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "pdf", "png", "txt", "csv")}
    assert {path.name for path in figures.iterdir()} == names
    for stem in stems:
        assert (figures / f"{stem}.png").read_bytes().startswith(b"\x89PNG")
        assert (figures / f"{stem}.pdf").read_bytes().startswith(b"%PDF")


def test_a_figure_drawn_twice_or_in_another_process_has_the_same_bytes(
    runs: Path, figures: Path, tmp_path: Path
) -> None:
    kinds = ["notebook-curves-skip-1", "final-loss", "forest", "small-multiples"]
    assert len(build_figures(results_of(runs), STUDY, tmp_path, LABEL, kinds)) == 12
    written = sorted(tmp_path.iterdir())
    assert len(written) == 20
    for path in written:
        assert path.read_bytes() == (figures / path.name).read_bytes(), path.name


def test_every_svg_carries_the_label_and_title_as_text(figures: Path) -> None:
    for path in figures.glob("*.svg"):
        found = texts(path)
        assert LABEL in found
        places = {"forest": "notebook, tiny_shakespeare, 5,000", "verdicts": "run here (5,000 iterations)"}
        where = places.get(path.stem, "(notebook, tiny_shakespeare)")
        assert any(where in text for text in found), path.stem


def test_every_caption_carries_the_label_seeds_budget_and_corpus(figures: Path) -> None:
    for path in figures.glob("*.txt"):
        text = path.read_text()
        assert text.startswith(f"{LABEL}. ")
        assert ("no finished run" if path.stem in NO_RUN else "n = 1") in text
        if path.stem in ("forest", "verdicts"):
            continue
        assert "tiny_shakespeare" in text
        assert "budget 5,000 iterations" in text
        if path.stem not in NO_RUN:
            assert ("(n = 1, seed 1)" if path.stem.endswith("paper-curves") else "n = 1 to 2 seeds") in text
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
    with pytest.raises(ConfigError, match=r"figure: 'curve' is not .*did you mean 'curves'"):
        build_figures(results_of(runs), STUDY, tmp_path, None, ["curve"])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_number_that_is_plotted_is_in_the_csv(runs: Path) -> None:
    """Held against the lines in the figures themselves, on both axes."""
    results = results_of(runs)
    seen = set()
    for entry in figure_plan(STUDY, {"notebook": ["tiny_shakespeare"]}):
        with style.applied():
            drawn = entry.draw(StudyResults(results, STUDY))
        numbers = {
            float(f"{v:.9g}") for row in drawn.rows for v in row.values() if isinstance(v, int | float)
        }
        for axes in drawn.figure.axes:
            across = entry.figure in ("verdicts", "forest", "train-validation")
            for line in axes.lines:
                if line.get_transform() != axes.transData:  # a reference line, or a mark at the edge
                    continue
                values = line.get_xdata() if across else line.get_ydata()
                plotted = {float(f"{v:.9g}") for v in values if math.isfinite(v)}
                assert plotted <= numbers, (entry.stem, sorted(plotted - numbers)[:3])
                seen |= {entry.figure} if plotted else set()
    drawn_here = {"curves", "final-loss", "paper-curves", "small-multiples", "train-validation"}
    assert seen == {"verdicts", "forest", *drawn_here}


def test_the_csv_holds_what_the_runs_hold_and_carries_the_label(figures: Path) -> None:
    rows = rows_of(figures / "notebook-final-loss.csv")
    assert {(row["study"], row["protocol"], row["task"], row["label"]) for row in rows} == {
        ("residual", "notebook", "tiny_shakespeare", LABEL)
    }
    seeds = {(r["config"], r["seed"]): float(r["val_loss_last"]) for r in rows if r["what"] == "seed"}
    assert seeds == {
        ("res1-0", "1"): 1.90,
        ("res1-0", "2"): 1.91,
        ("res1-0.025", "1"): 1.93,
        ("res1-0.025", "2"): 1.94,
    }
    (off,) = [row for row in rows if row["what"] == "mean above the axis"]
    assert (off["config"], float(off["val_loss_last"])) == ("res1-0.2", 2.13)


def test_a_sweep_of_which_nothing_was_run_is_drawn_only_where_it_is_asked_for(
    runs: Path, figures: Path, tmp_path: Path
) -> None:
    assert not [path for stem in NO_RUN for path in figures.glob(f"{stem}.*")]
    build_figures(results_of(runs), STUDY, tmp_path, LABEL, [NO_RUN[0]])
    assert (tmp_path / f"{NO_RUN[0]}.csv").read_text() == "study,protocol,task,label\n"
    assert "no finished run" in (tmp_path / f"{NO_RUN[0]}.txt").read_text()


def test_a_csv_has_every_column_once_and_an_empty_cell_for_what_is_not_known() -> None:
    text = to_csv([{"a": 0.1 + 0.2, "b": math.nan}, {"a": np.float64(1.5), "c": 3}], {"study": "x"}, None)
    assert text == "study,a,b,c\nx,0.30000000000000004,,\nx,1.5,,3\n"


def test_the_forest_has_a_row_a_comparison_with_the_claims_own_sign(figures: Path) -> None:
    """By hand: rate 0 is 0.03 lower than 0.025 for both seeds; 0.2 has one seed, 0.5 diverged."""
    rows = [row for row in rows_of(figures / "forest.csv") if row["what"] == "mean"]
    found = {
        (r["claim"], r["config"], r["than"]): (float(r["difference"]), r["n"], r["verdict"]) for r in rows
    }
    control = found["skip1-control", "res1-0", "res1-0.025"]
    assert control == (pytest.approx(0.03), "2", "undecided")
    assert ("skip1-0.025-best", "res1-0.025", "res1-0") not in found  # a rate that the paper never ran
    assert found["skip1-0.025-best", "res1-0.025", "res1-0.2"] == (pytest.approx(0.2), "1", "undecided")
    assert not any("res1-0.5" in key for key in found if key[0].startswith("skip1-"))
    texts_there = texts(figures / "forest.svg")
    assert {"skip1-control", "undecided"} <= set(texts_there)
    assert not {"supported", "contradicted", "equivalent"} & set(texts_there)
    assert "more have no common seed yet" in (figures / "forest.txt").read_text()


def test_a_claim_is_a_row_with_all_its_comparisons(figures: Path) -> None:
    """By hand, from the losses above; two seeds have no interval."""
    rows = [row for row in rows_of(figures / "verdicts.csv") if row["claim"] == "skip1-control"]
    (row,) = rows
    assert float(row["difference"]) == pytest.approx(0.03)
    assert (row["n"], row["low"], row["high"], row["verdict"]) == ("2", "", "", "undecided")
    found = texts(figures / "verdicts.svg")
    assert "No dropout on skip-1 at all gives a lower" in found
    assert not {"supported", "contradicted", "equivalent"} & set(found)
    assert "n = 1 to 2 pairs of runs" in (figures / "verdicts.txt").read_text()


def test_small_multiples_have_the_control_behind_every_other_panel(runs: Path) -> None:
    with style.applied():
        figure = small_multiples.draw(
            StudyResults(results_of(runs), STUDY), "notebook", "tiny_shakespeare"
        ).figure
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert set(panels) == {"skip-1: 0", "skip-1: 0.025", "skip-1: 0.2"}
    grey = {
        title: sum(line.get_color() == style.PALE for line in axes.lines) for title, axes in panels.items()
    }
    assert grey == {"skip-1: 0": 0, "skip-1: 0.025": 2, "skip-1: 0.2": 2}
    assert len(panels["skip-1: 0.025"].lines) == 4


def with_norms(folder: Path, config: str, seed: int, norm: float | None) -> None:
    """A run whose curve holds norms of two layers, ``norm`` and twice as much, or none."""
    spec = spec_of(config, "notebook", seed)
    place = write_run(folder, spec, decay(1.9))
    if norm is not None:
        rows = read_curve(place)
        more = {"grad_norm_layer_1": norm, "grad_norm_layer_2": 2 * norm, "grad_norm_head": 1.0}
        write_text(place / CURVE, curve_text([rows[0], *(row | more for row in rows[1:])]))
        edit_metrics(place, lambda document: None)


def test_norms_of_gradients_are_averaged_over_the_runs_that_have_them(tmp_path: Path) -> None:
    for config, seed, norm in (
        ("res1-0", 1, 0.5),
        ("res1-0", 2, 1.5),
        ("res1-0", 3, None),
        ("res2-0", 1, 0.1),
    ):
        with_norms(tmp_path / "runs", config, seed, norm)
    build_figures(results_of(tmp_path / "runs"), STUDY, tmp_path, None, ["gradients"])
    rows = [r for r in rows_of(tmp_path / "notebook-gradients.csv") if r["iteration"] == "5000"]
    found = {(r["config"], r["part"]): tuple(float(r[k]) for k in ("n", "mean", "low", "high")) for r in rows}
    assert found["res1-0", "layer_2"] == (2, 2.0, 1.0, 3.0)
    assert found["res2-0", "layer_1"] == (1, 0.1, 0.1, 0.1)
    assert {"layer 1", "layer 2", "head", "skip-1: 0", "skip-2: 0"} <= set(
        texts(tmp_path / "notebook-gradients.svg")
    )
    caption = (tmp_path / "notebook-gradients.txt").read_text()
    assert "3 of 4 finished runs recorded norms: n = 1 to 2 a configuration" in caption


def test_without_norms_the_figure_says_what_to_run(figures: Path) -> None:
    assert "no run with recorded norms" in texts(figures / "notebook-gradients.svg")
    assert "config/gradients.yaml" in (figures / "notebook-gradients.txt").read_text()


def records(folder: Path, text: str) -> Path:
    (folder / "residual").mkdir(parents=True)
    (folder / "residual/notebook_curves.csv").write_text(f"run,iteration,train_loss,val_loss\n{text}")
    return folder


def test_the_authors_curves_are_drawn_where_they_are_at_hand_and_copied_nowhere(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = records(
        tmp_path / "given", "res1_dropout_0.025,0,4.3,4.31313\nres1_dropout_0.025,5000,1.8,1.97531\n"
    )
    monkeypatch.setenv("REDROP_REFERENCE", str(given))
    kinds = ["recorded-curves"]
    build_figures(results_of(runs), STUDY, tmp_path / "no", None, kinds, recorded=False)
    assert not (tmp_path / "no").exists()
    paths = build_figures(results_of(runs), STUDY, tmp_path / "yes", None, kinds)
    assert {path.stem for path in paths} == {"notebook-recorded-curves"}
    assert "the authors' run" in texts(tmp_path / "yes/notebook-recorded-curves.svg")
    numbers = (tmp_path / "yes/notebook-recorded-curves.csv").read_text()
    assert "4.31313" not in numbers
    assert "1.97531" not in numbers
    assert len({row["config"] for row in rows_of(tmp_path / "yes/notebook-recorded-curves.csv")}) == 3


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (None, "notebook_curves.csv: no such file; REDROP_REFERENCE names"),
        ("res1_dropout_0.0,0,4.3,much\n", "line 2: not run, iteration, val_loss"),
        ("res1_dropout_0.0,0\n", "line 2: not run, iteration, val_loss"),
    ],
)
def test_records_that_cannot_be_read_are_named(
    text: str | None, fault: str, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given" if text is None else records(tmp_path / "given", text)
    monkeypatch.setenv("REDROP_REFERENCE", str(given))
    with pytest.raises(ConfigError, match=fault):
        build_figures(results_of(runs), STUDY, tmp_path / "out", None, ["recorded-curves"])


SIMULATED = {
    "full colour": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
"""Machado, Oliveira and Fernandes (2009), severity 1: matrices on linear RGB."""


def lab(colour: str, matrix: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of an sRGB colour as the matrix's viewer sees it."""
    encoded = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    x, y, z = np.cbrt(to_xyz @ np.clip(matrix @ linear, 0, 1) / np.array([0.95047, 1.0, 1.08883]))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("viewer", SIMULATED)
def test_colours_are_told_apart_by_every_viewer(viewer: str) -> None:
    matrix = SIMULATED[viewer]
    for colours in (style.PALETTE, [style.OURS, style.THEIRS, style.GREY]):
        for one, other in itertools.combinations(colours, 2):
            assert np.linalg.norm(lab(one, matrix) - lab(other, matrix)) > 15, (one, other)


def test_neighbours_differ_by_more_than_colour() -> None:
    for one, other in itertools.pairwise(style.look(index) for index in range(40)):
        assert all(one[key] != other[key] for key in ("color", "linestyle", "marker"))
    shapes = [look["marker"] for look in forest.LOOKS.values()]
    assert len(set(shapes)) == len(shapes)


def test_a_title_fits_its_figure(figures: Path) -> None:
    """No letter of any text lies outside of the picture."""
    for path in figures.glob("*.png"):
        edge = mpl_image.imread(path)[:, :, :3]
        border = np.concatenate([edge[0], edge[-1], edge[:, 0], edge[:, -1]])
        assert border.min() == 1.0, path.name
