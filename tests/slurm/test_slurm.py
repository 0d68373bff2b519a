"""A study on a real SLURM, through the profile: two GPUs, a cancelled and a requeued job.

`cluster.py` starts a SLURM of one node on the loopback; where that is not possible the test is skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from redrop.study import resolve
from redrop.verbs.shared import read_config
from slurm.cluster import TIED, NotStarted, cluster, command, why_not
from slurm.watch import Watch, training

ITERATIONS = 600
COMPUTED_SECONDS = 1.0
"""A job is interrupted when it has computed this long for its run, a fifth of it."""
STUDY = {
    "protocols": ["authors"],
    "configs": ["a2r025", "a2r0_4", "a0r0", "a2r0"],
    "seeds": [1],
    "corpora": ["python_docs"],
    "settings": {
        "model.n_layer": 2,
        "model.n_head": 2,
        "model.n_embd": 32,
        "model.block_size": 32,
        "schedule.iterations": ITERATIONS,
        "evaluation.every": ITERATIONS,
    },
}
SHORT = STUDY | {"seeds": [2], "settings": STUDY["settings"] | {"schedule.iterations": 20}}
CONFIG = {"label": "TEST", "only": ["residual"], "studies": {"residual": [STUDY, SHORT]}}
RUNS_CSV = "results/residual/runs.csv"
SAFETY_SECONDS = 1500.0
"""Nothing here takes as long; what hangs is ended and the test fails."""

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def slurm() -> Iterator[Path]:
    """A running cluster, or a skip that says why there is none."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(cluster())
        except NotStarted as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"SLURM: {error}")
        yield folder


@contextmanager
def workflow_of(
    config: dict[str, Any], folder: Path, project: Path, *words: str
) -> Iterator[subprocess.Popen]:
    """Snakemake with the profile in ``folder``; what it prints is in printed.txt."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    command = [*TIED, sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile")]
    command += ["--workflow-profile", str(project / "profiles/slurm"), "--configfile", "config.yaml"]
    command += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "2"]
    command += words
    environment = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    with (folder / "printed.txt").open("w") as printed:
        workflow = subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=printed)
        try:
            yield workflow
        finally:
            workflow.kill()
            workflow.wait()


def iteration_of(checkpoint: Path) -> int:
    """The iteration that a checkpoint is at; 0 if there is none."""
    try:
        with checkpoint.open("rb") as file:
            return json.loads(file.readline())["iteration"]
    except FileNotFoundError:
        return 0


@dataclass
class Interruption:
    """What was done to the workflow's jobs."""

    jobs: list[str] = field(default_factory=list)
    """Every SLURM job that was interrupted."""
    kept: dict[str, int] = field(default_factory=dict)
    """Runs that were interrupted in the middle, and the iteration of the checkpoint that was left."""

    def try_one(self, folder: Path, how: tuple[str, ...]) -> bool:
        """Interrupt a job that trains a long run; False if none does, or if it was not in the middle."""
        for process in training(folder):
            log = folder / f"results/logs/residual/{process.run}.log"
            found = re.findall(r"^(\S+-s1-\S+) on cpu", log.read_text() if log.exists() else "", re.M)
            begun = process.cpu_seconds()
            if process.job in self.jobs or not found or begun is None:
                continue
            while process.alive() and (process.cpu_seconds() or begun) < begun + COMPUTED_SECONDS:
                time.sleep(0.05)
            command(*how, process.job, check=False)
            self.jobs.append(process.job)
            while process.alive():
                time.sleep(0.05)
            kept = iteration_of(folder / f"results/checkpoints/residual/{found[-1]}/last.pt")
            if 0 < kept < ITERATIONS:
                self.kept[found[-1]] = kept
                return True
        return False


def states() -> dict[str, str]:
    """Every SLURM job, and what became of it."""
    return dict(
        line.split()
        for line in command("squeue", "--noheader", "--states=all", "--format=%i %T").splitlines()
    )


