"""``--set``: any setting of a run on the command line, of a config's runs and of one that is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from redrop.cli import main
from redrop.errors import ConfigError
from redrop.spec import RunSpec
from redrop.verbs.shared import read_settings
from support import small_spec

TWO = json.dumps(
    {
        "only": ["residual", "glue"],
        "studies": {
            "residual": [
                {"protocols": ["matched"], "configs": ["skip1-0"], "seeds": [1], "corpora": ["python_docs"]}
            ],
            "glue": [{"protocols": ["toy"], "configs": ["ce"], "seeds": [1], "tasks": ["toy_pairs"]}],
        },
    }
)


def test_values_are_yamls() -> None:
    texts = [
        "a.b=3e-4",
        "a.c=.5E+1",
        "a.d=7",
        "a.e=null",
        "a.f = true",
        "a.g=pre_norm",
        "a.h='1e5'",
        "a.i=1=2",
    ]
    found = read_settings(texts)
    assert found == {
        "a.b": 0.0003, "a.c": 5.0, "a.d": 7, "a.e": None, "a.f": True, "a.g": "pre_norm", "a.h": "1e5",
        "a.i": "1=2",
    }  # fmt: skip
    assert isinstance(found["a.d"], int)


@pytest.mark.parametrize("text", ["schedule.learning_rate", "=3", "a.b=[1"])
def test_what_is_no_setting_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        read_settings([text])


def test_a_run_with_other_settings_is_another_run() -> None:
    spec = small_spec()
    other = spec.with_settings({"schedule.learning_rate": 3e-4, "objective.passes": "mean", "seed": 7})
    assert (other.schedule.learning_rate, other.seed, other.config) == (3e-4, 7, spec.config)
    assert other.hash8 != spec.hash8
    assert other == RunSpec.from_dict(other.to_dict())
    assert spec.with_settings({}) == spec
    assert spec.with_settings({"schedule.learning_rate": spec.schedule.learning_rate}).run == spec.run


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule.learning_rat": 1}, r"schedule\.learning_rat: unknown setting .*'learning_rate'"),
        ({"schedul.learning_rate": 1}, "schedul: unknown setting .*did you mean 'schedule'"),
        ({"seed.first": 1}, "seed is no section"),
        ({"model": 3}, "model: 3 is not a mapping"),
        ({"model.mlp_dropout": 2}, r"model\.mlp_dropout: 2\.0 is out of range"),
    ],
)
def test_an_unknown_setting_or_value_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        small_spec().with_settings(changes)


def planned(capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: str) -> dict[str, dict[str, object]]:
    """What ``redrop plan`` says of each study."""
    results = json.dumps({"results": str(tmp_path)})
    main(["plan", "--config", TWO, results, "--json", "--no-calibrate", *words])
    return {one["study"]: one for one in json.loads(capsys.readouterr().out)["studies"]}


def test_plan_takes_settings_of_a_study(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = planned(capsys, tmp_path, "--study", "residual", "--set", "schedule.iterations=123")
    assert {name: one["iterations"] for name, one in found.items()} == {"residual": 123}
    both = planned(capsys, tmp_path, "--set", "schedule.learning_rate=3e-4", "--set", "optimiser.eps=1e-7")
    assert both.keys() == {"residual", "glue"}


def test_plan_refuses_what_a_study_does_not_have(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        planned(capsys, tmp_path, "--set", "schedule.iterations=123")
    assert "study glue, toy/ce: schedule.iterations: unknown setting" in str(refused.value)
