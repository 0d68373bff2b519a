"""Which GPUs there are, and which of them this process may use. Without torch.

Snakemake counts GPUs and does not hand them out. So a process that is about to train leases a device: it
locks (flock) a file that stands for the device, in a folder that all users and workflows of the machine
share. The system drops the lock when the process ends, however it ends. Under SLURM the scheduler has
shared out the devices among jobs, and the lease does so among the processes of one job.

    REDROP_GPUS             the GPUs to use, by number or UUID, as `nvidia-smi -L` prints them; empty: none
    CUDA_VISIBLE_DEVICES    is respected where REDROP_GPUS is not set
    REDROP_LOCKS            folder of the lock files; /tmp/redrop-gpus, or one that all users share as well
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from redrop.errors import ConfigError
from redrop.runtime.nvml import driver
from redrop.runtime.shared_locks import LockFolder

log = logging.getLogger(__name__)

PROC = Path("/proc/driver/nvidia/gpus")
LOCKS = "/tmp/redrop-gpus"
"""Not in TMPDIR, which differs from user to user."""
POLL_SECONDS = 0.5
VARIABLES = ("REDROP_GPUS", "CUDA_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Device:
    """A GPU, or a part of one that is a device of its own (MIG)."""

    name: str
    """What CUDA_VISIBLE_DEVICES calls it: the UUID where it is known, the number otherwise."""
    number: str = ""
    """Of the GPU, as ``nvidia-smi`` prints it."""

    def __str__(self) -> str:
        return f"{self.number} ({self.name})" if self.number not in ("", self.name) else self.name

    def is_called(self, name: str) -> bool:
        """Whether CUDA takes ``name`` for it: its number, or the beginning of its UUID."""
        return name in (self.name, self.number) or (
            name.startswith(("GPU-", "MIG-")) and self.name.startswith(name)
        )


def devices() -> list[Device]:
    """The GPUs that this process may use, in use or not; ``ConfigError`` for a name that the driver lacks."""
    asked, visible = (os.environ.get(variable) for variable in VARIABLES)
    if asked is None and visible is None:
        return driver_devices()
    names = [name.strip() for name in (visible if asked is None else asked).split(",") if name.strip()]
    there = driver_devices() if names else []
    found: dict[Device, None] = {}
    for name in names:
        called = [device for device in there if device.is_called(name)]
        if not called and asked is None:
            break  # as CUDA reads it: at the first name that is no device the list ends
        if not called and there:
            known = ", ".join(map(str, there))
            raise ConfigError(f"REDROP_GPUS: {name!r} is none of this machine's GPUs ({known})")
        found |= dict.fromkeys(called or [Device(name)])
    return list(found)


def why_none() -> str:
    """Why ``devices`` is empty, for a person."""
    for variable in VARIABLES:
        if variable in os.environ:
            return f"{variable} is {os.environ[variable]!r}, which names none of this machine"
    return "the NVIDIA driver lists none"


def are_hidden() -> bool:
    """Whether REDROP_GPUS says that no GPU is to be used."""
    return not os.environ.get("REDROP_GPUS", "unset").strip()


def driver_devices() -> list[Device]:
    """The GPUs that the NVIDIA driver lists; of one that is divided (MIG), its parts, which CUDA uses then.

    Where the driver's library is missing or fails, as after an upgrade of the driver without a reboot, the
    kernel module still says which GPUs there are: they must not be overlooked in silence.
    """
    listed = driver()
    if listed is not None:
        return [Device(name, gpu.number) for gpu in listed.gpus for name in gpu.mig_uuids or (gpu.uuid,)]
    found = []
    for number, path in enumerate(sorted(PROC.glob("*/information"))):  # by bus address, as nvidia-smi
        uuid = re.search(r"^GPU UUID:\s+(GPU-[0-9a-f-]+)$", path.read_text(), flags=re.MULTILINE)
        found.append(Device(uuid[1] if uuid else str(number), str(number)))
    return found


class Lease:
    """The right to use a device, until the ``with`` block or the process ends."""

    def __init__(self, device: Device, locks: LockFolder) -> None:
        self.device, self._locks = device, locks

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *error: object) -> None:
        self._locks.close()


def wait_for_lease(
    found: list[Device],
    jobs_per_gpu: int = 1,
    *,
    wanted: Callable[[], bool] = lambda: True,
    give_up: Callable[[], bool] = lambda: False,
) -> Lease | None:
    """``lease`` as soon as it is ``wanted`` and a device is free; None once it is time to ``give_up``."""
    said = ""
    while not give_up():
        if not wanted():
            reason = "other jobs train what there is to train"
        elif (held := lease(found, jobs_per_gpu)) is not None:
            return held
        else:
            reason = f"all GPUs are in use: {', '.join(map(str, found))}"
        if reason != said:
            log.info("waiting: %s", reason)
            said = reason
        time.sleep(POLL_SECONDS)
    return None


def lease(found: list[Device], jobs_per_gpu: int = 1) -> Lease | None:
    """A free one of the devices ``found``, now the only one in CUDA_VISIBLE_DEVICES; None if all are taken.

    Up to ``jobs_per_gpu`` processes that say so share a device; one that wants a device for itself never
    shares it. Call it before torch is imported. Raises ``ConfigError`` naming a lock that cannot be used.
    """
    for place in range(jobs_per_gpu):  # a second job on a device only where every device has one
        for device in found:
            locks = _lock(device, place, jobs_per_gpu)
            if locks is not None:
                os.environ["CUDA_VISIBLE_DEVICES"] = device.name
                os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # what numbers mean to nvidia-smi
                return Lease(device, locks)
    return None


def _lock(device: Device, place: int, jobs_per_gpu: int) -> LockFolder | None:
    """The locks of one of a device's places; None if another process is in the way."""
    key = _key(device)
    wanted = {key: fcntl.LOCK_EX}
    if jobs_per_gpu > 1:
        wanted = {key: fcntl.LOCK_SH, f"{key}+{place}": fcntl.LOCK_EX}
    with ExitStack() as stack:
        folder = LockFolder(Path(os.environ.get("REDROP_LOCKS") or LOCKS))
        stack.callback(folder.close)
        if not all(folder.lock(name, kind) for name, kind in wanted.items()):
            return None
        stack.pop_all()
    return folder


def _key(device: Device) -> str:
    """The name of the device's lock.

    Between jobs of SLURM nothing is left to be settled; and where each sees its own device as number 0, or
    several share one because the scheduler says so, they must not wait for each other.
    """
    job = os.environ.get("SLURM_JOB_ID")
    name = device.name
    if re.fullmatch(r"MIG-GPU-[0-9a-f-]+/\d+/\d+", name):  # older drivers: GPU, instance, compute instance
        name = name.replace("/", ".")
    key = name if job is None else f"slurm-{job}-{name}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:-]*", key):
        raise ConfigError(f"REDROP_GPUS: {name!r} is no name of a GPU; `nvidia-smi -L` prints them")
    return key
