"""``redrop answers``: the demo's are the same on every processor, and what differs is named."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest

from redrop.cli import main
from redrop.record import read_json, write_json
from redrop.report.answers import disagreements, without_numbers
from report_support import invent, plan_of

EXPECTED = "tests/golden/demo-answers.json"
FOUND = {
    "label": None,
    "claims": {
        "residual/one": {
            "verdict": "mixed",
            "verdict_as_published": "not run as published",
            "budget": "5,000 iterations",
            "metric": "val_loss_last",
            "comparisons": {"a over b": {"difference": 0.5, "interval": [0.1, 0.9], "n": 5, "places": 2}},
        }
    },
}


def test_the_demos_answers_do_not_depend_on_its_numbers(
    tmp_path: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two seeds decide nothing: the runs here have invented numbers, and the expected answers fit them.

    But for what the invented curves do not hold. Where claims have changed: make demo, then
    python tests/golden/renew_demo_answers.py
    """
    expected = read_json(project / EXPECTED)
    of_curves = ("iterations_to_", "gradient_flow")
    claims = expected["claims"].items()
    expected["claims"] = {name: one for name, one in claims if not one["metric"].startswith(of_curves)}
    assert len(expected["claims"]) > 40
    write_json(tmp_path / "expected.json", expected)
    plan = plan_of(project, str(project / "config/demo.yaml"))
    invent(tmp_path / "runs", [spec for specs in plan.specs.values() for spec in specs.values()])
    out = tmp_path / "answers.json"
    words = ["answers", "--results", str(tmp_path), "--config", str(project / "config/demo.yaml")]
    main([*words, "--out", str(out), "--expected", str(tmp_path / "expected.json")])
    assert "all as in" in capsys.readouterr().out
    made = read_json(out)
    assert made["label"] == "DEMO: toy size, not a result"
    claim = made["claims"]["residual/skip1-control"]
    assert (claim["verdict"], claim["budget"], claim["unit"]) == ("undecided", "100 iterations", "nats")
    (numbers,) = claim["comparisons"].values()
    spec = {config: plan_specs(plan, config) for config in ("skip1-0", "skip1-0.025")}
    losses = [[last_loss(tmp_path, run) for run in spec[config]] for config in spec]
    mean = sum(worse - better for better, worse in zip(*losses, strict=True)) / 2
    assert numbers["difference"] == pytest.approx(mean, rel=1e-4)
    assert numbers["interval"] is None  # two seeds
    assert numbers["n"] == 2


def plan_specs(plan: object, config: str) -> list[str]:
    """Ids of a matched configuration's runs, by seed."""
    specs = [spec for spec in plan.specs["residual"].values() if spec.protocol == "matched"]
    return [spec.run for spec in sorted(specs, key=lambda one: one.seed) if spec.config == config]


def last_loss(folder: Path, run: str) -> float:
    """What a run's metrics say."""
    document = json.loads((folder / "runs/residual" / run / "metrics.json").read_text())
    return document["metrics"]["val_loss_last"]["value"]


def test_numbers_may_differ_and_verdicts_may_not() -> None:
    other = copy.deepcopy(FOUND)
    other["claims"]["residual/one"]["comparisons"]["a over b"].update(difference=0.4, interval=None)
    assert disagreements(FOUND, other) == []
    assert "difference" not in json.dumps(without_numbers(other))
    other["claims"]["residual/one"].update(verdict="supported")
    other["claims"]["residual/one"]["comparisons"]["a over b"].update(n=6)
    other["claims"]["residual/two"] = other["claims"]["residual/one"]
    other["label"] = "x"
    lines = disagreements(FOUND, other)
    assert lines[:2] == ["label: None, expected 'x'", "residual/one: verdict: 'mixed', expected 'supported'"]
    assert lines[2].startswith("residual/one: comparisons: {'a over b': {'n': 5,")
    assert lines[3:] == ["residual/two: no such claim"]
    other["claims"] = {}
    other["label"] = None
    assert disagreements(FOUND, other) == []  # a claim may have come since


def test_other_answers_than_expected_end_in_a_failure(tmp_path: Path, project: Path) -> None:
    (tmp_path / "runs").mkdir()
    words = ["answers", "--results", str(tmp_path), "--config", str(project / "config/demo.yaml")]
    with pytest.raises(SystemExit, match="expected 'undecided'"):
        main([*words, "--out", str(tmp_path / "a.json"), "--expected", str(project / EXPECTED)])
    assert (tmp_path / "a.json").exists()


def test_reproduce_names_configs_that_are_there(project: Path) -> None:
    text = (project / "reproduce.sh").read_text()
    named = set(re.findall(r"\b(?:config|tests|results)/[\w./-]+\.(?:yaml|json)", text))
    made = {"results/answers.json", "results/demo/answers.json"}
    assert len(named) > 6
    assert [name for name in sorted(named - made) if not (project / name).is_file()] == []
