"""What a person's machine has set, or lacks: each is used, or refused in one line with the remedy."""

from __future__ import annotations

import logging
import math
import os
import shutil
import subprocess
from pathlib import Path

import pooch
import pytest
import requests
import torch

from fake_nvml import FakeDriver, FakeGpu
from redrop.cli import main
from redrop.data import get, names, sources
from redrop.data.sources import HUB
from redrop.errors import ConfigError
from redrop.runtime import gpu, launch, rates
from redrop.runtime.doctor import addresses
from redrop.runtime.profiles import Profile
from support import small_spec

ROOT = Path(__file__).resolve().parents[2]
UUID = "GPU-0d7a3c1e-0000-4000-8000-000000000000"
OLD_MIG = f"MIG-{UUID}/7/0"


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDROP_MIRROR", raising=False)


# HF_ENDPOINT


@pytest.mark.parametrize(
    ("endpoint", "start"),
    [
        (None, HUB),
        ("", HUB),
        ("https://hub.example.org", "https://hub.example.org"),
        ("https://hub.example.org/", "https://hub.example.org"),
        ("http://127.0.0.1:9/copy", "http://127.0.0.1:9/copy"),
    ],
)
def test_files_on_the_hub_are_asked_of_the_one_that_is_set(
    endpoint: str | None, start: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    if endpoint is not None:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
    asked = []

    class Downloader:
        def __init__(self, **_: object) -> None:
            pass

        def __call__(self, url: str, *_: object) -> None:
            asked.append(url)
            raise requests.ConnectionError

    monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
    monkeypatch.setattr(sources.time, "sleep", lambda seconds: None)
    with pytest.raises(SystemExit) as end:
        main(["fetch", "glue_rte", "--to", str(tmp_path)])
    assert set(asked) == {asked[0]}
    assert asked[0].startswith(f"{start}/datasets/nyu-mll/glue/resolve/")
    assert asked[0] in str(end.value.code)
    assert "\n" not in str(end.value.code)
    found = addresses(["glue_rte", "bert-base-uncased"])
    assert [url.startswith(start) for url in found.values()] == [True]


def test_every_address_keeps_its_place_on_another_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "https://copy.example.org")
    files = [file for name in names() for files in get(name).editions.values() for file in files]
    on_hub = [file for file in files if file.url.startswith(HUB)]
    assert len(on_hub) > 10
    assert all(file.address == file.url.replace(HUB, "https://copy.example.org") for file in on_hub)
    assert all(file.address == file.url for file in files if file not in on_hub)


