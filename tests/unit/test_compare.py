"""`redrop compare`: differences and intervals by hand, what is paired, and what is not compared."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from analysis_support import decay, edit_metrics, write_config, write_run
from redrop.cli import main
from redrop.errors import ConfigError, RecordError
from redrop.record import DIVERGED, METRICS
from redrop.view.compare import Difference, cells_of, compare, compare_cells, pairs_of, read_side
from redrop.view.compare_view import blocks
from redrop.view.screen import display
from support import spec_of

T_2 = 4.302652729749464
"""Student's t at 0.975 for two degrees of freedom, from a printed table: 4.303."""
BASE = {1: 1.5, 2: 1.6, 3: 1.4}


def shift(by: dict[int, float]) -> dict[int, float]:
    return {seed: BASE[seed] + difference for seed, difference in by.items()}


def configurations(folder: Path, a: dict[int, float], b: dict[int, float], **settings: Any) -> Path:
    write_config(folder / "runs", "a0r0", a, **settings)
    write_config(folder / "runs", "a2r0", b)
    return folder


def only(folder: Path, a: str = "a0r0", b: str = "a2r0", **more: Any) -> Difference:
    (found,) = compare(a, b, folder, **more).found
    return found


def set_metric(folder: Path, name: str, value: float, **changes: Any) -> None:
    """Give a run's record a metric more."""

    def edit(document: dict[str, Any]) -> None:
        metric = document["metrics"]["val_loss_last"] | {"value": value, "higher_is_better": True}
        document["metrics"][name] = metric | changes

    edit_metrics(folder, edit)


def test_differences_and_interval_by_hand(tmp_path: Path) -> None:
    """0.19, 0.20 and 0.21: mean 0.2, deviation 0.01, so 0.2 ± 4.303 x 0.01 / sqrt(3)."""
    found = only(configurations(tmp_path, shift({1: 0.19, 2: 0.20, 3: 0.21}), BASE))
    half = T_2 * 0.01 / 3**0.5
    assert found.metric == "val_loss_last"
    assert found.differences == pytest.approx({1: 0.19, 2: 0.20, 3: 0.21})
    assert found.interval.mean == pytest.approx(0.2)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.2 - half, 0.2 + half))
    assert (found.summary_a.mean, found.summary_b.mean) == pytest.approx((1.7, 1.5))
    assert found.moved
    assert found.outcome == "B better"


def test_an_interval_that_holds_0_shows_no_difference(tmp_path: Path) -> None:
    """0.1, 0.2 and 0.3: 0.2 ± 0.248."""
    found = only(configurations(tmp_path, shift({1: 0.1, 2: 0.2, 3: 0.3}), BASE))
    assert found.interval.low == pytest.approx(0.2 - T_2 * 0.1 / 3**0.5)
    assert not found.moved
    assert found.outcome == "no difference shown"


def test_pairing_finds_what_the_spread_of_seeds_would_hide(tmp_path: Path) -> None:
    """Each seed is 0.02 better, and seeds are 0.1 apart."""
    found = only(configurations(tmp_path, shift({1: -0.02, 2: -0.021, 3: -0.019}), BASE))
    assert found.outcome == "A better"


def test_for_a_score_higher_is_better(tmp_path: Path) -> None:
    a = write_config(tmp_path / "runs", "a0r0", BASE)
    b = write_config(tmp_path / "runs", "a2r0", BASE)
    for number, (one, other) in enumerate(zip(a, b, strict=True)):
        set_metric(tmp_path / "runs" / "residual" / one, "score", 0.8 + 0.01 * number)
        set_metric(tmp_path / "runs" / "residual" / other, "score", 0.6)
    found = only(tmp_path)
    assert (found.metric, found.higher_is_better) == ("score", True)
    assert found.outcome == "A better"
    assert only(tmp_path, "a2r0", "a0r0").outcome == "B better"
    assert only(tmp_path, metrics=["val_loss_last"]).outcome == "equal"
    everything = {each.metric: each for each in compare("a0r0", "a2r0", tmp_path, metrics=["all"]).found}
    assert len(everything) == 6
    assert everything["iteration_of_best"].outcome == "equal"
    for run in b:
        set_metric(tmp_path / "runs" / "residual" / run, "score", 0.6, signature="another way")
    assert "signature of score: test / another way" in only(tmp_path).settings


