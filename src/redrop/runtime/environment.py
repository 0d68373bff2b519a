"""Commit, versions and device of this process: everything about a run that is not its result."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from redrop.memory import peak_memory_bytes

PACKAGES = ("torch", "numpy", "transformers", "tokenizers", "safetensors", "redrop")


def git_state(folder: Path) -> dict[str, Any]:
    """Commit of the project and whether files differ from it; both None outside a repository."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(folder), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "dirty": None}


def device_name(device_type: str) -> str:
    """The processor's or the accelerator's name."""
    if device_type == "cuda":
        import torch

        return torch.cuda.get_device_name()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def provenance(device_type: str, source: dict[str, Any], cost: dict[str, Any]) -> dict[str, Any]:
    """The content of ``provenance.json``; ``source`` says where the data came from."""
    return {
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "git": git_state(Path(__file__).parent),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "device": device_name(device_type),
        "device_type": device_type,
        "cpus": os.cpu_count(),
        "peak_memory_bytes": peak_memory_bytes(device_type),
        "data": source,
        **cost,
    }
