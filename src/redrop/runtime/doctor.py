"""What of this machine would stop a workflow, or slow it down, found before it is started.

Each check is a function that returns a ``Check``: ok, a warning (it may go wrong) or a problem (it will),
with what to type against it. Nothing is changed, installed or downloaded.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from redrop.data import get
from redrop.data.sources import MIRROR_SUMS, hub
from redrop.models.sources import RELEASED
from redrop.runtime import nvml
from redrop.runtime import plan as planning
from redrop.runtime.profiles import Profile, job_memory_mb
from redrop.runtime.rates import cores
from redrop.study import Plan

OK, WARNING, PROBLEM = "ok", "warning", "problem"
TIMEOUT_S = 20.0
NETWORK_TIMEOUT_S = 5.0
ELSEWHERE = "put results elsewhere: snakemake --config results=FOLDER"
INSTALL = "python -m pip install -r requirements.lock"
CUDA_TORCH = (
    "install the CUDA build of the same version: python -m pip install --force-reinstall torch=={version}, "
    "with the index that https://pytorch.org/get-started/locally names for CUDA {cuda}"
)


@dataclass(frozen=True)
class Check:
    """What was found."""

    name: str
    state: str
    said: str
    fix: str = ""
    """What to type, or to do; empty where nothing is wrong."""


def _needed() -> dict[str, Requirement]:
    """The packages that redrop asks for, by name."""
    found = map(Requirement, importlib.metadata.requires("redrop") or ())
    return {canonicalize_name(one.name): one for one in found if one.marker is None}


def _installed(name: str) -> str | None:
    """The version of a package; None where it is not there."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _version(name: str, found: str, wanted: SpecifierSet, fix: str) -> Check:
    """Whether a version will do."""
    if wanted.contains(found, prereleases=True):
        return Check(name, OK, found)
    return Check(name, PROBLEM, f"{found}, but redrop needs {wanted}", fix)


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Whether this Python will do."""
    wanted = SpecifierSet(importlib.metadata.metadata("redrop")["Requires-Python"])
    fix = "rm -rf .venv; make setup PYTHON=python3.12"
    return _version("python", ".".join(map(str, version)), wanted, fix)


def check_torch(driver: nvml.Driver | None, on_cluster: bool = False) -> Check:
    """Whether torch can use what the driver has; ``on_cluster``: jobs may run on other nodes than this."""
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library of it cannot be loaded
        return Check("torch", PROBLEM, f"cannot be imported ({error})", INSTALL)
    built = torch.version.cuda
    said = f"{torch.__version__}, {f'CUDA {built}' if built else 'without CUDA (CPU only)'}"
    gpus, newest = ((), None) if driver is None else (driver.gpus, driver.cuda)
    cuda = "your driver's version" if newest is None else ".".join(map(str, newest))

    def install(cuda: str) -> str:
        return CUDA_TORCH.format(version=torch.__version__.split("+")[0], cuda=cuda)

    if built is None:
        if gpus:
            said = f"{said}, but the driver lists GPUs here ({len(gpus)})"
            return Check("torch", PROBLEM, said, install(cuda))
        if on_cluster:
            fix = "in the environment that the nodes use, " + install("the nodes' driver")
            return Check("torch", WARNING, f"{said}: jobs on GPU nodes would run on their CPUs", fix)
        return Check("torch", OK, said)
    wanted = Version(built).release[:2]
    if newest is not None and wanted > newest:
        # Within one major version most things work.
        state = PROBLEM if wanted[0] > newest[0] else WARNING
        fix = f"update the driver, or {install(cuda)}"
        return Check("torch", state, f"{said}, newer than the driver's {cuda}", fix)
    if gpus and not torch.cuda.is_available():
        fix = "look at CUDA_VISIBLE_DEVICES and at: python -c 'import torch; torch.cuda.init()'"
        return Check("torch", PROBLEM, f"{said}, but it cannot use the GPUs here ({len(gpus)})", fix)
    return Check("torch", OK, said)


def check_devices(driver: nvml.Driver | None, cores: int) -> Check:
    """What there is to compute on."""
    if driver is None or not driver.gpus:
        return Check("devices", OK, f"no GPU; {cores} processor cores, a run takes one")
    names = ", ".join(f"{gpu.name} ({gpu.memory_mb / 1024:.0f} GiB)" for gpu in driver.gpus)
    return Check("devices", OK, f"GPUs: {names}; {cores} processor cores")


def memory_mb() -> int | None:
    """Memory of this machine, or of the control group that this process is in; None where neither is told."""
    try:
        found = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    except (ValueError, OSError, AttributeError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return found
    return min(found, int(limit) // 2**20) if limit.isdigit() else found


def check_memory(total_mb: int | None, studies: Sequence[str], at_once: int | None, local: bool) -> Check:
    """Whether the memory that the training jobs ask for is there, for as many as run at once."""
    if total_mb is None:
        return Check("memory", WARNING, "this machine does not say how much it has", "look it up: free -m")
    need = max(map(job_memory_mb, studies), default=0)
    said = f"{total_mb:,} MB"
    if not local:
        return Check("memory", OK, f"{said} here; the jobs' {need:,} MB are for the cluster to find")
    jobs = at_once or 1
    if need > total_mb:
        fix = "leave out the large models (only: in the config), or use a machine with more memory"
        return Check("memory", WARNING, f"{said}, but a training job may need {need:,} MB", fix)
    if jobs * need > total_mb:
        said = f"{said}, but {jobs} jobs of up to {need:,} MB each may run at once"
        return Check("memory", WARNING, said, f"snakemake --resources mem_mb={total_mb}")
    return Check("memory", OK, f"{said} for {jobs} jobs of up to {need:,} MB")


def check_snakemake() -> Check:
    """Whether Snakemake is there, in a version that reads this workflow."""
    found = _installed("snakemake")
    if found is None:
        return Check("snakemake", PROBLEM, "not installed in this environment", INSTALL)
    return _version("snakemake", found, _needed()["snakemake"].specifier, INSTALL)


def check_plugin(executor: str | None) -> Check | None:
    """Whether a profile's executor is installed; None where jobs run on this machine."""
    if executor in (None, "local"):
        return None
    package = f"snakemake-executor-plugin-{executor}"
    found = _installed(package)
    if found is not None:
        return Check("executor", OK, f"{package} {found}")
    said = f"the profile's executor is {executor}, and {package} is not installed"
    return Check("executor", PROBLEM, said, f"python -m pip install {package}")


