"""Each check of `redrop doctor`, well and ill, with fakes for drivers, schedulers and networks."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import tomllib
from pathlib import Path

import pytest
import requests
import torch
from packaging.specifiers import SpecifierSet

from redrop.cli import main
from redrop.runtime import doctor
from redrop.runtime.doctor import OK, PROBLEM, WARNING
from redrop.runtime.nvml import Driver, Gpu
from redrop.runtime.profiles import job_memory_mb, read_profile
from redrop.study import resolve
from redrop.verbs.shared import read_config
from support import PROJECT, make_mirror

H100 = Driver((Gpu("NVIDIA H100", 81559),), (12, 4))
NO_GPU = Driver((), (12, 4))


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def tool(folder: Path, name: str, script: str) -> None:
    """A command that answers as the script says; written for /bin/sh alone."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "state"), [((3, 10, 9), PROBLEM), ((3, 11, 0), OK), ((3, 13, 5), OK), ((3, 14, 0), PROBLEM)]
)
def test_python(version: tuple[int, ...], state: str) -> None:
    assert doctor.check_python(version).state == state


def test_the_versions_are_those_of_pyproject() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    said = doctor.check_python((2, 7)).said
    assert SpecifierSet(said.split("needs ")[1]) == SpecifierSet(project["requires-python"])
    (snakemake,) = (word for word in project["dependencies"] if word.startswith("snakemake"))
    assert SpecifierSet(snakemake.removeprefix("snakemake")) == doctor._needed()["snakemake"].specifier


@pytest.mark.parametrize(
    ("cuda", "available", "driver", "cluster", "state", "said"),
    [
        (None, False, None, False, OK, "CPU only"),
        (None, False, NO_GPU, False, OK, "CPU only"),
        (None, False, H100, False, PROBLEM, "lists GPUs here (1)"),
        (None, False, None, True, WARNING, "GPU nodes"),
        ("12.4", True, H100, False, OK, "CUDA 12.4"),
        ("12.1", True, H100, True, OK, "CUDA 12.1"),
        ("12.8", True, H100, False, WARNING, "newer than the driver's 12.4"),
        ("13.0", False, H100, False, PROBLEM, "newer than the driver's 12.4"),
        ("12.4", False, H100, False, PROBLEM, "cannot use"),
        ("12.4", False, None, True, OK, "CUDA 12.4"),
    ],
)
def test_torch_against_the_driver(
    cuda: str | None, available: bool, driver: Driver | None, cluster: bool, state: str, said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    check = doctor.check_torch(driver, on_cluster=cluster)
    assert (check.state, said in check.said) == (state, True)
    assert bool(check.fix) == (state != OK)
    if "force-reinstall" in check.fix:
        assert f"torch=={torch.__version__.split('+')[0]}" in check.fix


def test_a_torch_that_cannot_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    check = doctor.check_torch(None)
    assert check.state == PROBLEM
    assert "requirements.lock" in check.fix


def test_devices_are_listed() -> None:
    assert "80 GiB" in doctor.check_devices(H100, 4).said
    assert "no GPU; 4 processor cores" in doctor.check_devices(None, 4).said


def test_memory() -> None:
    assert doctor.check_memory(32_000, ["residual"], 4, True).state == OK
    assert doctor.check_memory(32_000, ["residual", "glue"], 4, True).state == WARNING
    assert "mem_mb=32000" in doctor.check_memory(32_000, ["glue"], 4, True).fix
    assert doctor.check_memory(8_000, ["glue"], 1, True).state == WARNING
    assert doctor.check_memory(8_000, ["glue"], None, False).state == OK
    assert doctor.check_memory(None, ["glue"], 1, True).state == WARNING
    assert doctor.check_memory(1_000, [], 1, True).state == OK
    assert doctor.memory_mb() > 100


def test_the_memory_of_jobs_is_what_the_rule_asks_for() -> None:
    rule = (PROJECT / "workflow" / "rules" / "train.smk").read_text()
    assert "mem_mb=lambda wildcards, attempt: job_memory_mb(wildcards.study) * attempt," in rule
    assert [job_memory_mb(study) for study in ("residual", "glue")] == [2000, 12_000]


def version_is(monkeypatch: pytest.MonkeyPatch, **versions: str | None) -> None:
    """Pretend that packages are installed in these versions, or not at all; the others are as they are."""
    real = importlib.metadata.version

    def fake(name: str) -> str:
        found = versions.get(name.replace("-", "_"), real)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name) if found is real else found

    monkeypatch.setattr(doctor.importlib.metadata, "version", fake)