@pytest.mark.parametrize(
    "endpoint", ["hub.example.org", "ftp://hub.example.org", "https://", "null", "/srv/hub"]
)
def test_an_endpoint_that_is_no_address_is_refused(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(SystemExit, match=r"^redrop fetch: HF_ENDPOINT: .* is no address; give one such as"):
        main(["fetch", "glue_rte", "--to", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "leads_to", "refused"),
    [
        ("https://a.org/x", "http://b.org/x", True),
        ("https://a.org/x", "ftp://b.org/x", True),
        ("https://a.org/x", "https://b.org/x", False),
        ("https://a.org/x", "/y", False),
        ("http://127.0.0.1:9/x", "http://127.0.0.1:9/y", False),
    ],
)
def test_an_encrypted_address_does_not_lead_to_a_plain_one(asked: str, leads_to: str, refused: bool) -> None:
    response = requests.Response()
    response.status_code, response.url, response.headers["location"] = 302, asked, leads_to
    if refused:
        with pytest.raises(sources.DataError, match="which is not https: refused"):
            sources._refuse_plain_http(response)
    else:
        sources._refuse_plain_http(response)


# devices


@pytest.mark.parametrize("name", ["mps", "xpu", "meta", "hpu", "xla", "vulkan", "mtia", "privateuseone"])
def test_a_device_that_torch_knows_by_name_only_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    if name == "mps" and torch.backends.mps.is_available():
        pytest.skip("a Mac has it")
    words = ["train", "--spec", small_spec().to_json(), "--out", str(tmp_path / "run"), "--device", name]
    with pytest.raises(SystemExit) as end:
        main(words)
    text = str(end.value.code)
    assert text.startswith(f"redrop train: --device: {name!r} cannot be used by this torch")
    assert text.endswith("use --device cpu, or auto")
    assert "\n" not in text
    assert not (tmp_path / "run").exists()


def test_on_a_mac_auto_says_that_the_cpu_is_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    caplog.set_level(logging.INFO)
    assert launch.automatic(None) == "cpu"
    assert "a Mac's own is not used" in caplog.text


@pytest.mark.parametrize("asked", ["1", "banana", "GPU-7", "cuda:0", "0,5", "all", OLD_MIG])
def test_names_that_are_no_gpu_of_this_machine_are_refused(
    asked: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    FakeDriver([FakeGpu(UUID)]).install(monkeypatch)
    monkeypatch.setenv("REDROP_GPUS", asked)
    words = ["train", "--spec", small_spec().to_json(), "--out", str(tmp_path / "run")]
    wrong = asked.split(",")[-1]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert (
        end.value.code == f"redrop train: REDROP_GPUS: {wrong!r} is none of this machine's GPUs (0 ({UUID}))"
    )


def test_older_names_of_parts_of_a_gpu_can_be_leased(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    FakeDriver([FakeGpu(UUID, parts=[OLD_MIG])]).install(monkeypatch)
    monkeypatch.delenv("REDROP_GPUS")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", OLD_MIG)
    monkeypatch.setenv("REDROP_LOCKS", str(tmp_path / "locks"))
    found = gpu.devices()
    assert [device.name for device in found] == [OLD_MIG]
    with gpu.lease(found) as held:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == held.device.name == OLD_MIG
        assert gpu.lease(found) is None


def test_who_named_a_gpu_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="GPU 0 is there, as REDROP_GPUS says and the driver does not, but"):
        launch.automatic(gpu.Device("0"))


# the cores of a container

V1 = ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 4),
        ({"cpu.max": "max 100000\n"}, 4),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "900000 100000\n"}, 4),
        ({"cpu.max": "damaged"}, 4),
        ({V1[0]: "50000\n", V1[1]: "100000\n"}, 1),
        ({V1[0]: "-1\n", V1[1]: "100000\n"}, 4),
        ({V1[0]: "300000\n"}, 4),
    ],
)
def test_the_cores_that_a_container_may_use(
    files: dict[str, str], cores: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(4)), raising=False)
    monkeypatch.setattr(rates, "CGROUP", tmp_path)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert rates.cores() == cores
    profile = Profile(Path(), executor=None, cores=None, jobs=None, gpus=None, gpus_a_run=None)
    assert profile.at_once(rates.cores(), gpus=0) == cores
    assert math.isinf(rates.container_cores()) or rates.container_cores() > 0


# the command line and make


@pytest.mark.parametrize("verb", ["plan", "doctor", "status", "claims --study a", "collect --out x", "build"])
def test_several_configs_are_given_as_to_snakemake_or_one_by_one(verb: str) -> None:
    from redrop.cli import parser

    words = verb.split()
    for given in (["--config", "a", "b"], ["--config", "a", "--config", "b"]):
        assert parser().parse_args([*words, *given]).config == ["a", "b"]


@pytest.mark.parametrize(
    "verb",
    ["publish study", "compare A B", "table main --study s --out o", "figure --study s --out o curves"],
)
def test_where_a_verb_takes_names_they_are_not_read_as_configs(verb: str) -> None:
    from redrop.cli import parser

    first, *rest = verb.split()
    found = parser().parse_args([first, "--config", "a", *rest, "--config", "b"])
    assert found.config == ["a", "b"]


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
@pytest.mark.parametrize("checkout", ["plain", "with a space"])
@pytest.mark.parametrize(
    "config", ["my config.yaml", 'a "quoted" one.yaml', "it's.yaml", "a;b.yaml", "(x) & y.yaml"]
)
def test_make_hands_any_path_on(checkout: str, config: str, tmp_path: Path) -> None:
    folder = tmp_path / checkout
    (folder / ".venv/bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in ("requirements.lock", "pyproject.toml", ".venv/ready"):  # the newest last: set up already
        (folder / name).touch()
    redrop = folder / ".venv/bin/redrop"
    redrop.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    redrop.chmod(0o755)
    command = ["make", "--silent", "--directory", str(folder), "report", f"CONFIG={config}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-3:] == ["build", "--config", config]


LONG = "x" * 300


@pytest.mark.parametrize(
    "words",
    [
        ["--config", f'{{"results": "{LONG}"}}'],
        ["--config", f'{{"results": "{LONG}/{LONG}"}}'],
        ["--config", f'{{"mirror": "{LONG}"}}'],
        ["--config", LONG],
        ["--profile", LONG],
        ["--project", LONG],
    ],
)
def test_names_that_are_too_long_for_the_disk_are_one_line(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SystemExit) as end:
        main(["doctor", *words, *([] if "--project" in words else ["--project", str(ROOT)])])
    assert str(end.value.code).startswith("redrop doctor: ")
    assert "\n" not in str(end.value.code)
    assert "give a shorter name" in str(end.value.code)