def check_packages(project: Path) -> Check:
    """Whether the packages are those of requirements.lock; of its packages some are not needed everywhere."""
    try:
        lines = (project / "requirements.lock").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        return Check("packages", WARNING, f"cannot be compared ({error})", "pass --project")
    locked = (line.split("#")[0].strip().split("==") for line in lines if "==" in line.split("#")[0])
    found = {name: (_installed(name), version) for name, version in locked}
    needed = _needed()
    missing = [name for name, (here, _) in found.items() if not here and canonicalize_name(name) in needed]
    other = [
        f"{name} {here} (locked: {version})"
        for name, (here, version) in found.items()
        if here is not None and here.split("+")[0] != version
    ]
    if missing:
        return Check("packages", PROBLEM, f"missing: {', '.join(missing)}", INSTALL)
    if other:
        return Check("packages", WARNING, f"not as in requirements.lock: {', '.join(other)}", INSTALL)
    return Check("packages", OK, "as in requirements.lock")


def check_mirror(mirror: str | None) -> Check | None:
    """Whether a mirror folder, where one is named, can be read and has its sums; None without one."""
    if not mirror:
        return None
    sums = Path(mirror) / MIRROR_SUMS
    try:
        count = sum(1 for line in sums.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        fix = (
            f"(cd {mirror} && find . -type f ! -name {MIRROR_SUMS} -exec sha256sum {{}} + > {MIRROR_SUMS}), "
            "or unset REDROP_MIRROR to download"
        )
        return Check("mirror", PROBLEM, f"{sums} cannot be read ({error.__class__.__name__})", fix)
    return Check("mirror", OK, f"{mirror}: {count} files listed in {MIRROR_SUMS}")


def addresses(downloads: Sequence[str]) -> dict[str, str]:
    """Host -> an address there that has to be reached for these data sets and models."""
    found: dict[str, str] = {}
    for name in downloads:
        if name in RELEASED or "/" in name:
            repository = RELEASED[name].repository if name in RELEASED else name
            urls = [f"{hub()}/{repository}"] if repository else []  # it may come as a package
        else:
            urls = [file.address for file in get(name).downloads]
        for url in urls:
            found.setdefault(urlsplit(url).netloc, url)
    return found


def head(url: str) -> int:
    """Status of a HEAD request; raises ``requests.RequestException`` where there is no answer."""
    import requests

    return requests.head(url, timeout=NETWORK_TIMEOUT_S, allow_redirects=True).status_code


def check_network(downloads: Sequence[str], ask: Callable[[str], int] = head) -> Check:
    """Whether what the config still needs can be reached; not tried with HF_HUB_OFFLINE=1."""
    import requests

    if not downloads:
        return Check("network", OK, "not needed: data and models are here or in the mirror")
    what = ", ".join(downloads)
    elsewhere = (
        "on a machine with a network: snakemake --until fetch fetch_model, then copy results/downloads and "
        "results/models here; or name a folder of copies in REDROP_MIRROR"
    )
    if os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"):
        return Check("network", WARNING, f"not tried (HF_HUB_OFFLINE), but not here yet: {what}", elsewhere)
    hosts, failed = addresses(downloads), []
    for host, url in hosts.items():
        try:
            if (status := ask(url)) >= 400:
                failed.append(f"{host} (answers {status})")
        except requests.RequestException as error:
            failed.append(f"{host} ({type(error).__name__})")
    if failed:
        said = f"cannot reach {', '.join(failed)}; needed for {what}"
        return Check("network", PROBLEM, said, elsewhere)
    return Check("network", OK, f"reached: {', '.join(hosts)}")


def existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def check_disk(results: Path, needed_bytes: int, exact: bool) -> Check:
    """Whether there is room; ``exact``: no download of unknown size is among what is needed."""
    free = shutil.disk_usage(existing(results)).free
    said = f"{free / 1e9:.1f} GB free, {needed_bytes / 1e9:.1f} GB needed"
    if free < needed_bytes:
        return Check("disk", PROBLEM, said, ELSEWHERE)
    if free < 1.2 * needed_bytes or (not exact and free < needed_bytes + 20e9):
        unknown = "" if exact else ", and downloads of unknown size (redrop plan names them)"
        return Check("disk", WARNING, said + unknown, ELSEWHERE)
    return Check("disk", OK, said)


def check_writable(results: Path) -> Check:
    """Whether files can be made in the results folder, or it itself where it is not there yet."""
    folder = existing(results)
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".redrop-"):
            pass
    except OSError as error:
        fix = f"chmod u+w {folder}, or {ELSEWHERE}"
        return Check("results", PROBLEM, f"{folder} cannot be written to ({error.strerror})", fix)
    return Check("results", OK, f"{results}/ can be written")


