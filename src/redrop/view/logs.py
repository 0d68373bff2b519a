"""Whether a run's log ends in an error: Python's, redrop's own, a scheduler's or the kernel's."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

TAIL_BYTES = 8192
TAIL_LINES = 5

FAULT = re.compile(
    r"redrop [\w-]+: "  # what `redrop` says of an error that it foresaw, and of a wrong option
    r"|([A-Za-z_][\w.]*)?(Error|Exception|Interrupt)\b"  # the last line of a traceback
    r"|Traceback \(most recent"
    r"|(.*\b)?(Killed|Segmentation fault|Bus error|CANCELLED|oom[-_]kill)",
)

STOPPED = re.compile(r"stopped at iteration \d+")


@dataclass(frozen=True)
class LogEnd:
    """The end of a log."""

    path: Path
    written: float
    """When it was last written to, in seconds since the epoch."""
    fault: str | None
    """The last line of it that is an error's; None: it ends without one."""
    stopped: bool = False
    """Whether it ends with training that was asked to stop."""


def log_end(path: Path) -> LogEnd | None:
    """Read the end of a log; None where there is none."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return None
    lines = [line.strip() for line in text.splitlines() if line.strip()]  # a progress bar's \r ends one, too
    faults = [line for line in lines[-TAIL_LINES:] if FAULT.match(line)]
    stopped = bool(lines) and STOPPED.match(lines[-1]) is not None
    return LogEnd(path, status.st_mtime, faults[-1] if faults else None, stopped)
