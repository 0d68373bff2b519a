"""Every configuration file that the project offers resolves, to the runs that it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from redrop.cli import read_config
from redrop.study import Plan, resolve


def plan_of(project: Path, name: str) -> Plan:
    return resolve(read_config([str(project / "config" / name)], project), project)


@pytest.mark.parametrize(
    ("name", "runs"), [("demo.yaml", 104), ("notebook.yaml", 60), ("short.yaml", 50 + 24)]
)
def test_it_resolves(project: Path, name: str, runs: int) -> None:
    plan = plan_of(project, name)
    assert sum(len(specs) for specs in plan.specs.values()) == runs


def test_only_the_demo_is_marked_and_it_keeps_to_itself(project: Path) -> None:
    demo = plan_of(project, "demo.yaml")
    assert "DEMO" in demo.label
    assert str(demo.results) == "results/demo"
    for path in sorted((project / "config").glob("*.yaml")):
        if path.name not in ("demo.yaml", "claims.yaml"):
            plan = plan_of(project, path.name)
            assert (plan.label, str(plan.results)) == (None, "results")


def test_partial_configs_ask_for_runs_of_the_whole_one(project: Path) -> None:
    """What was trained with notebook.yaml is not trained again by config.yaml."""
    whole = plan_of(project, "config.yaml").specs["residual"]
    assert plan_of(project, "notebook.yaml").specs["residual"].keys() <= whole.keys()
