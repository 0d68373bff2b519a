"""Values as people type them: none in words, numbers that YAML reads as text, a key given twice."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import warm
from redrop.errors import ConfigError
from redrop.spec import RunSpec
from redrop.study import resolve
from redrop.verbs.shared import read_config
from redrop.yaml_files import read_yaml
from support import small_spec, values_of


@pytest.mark.parametrize("word", ["null", "Null", "NULL", "~", "", None])
@pytest.mark.parametrize("key", ["mirror", "label", "only"])
def test_none_in_words_is_none(key: str, word: str | None, project: Path) -> None:
    """As `snakemake --config mirror=null` hands it on."""
    config = read_config(['{"mirror": "/mirror", "label": "x", "only": ["residual"]}'], project)
    plan = resolve(config | {key: word}, project)
    if key == "only":
        assert len(plan.studies) > 1
    else:
        assert getattr(plan, key) is None


@pytest.mark.parametrize(("word", "kept"), [("true", True), ("false", False), (True, True), (None, None)])
def test_weights_are_kept_in_words(word: str | bool | None, kept: bool | None, project: Path) -> None:
    """As `snakemake --config keep_weights=true` hands it on; null is refused."""
    config = read_config(['{"only": ["translation"]}'], project) | {"keep_weights": word}
    if kept is None:
        with pytest.raises(ConfigError, match="keep_weights"):
            resolve(config, project)
    else:
        assert resolve(config, project).keep_weights is kept


@pytest.mark.parametrize("word", ["./null", "nil", "none", "nullable"])
def test_other_words_are_folders(word: str, project: Path) -> None:
    config = read_config(['{"only": ["residual"]}'], project)
    assert resolve(config | {"mirror": word}, project).mirror == word


def test_results_are_never_none(project: Path) -> None:
    config = read_config([], project)
    with pytest.raises(ConfigError, match="results"):
        resolve(config | {"results": None}, project)
    assert resolve(config | {"results": "null"}, project).results == Path("null")


@pytest.mark.parametrize(
    ("section", "key", "text", "remedy"),
    [
        ("schedule", "learning_rate", "1e-3", "write 1.0e-03, without quotes"),
        ("schedule", "learning_rate", "3E-4", "write 3.0e-04, without quotes"),
        ("schedule", "iterations", "1e4", "write 1.0e+04, without quotes"),
        ("schedule", "batch_size", "'8'", "leave out the quotes"),
        ("optimiser", "beta1", "'0.9'", "leave out the quotes"),
        ("model", "bias", "no", "put it in quotes"),
        ("model", "activation", "1", "put it in quotes"),
    ],
)
def test_a_value_that_yaml_reads_otherwise_is_explained(
    section: str, key: str, text: str, remedy: str
) -> None:
    values: dict[str, Any] = values_of(small_spec())
    values[section][key] = yaml.safe_load(text)
    with pytest.raises(ConfigError) as error:
        RunSpec.from_dict(values)
    assert f"{section}.{key}: " in str(error.value)
    assert remedy in str(error.value)
    if remedy.startswith("write"):  # and what it says to write is read as a number
        written = yaml.safe_load(remedy.split()[1].rstrip(","))
        assert written == pytest.approx(float(values[section][key]))


def test_a_key_given_twice_is_refused_by_the_workflow_as_by_the_verbs(project: Path, tmp_path: Path) -> None:
    file = tmp_path / "twice.yaml"
    file.write_text("only: [residual]\nlabel: one\nlabel: two\n")
    with pytest.raises(ConfigError, match=r"line 3: 'label' is given twice"):
        read_yaml(file)
    command = [warm.python(), "-m", "snakemake", "--snakefile", str(project / "Snakefile"), "--dry-run"]
    done = subprocess.run(
        [*command, "--configfile", str(file)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "line 3: 'label' is given twice" in done.stdout + done.stderr


def test_a_folder_that_cannot_be_worked_in_is_one_line(project: Path, tmp_path: Path) -> None:
    """As a checkout without write permission, or on a read-only disk: here a file stands in the way."""
    (tmp_path / ".snakemake").write_text("")
    command = [warm.python(), "-m", "snakemake", "--snakefile", str(project / "Snakefile"), "--dry-run"]
    config = project / "config/notebook.yaml"
    done = subprocess.run(
        [*command, "--configfile", str(config)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    printed = done.stdout + done.stderr
    assert f"{tmp_path}: nothing can be written there" in printed
    assert "--directory FOLDER" in printed
    assert "Traceback" not in printed
