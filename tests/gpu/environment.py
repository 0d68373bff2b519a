"""What the machine is, and whether everything that training needs is there."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from typing import Any

import torch
from common import PROJECT, digest, finish, options

from redrop.record import read_json
from redrop.runtime.environment import PACKAGES, device_name
from redrop.runtime.rates import PRODUCT, matmul_rate

NEEDED = (*PACKAGES, "jsonschema", "pooch", "pytest", "hypothesis", "scipy")


def versions(faults: list[str]) -> dict[str, str | None]:
    """Of every package that is needed; a missing one is a fault."""
    found: dict[str, str | None] = {}
    for name in NEEDED:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
            faults.append(f"package {name} is missing: run `make gpu-tree` and copy gpu/ along")
    return found


def accelerator(faults: list[str]) -> dict[str, Any]:
    """The GPU as torch and the driver describe it."""
    if not torch.cuda.is_available():
        faults.append(f"torch {torch.__version__} (CUDA {torch.version.cuda}) sees no CUDA device")
        return {}
    one = torch.cuda.get_device_properties(0)
    report: dict[str, Any] = {"memory": one.total_memory, "multiprocessors": one.multi_processor_count}
    report |= {"capability": [one.major, one.minor], "bf16": torch.cuda.is_bf16_supported()}
    if shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=name,driver_version,memory.used", "--format=csv,noheader"]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        report["nvidia-smi"] = (done.stdout or done.stderr).strip()
    return report


def main() -> int:
    """Look, print, write."""
    given = options(__doc__).parse_args()
    faults: list[str] = []
    report: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": versions(faults),
        "cuda": torch.version.cuda,
    }
    if given.device == "cuda":
        report |= accelerator(faults)
    if not faults:
        size = (8192, 8192, 8192) if given.device == "cuda" else PRODUCT
        rates = {one: matmul_rate(given.device, precision=one, size=size) / 1e9 for one in ("fp32", "bf16")}
        report |= {"device": device_name(given.device), "matmul_gflops": rates}
    tree = read_json(given.tree / "tree.json")
    report |= {"commit": tree["commit"], "dirty": tree["dirty"]}
    if digest(PROJECT / "src/redrop") != tree["source"]:
        faults.append("src/redrop is not what it was when gpu/ was made: run `make gpu-tree` again")
    for name, value in report.items():
        print(f"{name}: {value}")
    return finish(given.json, report, faults)


if __name__ == "__main__":
    raise SystemExit(main())
