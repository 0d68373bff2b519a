"""Finished runs become runs.csv: every run counted, none mixed up with another."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from analysis_support import N_VAL, decay, results_of, write_config, write_run
from redrop.analysis.build import collect
from redrop.errors import RecordError
from redrop.record import DIVERGED, checksum, write_json
from support import spec_of

COLUMNS = "study protocol config method task model seed run metric split value n higher_is_better status"


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def edit_metrics(folder: Path, **values: object) -> None:
    path = folder / "metrics.json"
    document = json.loads(path.read_text()) | values
    write_json(path, document | {"sha256": checksum(document)})


def test_a_row_says_everything_about_a_run_and_metric(tmp_path: Path) -> None:
    spec = spec_of("a2r025", seed=7)
    write_run(tmp_path, spec, [4.2, 2.0, 1.5], [4.2, 1.9, 1.0 + 1 / 3])
    collect(tmp_path, None, tmp_path / "runs.csv")
    rows = read_csv(tmp_path / "runs.csv")
    assert list(rows[0]) == COLUMNS.split()
    assert [row["metric"] for row in rows] == sorted(row["metric"] for row in rows)
    train = next(row for row in rows if row["metric"] == "train_loss_last")
    assert float(train.pop("value")) == 1.0 + 1 / 3
    assert train == {
        "study": "residual",
        "protocol": "authors",
        "config": "a2r025",
        "method": "ce",
        "task": "tiny_shakespeare",
        "model": "residual_gpt",
        "seed": "7",
        "run": spec.run,
        "metric": "train_loss_last",
        "split": "train",
        "n": str(N_VAL),
        "higher_is_better": "False",
        "status": "done",
    }
    best = next(row for row in rows if row["metric"] == "iteration_of_best")
    assert (best["value"], best["higher_is_better"]) == ("50000.0", "")


def test_rows_are_ordered_by_protocol_configuration_task_and_seed(tmp_path: Path) -> None:
    write_config(tmp_path, "skip1-0", {10: 1.5, 9: 1.5}, "matched")
    write_config(tmp_path, "a5r0", {2: 1.5})
    write_config(tmp_path, "a0r0", {1: 1.5})
    collect(tmp_path, None, tmp_path / "runs.csv")
    rows = [row for row in read_csv(tmp_path / "runs.csv") if row["metric"] == "val_loss_last"]
    found = [(row["protocol"], row["config"], row["seed"]) for row in rows]
    assert found == [
        ("authors", "a0r0", "1"),
        ("authors", "a5r0", "2"),
        ("matched", "skip1-0", "9"),
        ("matched", "skip1-0", "10"),
    ]


def test_a_diverged_run_has_empty_values(tmp_path: Path) -> None:
    write_run(tmp_path, spec_of("a2r5"), [4.2, 3.0, None], [4.2, 2.9, None], DIVERGED)
    collect(tmp_path, None, tmp_path / "runs.csv")
    rows = {row["metric"]: row for row in read_csv(tmp_path / "runs.csv")}
    assert rows["val_loss_last"]["value"] == "" == rows["train_loss_last"]["value"]
    assert rows["val_loss_best"]["value"] == "3.0"
    assert {row["status"] for row in rows.values()} == {DIVERGED}


def test_no_run_gives_a_header(tmp_path: Path) -> None:
    collect(tmp_path, None, tmp_path / "runs.csv")
    assert (tmp_path / "runs.csv").read_text() == COLUMNS.replace(" ", ",") + "\n"


def test_runs_that_are_not_asked_for_are_left_out_and_counted(tmp_path: Path) -> None:
    first, second, third = write_config(tmp_path, "a2r025", {1: 1.5, 2: 1.6, 3: 1.7})
    results = results_of(tmp_path, {first, third})
    assert [record.run for record in results.records] == [first, third]
    assert results.left_out == 1
    assert second not in results.runs_frame()["run"].tolist()


def test_runs_that_are_asked_for_and_absent_are_counted(tmp_path: Path) -> None:
    there = write_config(tmp_path, "a2r025", {1: 1.5})
    absent = {spec_of("a2r025", seed=2).run, spec_of("a2r05", seed=1).run, spec_of("a2r05", seed=2).run}
    results = results_of(tmp_path, {*there, *absent})
    counts = {
        config: results.group("residual", "authors", config, "tiny_shakespeare").missing
        for config in ("a2r025", "a2r05", "a2r1")
    }
    assert counts == {"a2r025": 1, "a2r05": 2, "a2r1": 0}


@pytest.mark.parametrize("text", ["", "{", '{"run": "x"}', "[]", '{"spec": 3}'])
def test_a_damaged_record_is_named_with_its_remedy(tmp_path: Path, text: str) -> None:
    folder = write_run(tmp_path, spec_of("a2r025"), decay(1.5))
    (folder / "metrics.json").write_text(text)
    with pytest.raises(RecordError, match=r"metrics\.json.*run the run again") as error:
        results_of(tmp_path)
    assert folder.name in str(error.value)


def test_one_run_twice_with_one_result_counts_once(tmp_path: Path) -> None:
    folder = write_run(tmp_path, spec_of("a2r025"), decay(1.5))
    shutil.copytree(folder, tmp_path / "copy" / folder.name)
    assert len(results_of(tmp_path / "residual").records) == 1
    assert collect(tmp_path, None, tmp_path / "runs.csv").runs_frame()["run"].nunique() == 1


def test_one_run_twice_with_different_results_is_refused(tmp_path: Path) -> None:
    spec = spec_of("a2r025")
    write_run(tmp_path / "here", spec, decay(1.5))
    write_run(tmp_path / "there", spec, decay(1.6))
    with pytest.raises(RecordError, match="the same run with different results") as error:
        results_of(tmp_path)
    assert "here" in str(error.value)
    assert "there" in str(error.value)


def test_two_runs_of_one_seed_need_a_config_to_choose(tmp_path: Path) -> None:
    (long,) = write_config(tmp_path, "a2r025", {1: 1.5})
    (short,) = write_config(tmp_path, "a2r025", {1: 1.8}, schedule__iterations=300)
    with pytest.raises(RecordError, match="seed 1; pass the config that chooses"):
        results_of(tmp_path)
    assert [record.run for record in results_of(tmp_path, {short}).records] == [short]
    with pytest.raises(RecordError, match="two runs of seed 1"):
        results_of(tmp_path, {short, long}).group("residual", "authors", "a2r025", "tiny_shakespeare")


def test_runs_with_different_settings_are_not_averaged(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r025", {1: 1.5})
    write_config(tmp_path, "a2r025", {2: 1.8}, schedule__iterations=300, model__n_embd=64)
    with pytest.raises(RecordError, match=r"differ in model\.n_embd, schedule\.iterations"):
        results_of(tmp_path).group("residual", "authors", "a2r025", "tiny_shakespeare")


def test_runs_on_different_texts_are_not_averaged(tmp_path: Path) -> None:
    write_run(tmp_path, spec_of("a2r025", seed=1), decay(1.5))
    other = write_run(tmp_path, spec_of("a2r025", seed=2), decay(1.5))
    data = json.loads((other / "metrics.json").read_text())["data"]
    edit_metrics(other, data=data | {"sha256": "1" * 64})
    with pytest.raises(RecordError, match=r"differ in data\.sha256"):
        results_of(tmp_path).group("residual", "authors", "a2r025", "tiny_shakespeare")


def test_how_often_was_looked_may_differ(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r025", {1: 1.5})
    write_config(tmp_path, "a2r025", {2: 1.6}, evaluation__every=50, evaluation__sampled_batches=3)
    group = results_of(tmp_path).group("residual", "authors", "a2r025", "tiny_shakespeare")
    assert group.summary("val_loss_last").n == 2
