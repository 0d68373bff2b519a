"""GPUs as Snakemake sees them: counted on this machine, asked for by training, no matter for a cluster."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import warm
from redrop.errors import ConfigError
from redrop.verbs.shared import read_config

HERE = Path(__file__).parent
SETTINGS = {
    "model.n_layer": 1,
    "model.n_head": 1,
    "model.n_embd": 8,
    "model.block_size": 256,
    "schedule.iterations": 2,
    "evaluation.every": 2,
}
RUNS = 3
CONFIG = {
    "label": "TEST",
    "only": ["residual"],
    "studies": {
        "residual": [
            {
                "protocols": ["authors"],
                "configs": ["a2r025"],
                "seeds": list(range(RUNS)),
                "corpora": ["python_docs"],
                "settings": SETTINGS,
            }
        ]
    },
}


def snakemake(
    project: Path, folder: Path, *words: str, gpus: str, config: Any = CONFIG, code: int = 0, **more: str
) -> str:
    """Run Snakemake in ``folder`` on a machine with these ``gpus``; what it printed.

    It is a warm one, but for a plugin that this would not find.
    """
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    python = sys.executable if "--executor" in words else warm.python()
    command = [python, "-m", "snakemake", "--snakefile", str(project / "Snakefile")]
    command += ["--workflow-profile", str(project / "profiles/default"), "--configfile", "config.yaml"]
    places = {"REDROP_GPUS": gpus, "REDROP_LOCKS": str(folder / "locks")}
    command, environment = [*command, *words], os.environ | places | more
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def asked_for(printed: str) -> list[int]:
    """GPUs that each planned training job asks for."""
    return [int(n) for n in re.findall(r"^ +resources:.*\bgpu=(\d+)", printed, flags=re.MULTILINE)]


def provided(printed: str) -> int | None:
    """GPUs that Snakemake shares out among its jobs."""
    found = re.search(r'^Provided resources:.*gpu(?:=Resource\("gpu", |=)(\d+)', printed, flags=re.MULTILINE)
    return None if found is None else int(found[1])


def test_training_asks_for_a_gpu_where_there_is_one(project: Path, tmp_path: Path) -> None:
    assert asked_for(snakemake(project, tmp_path, "--dry-run", gpus="a,b")) == [1] * RUNS
    assert asked_for(snakemake(project, tmp_path, "--dry-run", gpus="")) == [0] * RUNS


def test_gpus_are_counted_times_the_jobs_that_share_one(project: Path, tmp_path: Path) -> None:
    target = ["--forcerun", "fetch", "--", "results/downloads/python_docs/source.json"]
    config = CONFIG | {"jobs_per_gpu": 3}
    printed = snakemake(project, tmp_path, *target, gpus="a,b", config=config)
    assert provided(printed) == 6
    assert "\nGPUs: 2, 3 jobs each\n" in printed
    printed = snakemake(project, tmp_path, "--resources", "gpu=1", *target, gpus="a,b", config=config)
    assert provided(printed) == 1
    printed = snakemake(project, tmp_path, *target, gpus="")
    assert provided(printed) is None
    assert "\nNo GPU, training runs on the CPU: REDROP_GPUS is ''" in printed


def test_jobs_a_gpu_are_at_least_one(project: Path) -> None:
    with pytest.raises(ConfigError, match="jobs_per_gpu: 0 is less than the minimum of 1"):
        read_config([json.dumps({"jobs_per_gpu": 0})], project)


@pytest.fixture(scope="module")
def prepared(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all is ready for training."""
    folder = tmp_path_factory.mktemp("prepared")
    snakemake(project, folder, "--", "results/data/python_docs/meta.json", gpus="")
    return folder


def test_as_many_jobs_at_a_time_as_there_are_gpus(project: Path, prepared: Path, tmp_path: Path) -> None:
    """The real workflow with real training, but for torch, which must compute on the CPU."""
    copy, folder, events = tmp_path / "project", tmp_path / "folder", tmp_path / "events"
    shutil.copytree(prepared, folder)
    for part in ("workflow", "config", "profiles", "src"):
        shutil.copytree(project / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "Snakefile", copy)
    rule = copy / "workflow/rules/train.smk"
    text = rule.read_text()
    assert text.count("python -P -m redrop train") == 1
    rule.write_text(text.replace("python -P -m redrop train", f"python {HERE}/train_on_fake_gpu.py train"))
    words = ["--cores", "4", "--until", "train"]
    printed = snakemake(copy, folder, *words, gpus="a,b", EVENTS=str(events))
    assert provided(printed) == 2
    at_once, most, begun = dict.fromkeys(("job", "a", "b"), 0), 0, {"job": 0, "a": 0, "b": 0}
    for event, what in (line.split() for line in events.read_text().splitlines()):
        at_once[what] += 1 if event == "begin" else -1
        begun[what] += event == "begin"
        most = max(most, at_once["job"])
        assert max(at_once["a"], at_once["b"]) <= 1
    assert most <= 2
    assert begun["job"] == begun["a"] + begun["b"] == RUNS
    assert len(list(folder.glob("results/runs/residual/*/metrics.json"))) == RUNS


@pytest.mark.parametrize(("words", "gpu"), [([], 0), (["--set-resources", "train:gpu=1"], 1)])
def test_gpus_of_this_machine_do_not_matter_to_a_cluster(
    words: list[str], gpu: int, project: Path, prepared: Path, tmp_path: Path
) -> None:
    """One GPU here, and still all jobs are submitted at once, with what the profile asks for."""
    shutil.copytree(prepared, tmp_path / "folder")
    submitted, path = tmp_path / "submitted", f"{HERE / 'plugins'}:{os.environ.get('PYTHONPATH', '')}"
    cluster = ["--executor", "elsewhere", "--jobs", "10", "--until", "train", *words]
    more = {"SUBMITTED": str(submitted), "PYTHONPATH": path}
    snakemake(project, tmp_path / "folder", *cluster, gpus="a", code=1, **more)
    notes = [json.loads(line) for line in submitted.read_text().splitlines()]
    jobs = [note for note in notes if "rule" in note]
    assert [(job["rule"], job["gpu"]) for job in jobs] == [("train", gpu)] * RUNS
    assert max(note["at_once"] for note in notes if "at_once" in note) == RUNS