def test_what_is_neither_good_nor_bad_is_higher_or_lower(tmp_path: Path) -> None:
    for config, value in (("a0r0", 100.0), ("a2r0", 90.0)):
        for number, run in enumerate(write_config(tmp_path / "runs", config, BASE)):
            folder = tmp_path / "runs" / "residual" / run
            set_metric(folder, "speed", value + (number if config == "a0r0" else 0), higher_is_better=None)
    assert only(tmp_path, metrics=["speed"]).outcome == "A higher"


def test_seeds_that_one_side_lacks_are_left_out_and_counted(tmp_path: Path) -> None:
    a = {1: 1.6, 2: 1.7, 7: 9.0, 8: 9.0}
    folder = configurations(tmp_path, a, {1: 1.5, 2: 1.6, 3: 0.1})
    lost = spec_of("a2r0", seed=8)
    write_run(folder / "runs", lost, [4.2, 3.0, None], status=DIVERGED)
    found = only(folder)
    assert found.differences == pytest.approx({1: 0.1, 2: 0.1})
    assert (found.unpaired_a, found.unpaired_b) == ((7, 8), (3, 8))
    assert (found.summary_a.mean, found.summary_b.mean) == pytest.approx((1.65, 1.55))
    assert "left out of differences and means: 2 runs of A and 2 runs of B" in plain(folder)


def test_one_seed_and_none(tmp_path: Path) -> None:
    one = only(configurations(tmp_path / "one", {1: 1.6, 2: 1.7}, {1: 1.5, 3: 1.5}))
    assert one.outcome == "one seed"
    assert one.interval.n == 1
    assert not one.moved
    none = only(configurations(tmp_path / "none", {1: 1.6}, {2: 1.5}))
    assert none.outcome == "no common seed"


def test_other_budgets_and_other_data_are_refused_and_said(tmp_path: Path) -> None:
    folder = configurations(tmp_path / "budget", BASE, BASE, schedule__iterations=2000)
    found = only(folder)
    assert found.outcome == "not compared"
    assert found.refused == "budgets differ: 2,000 iterations and 500,000 iterations"
    assert "not compared: residual, authors, a0r0 / a2r0 on tiny_shakespeare: budgets differ" in plain(folder)
    folder = configurations(tmp_path / "data", BASE, BASE)
    for path in (folder / "runs").glob("*/*a0r0*/metrics.json"):
        edit_metrics(path.parent, lambda document: document["data"].update(sha256="1" * 64))
    assert only(folder).refused == "data differ: sha256"


def test_seeds_of_mixed_settings_are_refused_cell_by_cell(tmp_path: Path) -> None:
    folder = configurations(tmp_path, {1: 1.5}, BASE)
    write_config(folder / "runs", "a0r0", {2: 1.5}, model__mlp_dropout=0.4)
    assert "model.mlp_dropout" in only(folder).refused


def test_other_settings_are_compared_and_listed(tmp_path: Path) -> None:
    found = only(configurations(tmp_path, BASE, BASE, model__mlp_dropout=0.4))
    assert "model.mlp_dropout 0.4 / 0.2" in found.settings
    assert "model.mlp_dropout 0.4 / 0.2" in plain(tmp_path)


