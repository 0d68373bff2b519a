"""How fast a device works, and what of that a run gets: from operations to seconds.

    seconds = operations / (rate x utilisation) + layers called x time of a call
              + updates x parameters x time of a parameter's update

The rate is that of a plain matrix product: measured in about a second, or from config/devices.csv. A CPU's
utilisation was measured in this project's benchmarks. What is no matrix product (dropout, norms, softmax,
the optimiser) grows as the width C where products grow as C^2, so a utilisation u that was measured at
width C0 becomes 1 / (1 + (1/u - 1) C0 / C) at another. On a CPU only products gain by bf16. A GPU's figures
are assumptions: no run of ours has been timed on one.
"""

from __future__ import annotations

import csv
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

from redrop.checks import suggest
from redrop.errors import ConfigError
from redrop.runtime.environment import device_name
from redrop.runtime.nvml import driver
from redrop.runtime.work import RunWork, Work

TABLE = Path("config") / "devices.csv"
CGROUP = Path("/sys/fs/cgroup")
TERA = 1e12


@dataclass(frozen=True)
class RatedDevice:
    """What runs are computed on."""

    name: str
    kind: str
    """``cpu``: a core, since a run takes one; ``cuda``: a GPU."""
    count: int
    """How many this machine has of them."""
    fp32: float
    """Operations a second of a matrix product in float32 (TF32 on a GPU)."""
    half: float
    """The same in bf16."""
    source: str
    """Where the rates come from."""


@dataclass(frozen=True)
class Utilisation:
    """Which share of the matrix product's rate a run gets."""

    share: float
    width: int
    """At which it was found."""
    training_call: float
    """Seconds that calling a layer costs, forward and backward, whatever the size of the batch."""
    forward_call: float
    """The same of a forward pass alone."""
    update: float
    """Seconds that a parameter's gradient and update cost, whatever the batch: memory is read and written."""
    source: str

    def at(self, width: int) -> float:
        """The share at another width."""
        return 1.0 / (1.0 + (1.0 / self.share - 1.0) * self.width / width)


MEASURED = {
    # Shares: results/published/benchmarks, of the two-core rows of packs.json, and of passes.json (plain,
    # eager) over the rate in step.json. Calls: processor time of the demo's toy runs, of two layers. Updates:
    # that of minilm on batches of one example; paper B's are in its shares.
    "paper B": Utilisation(0.388, 128, 1.0e-3, 0.5e-3, 0.0, "benchmarks/packs.json, single run"),
    "paper A": Utilisation(0.764, 384, 2.5e-3, 1.0e-3, 2.7e-9, "benchmarks/passes.json, plain"),
}
"""Kind of run -> its utilisation on a CPU."""
ASSUMED = {
    # CUDA graphs make one call of a whole step; released models are called layer by layer.
    # Updates: 36 bytes a parameter, at 1.5 TB a second.
    "paper B": Utilisation(0.4, 1024, 0.1e-3, 0.5e-3, 0.0, "assumed"),
    "paper A": Utilisation(0.4, 1024, 1.5e-3, 0.5e-3, 2.4e-11, "assumed"),
}
"""Kind of run -> its utilisation on a GPU: assumptions."""
DECODING = 2.0
"""How many times longer a search takes than its passes alone: products of few rows, beams that are sorted."""


@dataclass(frozen=True)
class Seconds:
    """Device time of a run."""

    training: float
    evaluation: float
    decoding: float

    @property
    def total(self) -> float:
        """Everything."""
        return self.training + self.evaluation + self.decoding


