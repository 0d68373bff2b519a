"""`redrop show`: the run that is meant, all of it, and a command that gives its bytes again."""

from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from analysis_support import decay, edit_metrics, write_config, write_run
from redrop.cli import main
from redrop.data.corpus import prepare_corpus
from redrop.record import DIVERGED, METRICS
from redrop.runtime.pool import Pool
from redrop.view.find import find_run
from redrop.view.screen import display
from redrop.view.show import blocks
from redrop.view.sparkline import sparkline
from support import small_spec, toy_text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with no results so far."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    main(["show", *words])
    return capsys.readouterr().out


def complaint(*words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(["show", *words])
    assert isinstance(end.value.code, str)
    return end.value.code


def test_a_sparkline_by_hand() -> None:
    assert sparkline([0.0, 1.0, 2.0, 7.0]) == "▁▂▃█"
    assert sparkline([3.0, 2.0, 1.0, float("nan"), None]) == "█▅▁  "
    assert sparkline([5.0, 5.0]) == "▁▁"
    assert sparkline([0.0, 2.0, 6.0, 8.0], width=2) == "▁█"  # means of neighbours: 1 and 7
    assert sparkline([0.0, 0.0, 7.0, 7.0, 1.0, 3.0], width=3) == "▁█▃"  # 0, 7, 2
    assert sparkline([]) == sparkline([None]) == ""


def test_a_run_is_found_by_its_id_its_beginning_or_its_folder(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = write_config(here / "results" / "runs", "a0r0", {1: 1.6, 2: 1.7})
    folder = f"results/runs/residual/{second}"
    texts = {shown(capsys, name) for name in (second, "authors-a0r0-tiny_shakespeare-s2")}
    assert len(texts) == 1
    text = texts.pop()
    assert text.startswith(f"{second}  done\nresidual: authors, a0r0, tiny_shakespeare, seed 2\n")
    assert f"{folder}: curve.jsonl, metrics.json\n" in text
    assert shown(capsys, folder) == text
    ambiguous = complaint("authors-a0r0")
    assert "2 runs begin so" in ambiguous
    assert first in ambiguous
    assert second in ambiguous
    assert f"did you mean {first}" in complaint(first.replace("a0r0", "aOr0"))
    assert "in results " in complaint("nothing-like-it")
    assert "holds neither" in complaint("results")


def test_the_same_run_elsewhere_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = write_config(here / "results" / "runs", "a0r0", {1: 1.6})
    write_config(here / "results" / "demo" / "runs", "a0r0", {1: 1.6})
    text = shown(capsys, run)
    assert f"results/runs/residual/{run}: curve" in text
    assert f"results/demo/runs/residual/{run}: the same run" in text


def test_a_published_run_is_shown_as_published(
    project: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project / "results" / "published" / "residual"
    with (folder / "runs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    run = next(row["run"] for row in rows if row["protocol"] == "matched")
    text = shown(capsys, run, "--results", str(folder), "--project", str(project))
    lines = [line.split() for line in text.splitlines()]
    for row in (row for row in rows if row["run"] == run):
        found = next(line for line in lines if line[:1] == [row["metric"]])
        assert float(found[1].replace(",", "")) == pytest.approx(float(row["value"]), rel=1e-5)
        assert int(found[2].replace(",", "")) == int(row["n"])
        assert found[3] == row["split"]
    provenance = json.loads((folder / "runs" / run / "provenance.json").read_text())
    assert provenance["git"]["commit"] in text
    assert provenance["device"] in text
    assert f"torch {provenance['packages']['torch']}" in text
    assert f"{provenance['milliseconds_an_iteration']:.1f} ms an iteration" in text
    rate = next(line for line in lines if line[:1] == ["schedule.learning_rate"])
    assert rate[1:3] == ["0.001", "stated"]
    iterations = next(line for line in text.splitlines() if line.startswith("schedule.iterations"))
    assert iterations.split()[1:] == ["3,000", "config", "the", "study", "file", "has", "50,000"]


def test_a_run_that_was_interrupted_says_in_how_many_processes_it_was_made(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(here / "results" / "runs", small_spec(), decay(2.0))
    made = {"seconds": {"training": 120.0, "evaluation": 30.0}, "iterations": 12, "processes": 3}
    made |= {"last_process": {"iterations": 5, "seconds": {}}, "trained_together": 1}
    (folder / "provenance.json").write_text(json.dumps(made))
    said = "  2.0 min of training, 30 s of evaluation, in 3 processes, 5 iterations in the last"
    assert said in shown(capsys, str(folder)).splitlines()


def test_the_curve_leaves_the_untrained_model_out_of_its_scale(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(here / "results" / "runs", small_spec(), [4.0, 3.0, 2.0, 1.0, 1.5])
    text = shown(capsys, str(folder))
    assert "val_loss     █▅▁▃  3.0000 to 1.5000, lowest 1.0000 at 9 (untrained 4.0000)" in text


def test_a_score_has_a_curve_as_well(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(here / "results" / "runs", small_spec(), [4.0, 3.0, 2.0])
    rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    rows = [row | {"accuracy": score, "epoch": 1.0} for row, score in zip(rows, (0.1, 0.7, 0.5), strict=True)]
    (folder / "curve.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def edit(document: dict[str, Any]) -> None:
        document["metrics"]["accuracy"] = document["metrics"]["val_loss_last"] | {"higher_is_better": True}

    edit_metrics(folder, edit)
    text = shown(capsys, str(folder))
    assert "accuracy     █▁  0.7000 to 0.5000, highest 0.7000 at 6 (untrained 0.1000)" in text
    assert "epoch" not in text


def test_a_diverged_run_says_why(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_run(here / "results" / "runs", small_spec(), [4.0, 3.0, None], status=DIVERGED)
    text = shown(capsys, small_spec().run)
    assert text.splitlines()[0].endswith("  diverged")
    assert "the loss became nan at iteration 7" in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("val_loss_last")] == ["none"]


def test_damaged_files_are_named(here: Path) -> None:
    folder = write_run(here / "results" / "runs", small_spec(), decay(2.0))
    curve = (folder / "curve.jsonl").read_bytes()
    (folder / "curve.jsonl").write_bytes(curve[:-10])
    assert "curve.jsonl: line 21 is damaged" in complaint(small_spec().run)
    (folder / METRICS).write_text('{"run": ')
    assert f"{Path('results/runs/residual') / small_spec().run / METRICS}: damaged" in complaint(folder.name)


def test_a_run_that_is_asked_for_and_not_finished(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pool = Pool(here / "results/pool/residual", runs=here / "results/runs/residual")
    pool.write_wanted([small_spec(seed=1), small_spec(seed=2)])
    log = here / "results/logs/residual" / f"{small_spec(seed=1).run}.log"
    log.parent.mkdir(parents=True)
    log.write_text("redrop train: out of luck\n")
    text = shown(capsys, small_spec(seed=1).run)
    assert "failed: no lock, and its log ends in an error" in text
    assert "redrop train: out of luck" in text
    assert "missing" in shown(capsys, small_spec(seed=2).run[:-4])
    assert "Metrics" not in text


def test_without_the_study_file_the_settings_are_there_without_sources(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(here / "results" / "runs", small_spec(), decay(2.0))
    (here / "empty" / "config" / "studies").mkdir(parents=True)
    text = shown(capsys, str(folder), "--project", str(here / "empty"))
    assert "their sources are not shown" in text
    assert next(line.split() for line in text.splitlines() if line.startswith("model.n_layer")) == [
        "model.n_layer",
        "2",
    ]


def test_the_command_that_it_prints_gives_the_same_bytes(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "tiny_shakespeare"
    data = here / "results" / "data" / name
    prepare_corpus(toy_text(6000, 0), data, name=name, origin="generated", edition="toy")
    out = here / "results" / "runs" / "residual" / small_spec().run
    main(["train", "--spec", small_spec().to_json(), "--out", str(out), "--device", "cpu"])
    text = shown(capsys, small_spec().run)
    commands = text[text.index("Reproduce") :].splitlines()
    train, compare = (shlex.split(line) for line in commands[1:3])
    assert train[:2] == ["redrop", "train"]
    main(train[1:])
    assert compare[0] == "cmp"
    assert Path(compare[1]).read_bytes() == Path(compare[2]).read_bytes()
    assert Path(compare[1]).resolve() == out / METRICS


def test_a_narrow_terminal_breaks_no_command(here: Path) -> None:
    folder = write_run(here / "results" / "runs", small_spec(), decay(2.0))
    for width in (60, 120):
        sink = io.StringIO()
        console = Console(file=sink, force_terminal=True, width=width, highlight=False)
        display(list(blocks(find_run(folder.name, [Path("results")]))), console)
        lines = Text.from_ansi(sink.getvalue()).plain.splitlines()
        whole = [line for line in lines if line.lstrip().startswith(("redrop train", "cmp", "results/"))]
        assert len(whole) == 3
        assert max(len(line) for line in lines if line not in whole) <= width
        assert any("left out for want of width: note" in line for line in lines) == (width == 60)