def test_a_study_with_a_cancelled_and_a_requeued_job(slurm: Path, project: Path, tmp_path: Path) -> None:
    folder = tmp_path.resolve()
    watch, cancelled, requeued = Watch(folder), Interruption(), Interruption()
    watch.start()
    with workflow_of(CONFIG, folder, project, RUNS_CSV) as workflow:
        try:
            while workflow.poll() is None and not requeued.kept:
                if not cancelled.kept:
                    cancelled.try_one(folder, ("scancel",))
                else:
                    requeued.try_one(folder, ("scontrol", "requeue"))
                time.sleep(0.2)
            workflow.wait(timeout=SAFETY_SECONDS)
        finally:
            watch.stop()
    said = (folder / "printed.txt").read_text()
    assert workflow.returncode == 0, said[-8000:]
    assert "\nlocalrule fetch:" in said, "downloads belong on the head node, which has a network"
    assert "\nrule prepare:" in said
    assert cancelled.kept, "no job could be cancelled in the middle of its run"
    assert requeued.kept, "no job could be requeued in the middle of its run"
    check_jobs(cancelled.jobs, requeued.jobs)
    check_devices(watch)
    interrupted = cancelled.kept | requeued.kept
    assert set(interrupted.items()) <= watch.resumed
    check_results(folder, project, set(interrupted))


def check_jobs(cancelled: list[str], requeued: list[str]) -> None:
    """All SLURM jobs ended well but the cancelled ones; the requeued ones are the same jobs as before."""
    ended = states()
    assert {ended.pop(job) for job in cancelled} <= {"CANCELLED", "COMPLETED"}
    assert set(ended.values()) == {"COMPLETED"}
    restarts = [command("scontrol", "--oneliner", "show", "job", job) for job in requeued]
    assert any("Restarts=1" in line for line in restarts)


def check_devices(watch: Watch) -> None:
    """Every process has one device, offline; no two of one moment have the same."""
    for process in watch.seen:
        assert process.device in ("0", "1")
        assert process.environment["HF_HUB_OFFLINE"] == "1"
    for moment in watch.moments:
        devices = [process.device for process in moment]
        assert len(set(devices)) == len(devices), moment
    assert any(len(moment) == 2 for moment in watch.moments)


def check_results(folder: Path, project: Path, interrupted: set[str]) -> None:
    """All runs have a result; the interrupted ones the bytes of a run without SLURM."""
    plan = resolve(read_config([json.dumps(CONFIG)], project), project)
    runs = folder / "results/runs/residual"
    assert {path.parent.name for path in runs.glob("*/metrics.json")} == set(plan.runs["residual"])
    for run in interrupted:
        words = ["train", "--spec", str(runs / run / "spec.json"), "--out", f"alone/{run}"]
        subprocess.run([sys.executable, "-m", "redrop", *words], cwd=folder, check=True, capture_output=True)
        assert (runs / run / "metrics.json").read_bytes() == (
            folder / f"alone/{run}/metrics.json"
        ).read_bytes()


def test_short_runs_as_an_array(slurm: Path, project: Path, tmp_path: Path) -> None:
    """As the profile's comment says."""
    folder = tmp_path.resolve()
    short = SHORT | {"configs": ["a2r025", "a0r0"]}
    config = CONFIG | {"studies": {"residual": [short]}}
    words = ["--until", "train", "--slurm-array-jobs", "train", "--keep-incomplete", "--latency-wait", "300"]
    with workflow_of(config, folder, project, *words) as workflow:
        workflow.wait(timeout=SAFETY_SECONDS)
    assert workflow.returncode == 0, (folder / "printed.txt").read_text()[-8000:]
    assert len(list(folder.glob("results/runs/residual/*/metrics.json"))) == 2
    tasks = {job: state for job, state in states().items() if "_" in job}
    assert sorted(tasks.values()) == ["COMPLETED"] * 2