def seconds_of(work: RunWork, device: RatedDevice, of_paper_a: bool) -> Seconds:
    """The time that a run takes on a device."""
    share = (MEASURED if device.kind == "cpu" else ASSUMED)["paper A" if of_paper_a else "paper B"]
    rest = 1.0 / share.at(work.width) - 1.0  # what is no product, in times of the products

    def time_of(of: Work, call: float, precision: str) -> float:
        rate = device.fp32 if precision == "fp32" else device.half
        slower = device.fp32 if device.kind == "cpu" else rate
        return of.operations * (1.0 / rate + rest / slower) + of.calls * call

    return Seconds(
        time_of(work.training, share.training_call, work.precision)
        + work.updates * work.parameters * share.update,
        time_of(work.evaluation, share.forward_call, "fp32"),
        time_of(work.decoding.times(DECODING), share.forward_call, "fp32"),
    )


def cores() -> int:
    """Processor cores that this process may use: whole ones, of a container with a part of one, one."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(found, container_cores())))


def container_cores() -> float:
    """The processor time that the container may take, in cores, by its control group; else infinite."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # versions 2 and 1
        try:
            words = " ".join((CGROUP / name).read_text() for name in files).split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):  # "max": no limit
            continue
        if quota > 0 and period > 0:  # -1: no limit
            return quota / period
    return math.inf


PRODUCT = (512, 128, 512)
"""n, k and m of the residual model's largest product, of which the benchmarks' shares are shares."""


def matmul_rate(
    device: str = "cpu", seconds: float = 0.5, precision: str = "fp32", size: tuple[int, int, int] = PRODUCT
) -> float:
    """Operations a second of a product n x k by k x m, one thread of a CPU: a median over ``seconds``."""
    import torch
    from torch.utils.benchmark import Timer

    n, k, m = size
    kind = torch.float32 if precision == "fp32" else torch.bfloat16
    factors = {"a": torch.randn(n, k, dtype=kind).to(device), "b": torch.randn(k, m, dtype=kind).to(device)}
    # Of a processor its own time, so that a busy machine is measured as it is when nobody else works on it.
    clock = {"timer": time.thread_time} if device == "cpu" else {}
    timer = Timer("a @ b", globals=factors, num_threads=1, **clock)
    return 2 * n * k * m / timer.blocked_autorange(min_run_time=seconds).median


def calibrate() -> RatedDevice:
    """This machine's device, its rate measured now: about a second."""
    import torch

    kind, size, count = "cpu", PRODUCT, cores()
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = True
        kind, size, count = "cuda", (8192, 8192, 8192), torch.cuda.device_count()
    fp32, half = (matmul_rate(kind, 0.5, precision, size) for precision in ("fp32", "bf16"))
    source = "measured now, one thread" if kind == "cpu" else "measured now"
    return RatedDevice(device_name(kind), kind, count, fp32, half, source)


def from_table(project: Path, name: str | None = None) -> RatedDevice:
    """A device by config/devices.csv: ``name``, or this machine's.

    The longest name in it is taken, so ``NVIDIA H100 PCIe`` is not taken for an H100.
    """
    try:
        with (project / TABLE).open(encoding="utf-8", newline="") as file:
            rows = {row["device"]: row for row in csv.DictReader(file)}
    except OSError as error:
        raise ConfigError(f"{project / TABLE}: cannot be read ({error.strerror}); pass --project") from error
    listed = driver() if name is None else None
    gpus = [] if listed is None else [gpu.name for gpu in listed.gpus]
    wanted = name or (gpus[0] if gpus else device_name("cpu"))
    fits = [known for known in rows if known.lower() in wanted.lower() and known != "cpu"]
    if wanted.lower() == "cpu" or (name is None and not gpus and not fits):
        fits = ["cpu"]
    if not fits:
        raise ConfigError(
            f"--device: {wanted!r} is not in {TABLE} (known: {', '.join(rows)}){suggest(wanted, rows)}; "
            "add a row, or leave out --no-calibrate on a machine that has it"
        )
    row = rows[max(fits, key=len)]
    count = len(gpus) if gpus else cores() if row["kind"] == "cpu" else 1
    fp32, half = float(row["fp32"]) * TERA, float(row["half"]) * TERA
    shown = wanted if wanted.lower() != "cpu" else "a core"
    return RatedDevice(shown, row["kind"], count, fp32, half, f"{TABLE}: {row['source']}")