def test_snakemake(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_snakemake().state == OK
    for version in ("8.30.0", "9.2", "10.0.1", None):
        version_is(monkeypatch, snakemake=version)
        assert doctor.check_snakemake().state == PROBLEM
    version_is(monkeypatch, snakemake="9.16.1")
    assert doctor.check_snakemake().state == OK


def test_the_executor_of_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_plugin(None) is None
    assert doctor.check_plugin("local") is None
    version_is(monkeypatch, snakemake_executor_plugin_slurm="2.8.0")
    assert doctor.check_plugin("slurm").state == OK
    version_is(monkeypatch, snakemake_executor_plugin_slurm=None)
    check = doctor.check_plugin("slurm")
    assert (check.state, check.fix) == (
        PROBLEM, "python -m pip install snakemake-executor-plugin-slurm"
    )  # fmt: skip


def test_packages_against_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = {name: importlib.metadata.version(name) for name in ("numpy", "torch", "pytest")}
    lock = tmp_path / "requirements.lock"
    lines = [f"{name}=={version.split('+')[0]}" for name, version in here.items()]
    lock.write_text("\n".join(["# a comment", *lines, "not_installed_here==1.0"]))
    assert doctor.check_packages(tmp_path).state == OK  # a package of the lock that nothing needs may miss
    version_is(monkeypatch, numpy="1.0")
    check = doctor.check_packages(tmp_path)
    assert (check.state, "numpy 1.0 (locked:" in check.said) == (WARNING, True)
    version_is(monkeypatch, numpy=None)
    check = doctor.check_packages(tmp_path)
    assert (check.state, check.said) == (PROBLEM, "missing: numpy")
    lock.unlink()
    assert doctor.check_packages(tmp_path).state == WARNING


def test_the_mirror(tmp_path: Path) -> None:
    assert doctor.check_mirror(None) is None
    mirror = make_mirror(tmp_path / "mirror", {"a.txt": b"a", "b.txt": b"b"})
    assert "2 files" in doctor.check_mirror(str(mirror)).said
    (mirror / "SHA256SUMS").unlink()
    check = doctor.check_mirror(str(mirror))
    assert (check.state, "sha256sum" in check.fix) == (PROBLEM, True)


def test_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    asked: list[str] = []

    def answers(status: int):
        def ask(url: str) -> int:
            asked.append(url)
            return status

        return ask

    def silent(url: str) -> int:
        raise requests.ConnectTimeout(url)

    assert doctor.check_network([], silent).state == OK
    needs = ["glue_rte", "glue_cola", "tiny_shakespeare", "bert-base-uncased", "minilm"]
    assert doctor.check_network(needs, answers(200)).state == OK
    hosts = [url.split("/")[2] for url in asked]
    assert sorted(hosts) == ["huggingface.co", "raw.githubusercontent.com"]  # each host once
    check = doctor.check_network(needs, answers(503))
    assert (check.state, "huggingface.co (answers 503)" in check.said) == (PROBLEM, True)
    check = doctor.check_network(needs, silent)
    assert (check.state, "ConnectTimeout" in check.said) == (PROBLEM, True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    check = doctor.check_network(needs, silent)
    assert (check.state, "not tried" in check.said, "REDROP_MIRROR" in check.fix) == (WARNING, True, True)


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000_000_000)
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: usage)
    folder = tmp_path / "not" / "there"
    assert doctor.check_disk(folder, 10**9, exact=True).state == OK
    assert doctor.check_disk(folder, 90 * 10**9, exact=True).state == WARNING
    assert doctor.check_disk(folder, 82 * 10**9, exact=False).state == WARNING
    assert doctor.check_disk(folder, 101 * 10**9, exact=True).state == PROBLEM


def test_the_results_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_writable(tmp_path / "results").state == OK
    assert list(tmp_path.iterdir()) == []

    def refused(**options: object) -> None:  # a mode alone does not stop the superuser
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", refused)
    check = doctor.check_writable(tmp_path / "results")
    assert (check.state, "Permission denied" in check.said) == (PROBLEM, True)


def test_slurm(tools: Path) -> None:
    assert doctor.check_slurm(wanted=False).state == OK
    assert doctor.check_slurm(wanted=True).state == PROBLEM
    tool(tools, "sinfo", 'echo "main* up 4 gpu:2"')
    assert "main* up 4 gpu:2" in doctor.check_slurm(wanted=True).said
    tool(tools, "sinfo", 'echo "slurm_load_partitions: Unable to contact slurm controller" >&2; exit 1')
    check = doctor.check_slurm(wanted=True)
    assert (check.state, "Unable to contact" in check.said) == (PROBLEM, True)
    assert doctor.check_slurm(wanted=False).state == WARNING
    tool(tools, "sinfo", "true")
    assert doctor.check_slurm(wanted=True).state == PROBLEM


DEMO = str(PROJECT / "config" / "demo.yaml")


def test_the_whole_examination_of_an_offline_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDROP_MIRROR", raising=False)
    plan = resolve(read_config([DEMO, json.dumps({"results": str(tmp_path)})], PROJECT), PROJECT)
    checks = {
        check.name: check
        for check in doctor.examine(plan, PROJECT, read_profile(PROJECT / "profiles/default"))
    }
    assert list(checks) == [
        "python", "torch", "devices", "memory", "snakemake", "packages", "network", "disk", "results", "slurm"
    ]  # fmt: skip
    assert checks["network"].said.startswith("not needed")
    assert os.listdir(tmp_path) == []  # nothing is left behind


def test_the_command_fails_exactly_when_there_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [doctor.Check("python", OK, "3.12"), doctor.Check("disk", WARNING, "little", "delete something")]
    monkeypatch.setattr(doctor, "examine", lambda *_: found)
    main(["doctor", "--config", DEMO])
    printed = capsys.readouterr().out
    assert "warning  disk       little\n" in printed
    assert "-> delete something" in printed
    found.append(doctor.Check("results", PROBLEM, "full", "chmod"))
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--config", DEMO, "--json"])
    assert end.value.code == 1
    document = json.loads(capsys.readouterr().out)
    assert document["problems"] == 1
    assert document["checks"][2] == {"name": "results", "state": "problem", "said": "full", "fix": "chmod"}
