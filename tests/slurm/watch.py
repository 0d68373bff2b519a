"""What the kernel says of a workflow's `redrop train` while it runs: seen from outside, nothing is asked."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

SCAN_SECONDS = 0.1
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """One `redrop train`."""

    pid: int
    environment: dict[str, str] = field(hash=False, compare=False)
    run: str
    """The run that its job is for; it may train others along."""

    @property
    def device(self) -> str | None:
        return self.environment.get("CUDA_VISIBLE_DEVICES")

    @property
    def job(self) -> str:
        """As `scancel` and `scontrol` name it."""
        array, task = (self.environment.get(f"SLURM_ARRAY_{part}") for part in ("JOB_ID", "TASK_ID"))
        return self.environment["SLURM_JOB_ID"] if array is None else f"{array}_{task}"

    def alive(self) -> bool:
        return self.cpu_seconds() is not None

    def cpu_seconds(self) -> float | None:
        """Time it has computed; None once it has ended."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else (int(fields[11]) + int(fields[12])) / TICKS


def training(folder: Path) -> list[Process]:
    """The `redrop train` processes whose working directory is ``folder``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if words[1:5] != ["-P", "-m", "redrop", "train"] or (entry / "cwd").readlink() != folder:
                continue
            pairs = (entry / "environ").read_bytes().decode().split("\0")
        except OSError:
            continue
        environment = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        run = Path(words[words.index("--out") + 1]).name
        found.append(Process(int(entry.name), environment, run))
    return found


class Watch(threading.Thread):
    """Scans until it is stopped; logs are read along, because a job that begins again begins its log anew."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.seen: set[Process] = set()
        self.moments: list[list[Process]] = []
        """The processes of each scan in which there was one."""
        self.resumed: set[tuple[str, int]] = set()
        """Run, and the iteration from which it went on."""
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.wait(SCAN_SECONDS):
            # A scan takes its time: who ended in the course of it was not there beside who began.
            found = [process for process in training(self.folder) if process.alive()]
            if found:
                self.moments.append(found)
                self.seen.update(found)
            for log in (self.folder / "results/logs/residual").glob("*.log"):
                try:
                    text = log.read_text()
                except FileNotFoundError:  # Snakemake removes a job's log when it submits it again
                    continue
                for run, iteration in re.findall(r"^(\S+) on cpu, from iteration (\d+)$", text, re.M):
                    self.resumed.add((run, int(iteration)))

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()
