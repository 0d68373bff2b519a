"""The environment files agree with requirements.lock, and each is enough for its rules."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from redrop.study import make_spec
from support import PROJECT, SMALL, STUDY

WHOLE, TRAIN, REPORT = "environment.yml", "workflow/envs/train.yaml", "workflow/envs/report.yaml"
FILES = (WHOLE, TRAIN, REPORT)
ON_PYPI = {
    "matplotlib-base": "matplotlib",
    "seaborn-base": "seaborn",
    "snakemake-minimal": "snakemake",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
}
"""Name on conda-forge or bioconda -> name on PyPI, where they differ."""
TOOLS = {"python", "pip"}
"""In the environment files, but no packages of the lock."""


@cache
def locked(path: Path) -> dict[str, str]:
    """Package -> version of a lock file."""
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version.strip() for name, version in pairs}


def versions(file: str) -> dict[str, str]:
    """Package, as PyPI calls it -> version, of the conda and of the pip part; empty where none is given."""
    found = {}
    for entry in yaml.safe_load((PROJECT / file).read_text())["dependencies"]:
        for line in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, _, version = line.split("::")[-1].partition("=")
            found[canonicalize_name(ON_PYPI.get(name, name))] = version.lstrip("=")
    return found


def project() -> dict:
    """The [project] table of pyproject.toml."""
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]


def requirements() -> list[Requirement]:
    """What pyproject.toml says that redrop needs."""
    return [Requirement(line) for line in project()["dependencies"]]


@pytest.mark.parametrize("file", FILES)
def test_every_version_is_that_of_the_lock(file: str) -> None:
    lock = locked(PROJECT / "requirements.lock")
    for name, version in versions(file).items():
        if name not in TOOLS:
            assert name in lock, f"{file}: {name} is not in requirements.lock"
            assert version == lock[name], f"{file}: {name}"


@pytest.mark.parametrize("file", FILES)
def test_the_python_is_one_that_redrop_runs_on(file: str) -> None:
    wanted = Requirement(f"python{project()['requires-python']}").specifier
    assert Version(versions(file)["python"] + ".0") in wanted


def test_the_lock_has_what_pyproject_asks_for_in_versions_that_it_allows() -> None:
    lock = locked(PROJECT / "requirements.lock")
    extras = [Requirement(line) for name in ("dev", "slurm") for line in project_extra(name)]
    for requirement in [*requirements(), *extras]:
        name = canonicalize_name(requirement.name)
        assert name in lock, f"requirements.lock lacks {name}"
        assert Version(lock[name]) in requirement.specifier, f"{name} {lock[name]}"


def project_extra(name: str) -> list[str]:
    """What an extra of pyproject.toml asks for; none where there is no such extra."""
    return project()["optional-dependencies"].get(name, [])


def test_the_environment_has_what_pyproject_asks_for() -> None:
    needed = {canonicalize_name(requirement.name) for requirement in requirements()}
    assert needed <= versions(WHOLE).keys()
    # Rules need no Snakemake, no screen and no doctor: these are outside of their environments.
    assert needed - {"snakemake", "rich", "packaging"} <= versions(TRAIN).keys() | versions(REPORT).keys()
    assert versions(TRAIN).keys() | versions(REPORT).keys() <= versions(WHOLE).keys() | {"tabulate"}


def test_reports_need_no_torch_and_training_no_plots() -> None:
    assert not {"torch", "transformers", "tokenizers", "huggingface-hub"} & versions(REPORT).keys()
    assert not {"matplotlib", "seaborn"} & versions(TRAIN).keys()


def modules_without(file: str) -> list[str]:
    """Top-level modules of the packages that redrop needs and ``file`` has not, nor what it brings along."""
    brought, waiting = set(), [name for name in versions(file) if name not in TOOLS]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in brought:
            continue
        brought.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for requirement in map(Requirement, lines):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    absent = {canonicalize_name(requirement.name) for requirement in requirements()} - brought
    owners = metadata.packages_distributions()
    return [module for module, names in owners.items() if {canonicalize_name(n) for n in names} <= absent]


RUN = """
import json, sys
from importlib.machinery import PathFinder

class Installed(PathFinder):
    absent = set(json.loads(sys.argv[1]))
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in cls.absent else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
from redrop.cli import main
for arguments in json.loads(sys.argv[2]):
    main(arguments)
"""


def run_without(modules: list[str], *commands: list[str]) -> None:
    """Run redrop's commands in a Python that has not these modules."""
    words = [sys.executable, "-c", RUN, json.dumps(modules), json.dumps(commands)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_report_environment_is_enough_to_report(tmp_path: Path) -> None:
    absent = modules_without(REPORT)
    assert "torch" in absent
    assert "numpy" not in absent
    results = str(PROJECT / "results" / "published" / "residual")
    for run in Path(results, "runs").glob("notebook-res1-*"):
        shutil.copytree(run, tmp_path / "few/runs/residual" / run.name)
    short = ["--study", "residual", "--results", str(tmp_path / "few"), "--all-runs"]
    run_without(
        absent,
        ["collect", "--results", results, "--out", str(tmp_path / "runs.csv")],
        ["table", *short, "--out", str(tmp_path / "tables"), "replication"],
        ["figure", *short, "--out", str(tmp_path / "figures"), "final-loss"],
    )
    assert (tmp_path / "runs.csv").read_bytes() == Path(results, "runs.csv").read_bytes()
    assert any((tmp_path / "figures").iterdir())


def test_the_train_environment_is_enough_to_train(tmp_path: Path) -> None:
    absent = modules_without(TRAIN)
    assert {"matplotlib", "seaborn"} <= set(absent)
    assert "torch" not in absent
    spec = make_spec(STUDY, "authors", "a2r025", "python_docs", 1, SMALL).to_json()
    out = tmp_path / "run"
    command = ["train", "--spec", spec, "--out", str(out), "--data", str(tmp_path / "data")]
    run_without(absent, [*command, "--device", "cpu"])
    assert (out / "metrics.json").exists()
