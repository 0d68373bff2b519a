"""The command as a person meets it: what it leaves behind, and what it says when something is wrong."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from redrop.cli import main
from redrop.data.corpus import prepare_corpus
from redrop.record import read_record
from support import small_spec, toy_text

FILES = {"spec.json", "metrics.json", "curve.jsonl", "provenance.json"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of prepared data in which Tiny Shakespeare is a generated text."""
    folder = tmp_path / "data" / "tiny_shakespeare"
    prepare_corpus(toy_text(6000, 0), folder, name="tiny_shakespeare", origin="generated", edition="toy")
    return tmp_path / "data"


def train_arguments(spec_text: str, out: Path, data: Path) -> list[str]:
    return ["train", "--spec", spec_text, "--out", str(out), "--data", str(data), "--device", "cpu"]


def test_a_spec_file_alone_reproduces_the_run(data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    main(train_arguments(small_spec("a2r2_4").to_json(), first, data))
    assert {path.name for path in first.iterdir()} == FILES
    main(train_arguments(str(first / "spec.json"), second, data))
    assert (first / "metrics.json").read_bytes() == (second / "metrics.json").read_bytes()
    assert (first / "curve.jsonl").read_bytes() == (second / "curve.jsonl").read_bytes()
    provenance = json.loads((first / "provenance.json").read_text())
    assert provenance["data"]["origin"] == "generated"
    assert provenance["iterations"] == 12
    text = (first / "metrics.json").read_text()
    assert str(tmp_path) not in text
    assert read_record(first).data["edition"] == "toy"


def test_a_finished_run_is_not_trained_again(data: Path, tmp_path: Path) -> None:
    arguments = train_arguments(small_spec().to_json(), tmp_path / "run", data)
    main(arguments)
    before = (tmp_path / "run" / "provenance.json").stat().st_mtime_ns
    main(arguments)
    assert (tmp_path / "run" / "provenance.json").stat().st_mtime_ns == before


def complaint(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    """The one line that the command ends with."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert isinstance(end.value.code, str)
    assert "\n" not in end.value.code
    return end.value.code


def test_faults_are_one_line_that_names_the_thing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = small_spec()
    main(train_arguments(spec.to_json(), tmp_path / "run", data))
    other = small_spec(seed=2).to_json()
    assert spec.run in complaint(capsys, train_arguments(other, tmp_path / "run", data))
    assert "none.json" in complaint(capsys, train_arguments("none.json", tmp_path / "x", data))
    assert "not JSON" in complaint(capsys, train_arguments("{", tmp_path / "x", data))
    arguments = train_arguments(other, tmp_path / "x", data)
    assert "quantum" in complaint(capsys, [*arguments[:-1], "quantum"])
    (data / "tiny_shakespeare" / "val.npy").write_bytes(b"")
    assert "val.npy" in complaint(capsys, train_arguments(other, tmp_path / "x", data))
    unknown = ["fetch", "tiny_shakespear", "--to", str(tmp_path)]
    assert "tiny_shakespeare" in complaint(capsys, unknown)
    assert not (tmp_path / "x" / "metrics.json").exists()


def test_a_config_file_is_read_over_the_default_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    over = tmp_path / "mine.yaml"
    selection = {"protocols": ["authors"], "seeds": [1, 2], "corpora": ["python_docs"], "configs": ["a0r0"]}
    over.write_text(yaml.safe_dump({"studies": {"residual": [selection]}}))
    main(["plan", "--config", str(over)])
    printed = capsys.readouterr().out
    assert "residual" in printed
    assert "2" in printed
    over.write_text("studies: {residual: [{protocols: [authors]}]}")
    assert "seeds" in complaint(capsys, ["plan", "--config", str(over)])


def test_a_study_without_a_folder_is_not_collected_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs" / "residual").mkdir(parents=True)
    words = ["collect", "--results", str(tmp_path), "--out", str(tmp_path / "runs.csv"), "--study"]
    main([*words, "residual"])
    assert "0 runs" in capsys.readouterr().out
    assert "'resdual' has no runs" in (said := complaint(capsys, [*words, "resdual"]))
    assert "did you mean 'residual'" in said


def test_claims_are_those_of_the_published_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = project / "results" / "published" / "residual"
    main(["claims", "--study", "residual", "--results", str(folder), "--all-runs"])
    printed = capsys.readouterr().out
    with (folder / "tables" / "claims.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert f"{row['text']} ({row['source']})\n    as published: {row['verdict_as_published']}" in printed
        if row["verdict_at_this_scale"]:
            assert f"    here: {row['verdict_at_this_scale']} ({row['protocol']}, {row['task']}" in printed


def test_help_and_parsing_import_no_torch() -> None:
    code = "import sys; from redrop import cli, study, data; cli.parser(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
