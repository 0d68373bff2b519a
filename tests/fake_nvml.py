# ruff: noqa: N802 (the library's own names)
"""A driver of NVIDIA's that is not there: the calls of ``pynvml`` that redrop makes, answered from a list.

Handles, errors and constants are pynvml's own, so that what is called wrongly fails here as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pynvml
import pytest


@dataclass
class FakeGpu:
    """A GPU; ``parts``: its MIG devices by place, None where a place is empty; None: it knows no MIG."""

    uuid: str
    name: str = "NVIDIA RTX A6000"
    memory_mb: int | None = 49140
    parts: list[str | None] | None = None
    forbidden: bool = False
    """Whether this process may not use it."""


@dataclass
class FakeDriver:
    """What ``install`` puts in place of the library."""

    gpus: list[FakeGpu] = field(default_factory=list)
    cuda: int | None = 12040
    fails_at: str | None = None
    """The call that fails, as in a driver that lost a GPU."""
    opened: int = 0
    """Calls of nvmlInit without a nvmlShutdown."""

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
        """Answer pynvml's calls; whatever is not answered here is not allowed."""
        for name in dir(pynvml):
            if name.startswith("nvml") and callable(getattr(pynvml, name)):
                monkeypatch.setattr(pynvml, name, self._answer(name))
        return self

    def _answer(self, name: str):
        def call(*arguments: object):
            answer = getattr(type(self), name, None)
            if answer is None:
                raise NotImplementedError(f"the fake driver has no {name}")
            if name != "nvmlInit" and not self.opened:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)
            if name == self.fails_at:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
            return answer(self, *arguments)

        return call

    def nvmlInit(self) -> None:
        self.opened += 1

    def nvmlShutdown(self) -> None:
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        if self.gpus[index].forbidden:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NO_PERMISSION)
        return self.gpus[index]

    def nvmlDeviceGetName(self, handle: FakeGpu) -> str:
        return handle.name

    def nvmlDeviceGetUUID(self, handle: FakeGpu | str) -> str:
        return handle.uuid if isinstance(handle, FakeGpu) else handle

    def nvmlDeviceGetMemoryInfo(self, handle: FakeGpu) -> SimpleNamespace:
        if handle.memory_mb is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(total=handle.memory_mb * 2**20)

    def nvmlDeviceGetMigMode(self, handle: FakeGpu) -> tuple[int, int]:
        if handle.parts is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        mode = pynvml.NVML_DEVICE_MIG_ENABLE if handle.parts else pynvml.NVML_DEVICE_MIG_DISABLE
        return mode, mode

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: FakeGpu) -> int:
        return len(handle.parts or [])

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: FakeGpu, index: int) -> str:
        part = (handle.parts or [])[index]
        if part is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return part

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        if self.cuda is None:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        return self.cuda


def no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the library; also where the test's own machine has one."""

    def missing() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