def check_slurm(wanted: bool) -> Check:
    """Whether SLURM answers; ``wanted``: the profile submits to it."""
    fault = PROBLEM if wanted else WARNING
    if shutil.which("sinfo") is None:
        if wanted:
            fix = "run this on the cluster's login node, or use --profile profiles/default"
            return Check("slurm", fault, "sinfo is not installed here", fix)
        return Check("slurm", OK, "not installed; not needed")
    try:
        command = ["sinfo", "--noheader", "--format=%P %a %D %G"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        reason = (getattr(error, "stderr", None) or type(error).__name__).strip().splitlines()[0]
        return Check("slurm", fault, f"sinfo fails: {reason}", "ask whether slurmctld is up: scontrol ping")
    partitions = "; ".join(line.strip() for line in done.stdout.strip().splitlines())
    if not partitions:
        return Check("slurm", fault, "has no partition for you", "sinfo --all")
    return Check("slurm", OK, f"partitions (state, nodes, devices): {partitions}")


def examine(plan: Plan, project: Path, profile: Profile | None = None) -> list[Check]:
    """All checks, for what a config needs."""
    driver = nvml.driver()
    executor = None if profile is None else profile.executor
    local = executor in (None, "local")
    estimate = planning.make(plan, list(plan.specs), profile=profile)
    mirror = os.environ.get("REDROP_MIRROR") or plan.mirror
    left = [plan.studies[study.name].name for study in estimate.studies if study.left]
    checks = [
        check_python(),
        check_torch(driver, on_cluster=not local),
        check_devices(driver, cores()),
        check_memory(memory_mb(), left, estimate.at_once, local),
        check_snakemake(),
        check_plugin(executor),
        check_packages(project),
        check_mirror(mirror),
        check_network(list(estimate.downloads)),
        check_disk(plan.results, sum(estimate.disk.values()), exact=None not in estimate.downloads.values()),
        check_writable(plan.results),
        check_slurm(executor == "slurm"),
    ]
    return [check for check in checks if check is not None]


def to_dict(checks: Sequence[Check]) -> dict[str, Any]:
    """Plain values, for ``--json``."""
    return {"problems": count(checks, PROBLEM), "checks": [asdict(check) for check in checks]}


def count(checks: Sequence[Check], state: str) -> int:
    """How many checks came out like that."""
    return sum(check.state == state for check in checks)
