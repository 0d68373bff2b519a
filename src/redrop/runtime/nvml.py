"""The GPUs that the NVIDIA driver lists, by its management library (NVML). Without torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver lists it."""

    name: str
    memory_mb: int
    """0 where it has none of its own."""
    number: str = ""
    """As ``nvidia-smi`` prints it."""
    uuid: str = ""
    mig_uuids: tuple[str, ...] = ()
    """UUIDs of the devices that it is divided into (MIG); none where it is whole."""


@dataclass(frozen=True)
class Driver:
    """What the driver says."""

    gpus: tuple[Gpu, ...]
    cuda: tuple[int, int] | None
    """The newest CUDA that it can run; None where it does not say."""


def driver() -> Driver | None:
    """The driver's GPUs; None where there is no driver, or it cannot be reached."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handles = enumerate(_handles(pynvml))
        return Driver(tuple(_gpu(pynvml, handle, number) for number, handle in handles), _cuda(pynvml))
    except pynvml.NVMLError:
        return None
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _handles(nvml: Any) -> Iterator[Any]:
    """Of the GPUs that this process may use: a scheduler may have shut it out of others."""
    for index in range(nvml.nvmlDeviceGetCount()):
        with suppress(nvml.NVMLError_NoPermission):
            yield nvml.nvmlDeviceGetHandleByIndex(index)


def _gpu(nvml: Any, handle: Any, number: int) -> Gpu:
    memory, mig, mode = 0, [], None
    with suppress(nvml.NVMLError_NotSupported):
        memory = nvml.nvmlDeviceGetMemoryInfo(handle).total // 2**20
    with suppress(nvml.NVMLError_NotSupported, nvml.NVMLError_FunctionNotFound):
        mode, _ = nvml.nvmlDeviceGetMigMode(handle)
    if mode == nvml.NVML_DEVICE_MIG_ENABLE:
        for place in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            with suppress(nvml.NVMLError_NotFound):  # nothing in this place
                part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place)
                mig.append(nvml.nvmlDeviceGetUUID(part))
    name, uuid = nvml.nvmlDeviceGetName(handle), nvml.nvmlDeviceGetUUID(handle)
    return Gpu(name, memory, str(number), uuid, tuple(mig))


def _cuda(nvml: Any) -> tuple[int, int] | None:
    try:
        version = nvml.nvmlSystemGetCudaDriverVersion_v2()
    except nvml.NVMLError:
        return None
    return version // 1000, version % 1000 // 10
