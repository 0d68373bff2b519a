"""How much memory this process has had at its peak. Standard library only; torch where there is a GPU."""

from __future__ import annotations

import resource
import sys


def peak_memory_bytes(device_type: str) -> dict[str, int]:
    """Peak resident memory of this process, and of the accelerator where there is one."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    if device_type == "cuda":
        import torch

        peak["device"] = torch.cuda.max_memory_allocated()
    return peak