def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The second has other numbers for one configuration, lacks one, and has another one more."""
    mine, published = tmp_path / "mine", tmp_path / "published"
    for config in ("a0r0", "a2r0", "a2r0_2"):
        write_config(mine / "runs", config, BASE)
    write_config(published / "runs", "a0r0", BASE)
    write_config(published / "runs", "a2r0", shift({1: 0.19, 2: 0.2, 3: 0.21}))
    write_config(published / "runs", "a2r025", BASE)
    # Published runs lie in runs/<run>, without the study's folder between.
    for path in (published / "runs" / "residual").iterdir():
        shutil.move(path, published / "runs")
    (published / "runs" / "residual").rmdir()
    return mine, published


def test_two_folders_cell_by_cell(tmp_path: Path) -> None:
    mine, published = folders(tmp_path)
    compared = compare(str(mine), str(published), Path("unused"))
    assert [(each.a.config, each.outcome, each.equal_files) for each in compared.found] == [
        ("a0r0", "equal", 3),
        ("a2r0", "A better", 0),
    ]
    assert [cell.config for cell in compared.only["A"]] == ["a2r0_2"]
    assert [cell.config for cell in compared.only["B"]] == ["a2r025"]
    text = plain(str(mine), str(published))
    assert "1 of 2 comparisons moved" in text
    assert "3 of 6 pairs of runs have the same metrics.json, byte by byte" in text
    assert "only in A: 1 cell: authors/a2r0_2/tiny_shakespeare" in text


def test_equal_numbers_in_unequal_files_are_not_equal_bytes(tmp_path: Path) -> None:
    mine, published = folders(tmp_path)
    path = next((published / "runs").glob("*a0r0*/metrics.json"))
    path.write_text(path.read_text() + "\n")
    found = compare(str(mine), str(published), Path("unused")).found[0]
    assert (found.outcome, found.equal_files) == ("equal", 2)


def test_damaged_records_are_left_out_named_and_counted(tmp_path: Path) -> None:
    folder = configurations(tmp_path, BASE, BASE)
    path = sorted((folder / "runs").glob("*/*a0r0*/metrics.json"))[0]
    path.write_bytes(path.read_bytes()[:50])
    assert only(folder).interval.n == 2
    text = plain(folder)
    assert "1 damaged run left out" in text
    assert f"{path}: damaged" in text
    for path in folder.rglob(METRICS):
        path.write_text("{}")
    with pytest.raises(RecordError, match="all 6 runs are damaged"):
        only(folder)


def plain(*places: Path | str) -> str:
    """As a pipe gets it: of two folders, or of the two configurations in one."""
    a, b, folder = (*places, "unused") if len(places) == 2 else ("a0r0", "a2r0", *places)
    sink = io.StringIO()
    display(
        list(blocks(compare(str(a), str(b), Path(folder)), str(a), str(b))),
        Console(file=sink, highlight=False),
    )
    return sink.getvalue()


def test_tasks_and_protocols_are_told_apart(tmp_path: Path) -> None:
    for protocol in ("authors", "as-written"):
        for config in ("a0r0", "a2r0"):
            write_config(tmp_path / "runs", config, BASE, protocol)
    both = compare("a0r0", "a2r0", tmp_path).found
    assert [(each.a.protocol, each.b.protocol) for each in both] == [
        ("as-written", "as-written"),
        ("authors", "authors"),
    ]
    assert only(tmp_path, "authors/a0r0", "authors/a2r0").a.protocol == "authors"
    across = only(tmp_path, "authors/a0r0", "as-written/a0r0")
    assert any(setting.startswith("model.n_layer") for setting in across.settings)
    assert only(tmp_path, "authors/a0r0/tiny_shakespeare", "authors/a2r0").interval.n == 3


def test_faults_say_what_there_is(tmp_path: Path) -> None:
    folder = configurations(tmp_path / "results", BASE, BASE)
    with pytest.raises(ConfigError, match="did you mean 'a0r0'"):
        compare("a0rO", "a2r0", folder)
    with pytest.raises(ConfigError, match="did you mean 'authors/a0r0'"):
        compare("author/a0r0", "a2r0", folder)
    with pytest.raises(ConfigError, match="no metric bleu in common"):
        compare("a0r0", "a2r0", folder, metrics=["bleu"])
    with pytest.raises(ConfigError, match="is a folder, but a2r0 is none"):
        compare(str(folder), "a2r0", folder)
    with pytest.raises(ConfigError, match="no run of it on enwik8"):
        compare("a0r0", "a2r0", folder, task="enwik8")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="holds no finished run"):
        compare("a0r0", "a2r0", tmp_path / "empty")


def test_a_metric_or_a_task_that_no_run_has_is_refused(tmp_path: Path) -> None:
    folder = configurations(tmp_path, shift({1: 0.1}), BASE)
    with pytest.raises(ConfigError, match=r"--metric: no metric val_los_last .*did you mean 'val_loss_last'"):
        only(folder, metrics=["val_loss_best", "val_los_last"])
    with pytest.raises(ConfigError, match=r"--task: 'tiny_shakespear' .*did you mean 'tiny_shakespeare'"):
        compare(str(folder), str(folder), folder, task="tiny_shakespear")


def test_the_csv_has_the_numbers_in_full(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine, published = folders(tmp_path)
    main(["compare", str(mine), str(published), "--csv", str(tmp_path / "out.csv")])
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        rows = {row["config_a"]: row for row in csv.DictReader(file)}
    row = rows["a2r0"]
    assert float(row["difference"]) == pytest.approx(-0.2)
    assert float(row["high"]) == pytest.approx(-0.2 + T_2 * 0.01 / 3**0.5)
    assert row["seeds"] == "1 2 3"
    assert [float(value) for value in row["differences"].split()] == pytest.approx([-0.19, -0.2, -0.21])
    assert (row["moved"], row["outcome"], row["equal_files"]) == ("True", "A better", "0")
    assert "−0.2000  [−0.2248, −0.1752]  3" in printed


def test_the_published_comparison_is_that_of_the_claims(project: Path) -> None:
    """The claims table compares the same two configurations by code of its own."""
    folder = project / "results" / "published" / "residual"
    with (folder / "tables" / "claims.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["n"] not in ("", "0", "1")]
    rows = [row for row in rows if row["pooled"] == "False"]  # else by the spread of all configurations
    side = read_side(folder)
    cells, checked = cells_of(side), 0
    for row in (row for row in rows if row["metric"] == "val_loss_last"):
        a, b = (f"{row['protocol']}/{name}/{row['task']}" for name in (row["config"], row["than"]))
        [(one, other)] = pairs_of(cells, a, b, str(folder))
        (found,) = compare_cells(side, side, one, other)
        assert found.interval.n == int(row["n"])
        assert found.interval.mean == pytest.approx(-float(row["difference"]))  # there: positive is better
        assert found.interval.low == pytest.approx(-float(row["high"]))
        checked += 1
    assert checked > 10


def test_a_narrow_terminal_is_kept_to(tmp_path: Path) -> None:
    mine, published = folders(tmp_path)
    compared = compare(str(mine), str(published), Path("unused"))
    for width in (60, 80, 120):
        sink = io.StringIO()
        console = Console(file=sink, force_terminal=True, width=width, highlight=False)
        display(list(blocks(compared, "mine", "published")), console)
        lines = Text.from_ansi(sink.getvalue()).plain.splitlines()
        assert max(map(len, lines)) <= width
        assert any("[−0.2248, −0.1752]" in line for line in lines)


def test_a_run_by_itself(tmp_path: Path) -> None:
    """A folder of runs need not be called results."""
    write_run(tmp_path / "a", spec_of("a0r0"), decay(1.5))
    write_run(tmp_path / "b", spec_of("a0r0"), decay(1.5))
    assert only(Path("unused"), str(tmp_path / "a"), str(tmp_path / "b")).outcome == "equal"
