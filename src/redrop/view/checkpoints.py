"""How far an unfinished run is, from the header lines of its checkpoints: no torch, no tensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

LAST, PREVIOUS = "last.pt", "previous.pt"
LONGEST_HEADER = 4096


@dataclass(frozen=True)
class Reached:
    """A run's newest checkpoint."""

    iteration: int
    saved: float
    """When, in seconds since the epoch."""
    seconds: float | None = None
    """Time between the last two checkpoints; None without two."""
    iterations: int | None = None
    """Iterations between them."""

    @property
    def seconds_an_iteration(self) -> float | None:
        """The run's own pace; too long where it was interrupted between its last two checkpoints."""
        return None if self.seconds is None else self.seconds / self.iterations


def reached(folder: Path, run: str) -> Reached | None:
    """What the checkpoints in ``folder`` say, unverified; None where there is none of this run."""
    last, previous = (_header(folder / name, run) for name in (LAST, PREVIOUS))
    if last is None:
        return previous
    if previous is None or last.iteration <= previous.iteration or last.saved <= previous.saved:
        return last
    seconds, iterations = last.saved - previous.saved, last.iteration - previous.iteration
    return Reached(last.iteration, last.saved, seconds, iterations)


def _header(path: Path, run: str) -> Reached | None:
    try:  # training may be replacing the file
        with path.open("rb") as file:
            saved = path.stat().st_mtime
            header = json.loads(file.readline(LONGEST_HEADER))
        return Reached(int(header["iteration"]), saved) if header["run"] == run else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
