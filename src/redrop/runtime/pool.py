"""Runs that wait for training, shared by the jobs of a workflow: who trains what, and where it is left.

Snakemake starts one job a run, and each declares only its own run's files. But runs of one architecture
are trained together, so whoever starts first also takes others along. The pool is a folder with

    wanted.jsonl     the spec of every run that is asked for, one a line, written before the jobs start
    <run>.lock       locked (flock) by the process that trains the run; a dead process holds no lock
    <run>/           the record of a run that was trained along, until its own job collects it

It is declared to nobody: Snakemake deletes what a job declares before the job runs. Which runs are trained
together depends on what is found here; their results do not.

Nothing heavy is imported: a job whose run lies here needs no torch.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from redrop.atomic import replacing
from redrop.errors import ConfigError, RecordError, StorageError, naming
from redrop.record import METRICS, check_whole, is_recorded, write_text
from redrop.spec import RunSpec

log = logging.getLogger(__name__)

WANTED = "wanted.jsonl"
POLL_SECONDS = 0.5
PACK_ON_ACCELERATOR = 20
"""Language models trained together: small ones leave an accelerator idle. A CPU is as fast on each alone."""


RunLock = IO[str]
"""The right to train a run, held until the file is closed or the process ends."""


class Pool:
    """A pool folder; ``runs`` is the folder in which every run's own folder lies."""

    def __init__(self, folder: Path, runs: Path) -> None:
        self.folder, self.runs = folder, runs
        self._asked: list[RunSpec] | None = None

    def write_wanted(self, specs: list[RunSpec]) -> None:
        """Say which runs are asked for."""
        write_text(self.folder / WANTED, "".join(spec.to_json() + "\n" for spec in specs))

    def wanted(self) -> Iterator[RunSpec]:
        """The runs that are asked for and not finished, in the order of the list."""
        if self._asked is None:
            path = self.folder / WANTED
            try:
                lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
                self._asked = [RunSpec.from_json(line) for line in lines]
            except (ConfigError, UnicodeDecodeError) as error:
                remedy = "start Snakemake again, which writes it anew"
                raise RecordError(f"{path}: damaged ({error}); {remedy}") from error
        return (spec for spec in self._asked if not self.finished(spec.run))

    def finished(self, run: str) -> bool:
        """Whether the run's record waits in the pool or is in its own folder, where it goes from here."""
        return any((folder / run / METRICS).exists() for folder in (self.folder, self.runs))

    def lock(self, run: str) -> RunLock | None:
        """The right to train ``run``, unless another process has it."""
        with naming(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / f"{run}.lock").open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        except OSError as error:
            file.close()
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS):
                raise
            raise StorageError(
                f"{self.folder}: files cannot be locked there ({error.strerror}), and two jobs could train "
                "one run; put the results on a local disk, or on a shared one that is mounted with locks"
            ) from error
        return file

    def place(self, run: str) -> Path:
        """Where a finished run's record is written until its job collects it."""
        return self.folder / run

    def collect(self, spec: RunSpec, out: Path) -> bool:
        """Move the record of ``spec`` from the pool to its own folder; delete one that is not its whole."""
        stored = self.place(spec.run)
        if not (stored / METRICS).exists():
            return False
        try:
            found = check_whole(stored)
            if found.spec != spec:
                raise RecordError(f"{stored}: holds another run")
        except RecordError as error:
            log.warning("%s; it is deleted and the run trained again", error)
            shutil.rmtree(stored)
            return False
        names = sorted(path.name for path in stored.iterdir() if not path.name.startswith("."))
        for name in sorted(names, key=METRICS.__eq__):  # the metrics last: they say that all is there
            with replacing(out / name) as part:
                shutil.copyfile(stored / name, part)
        # Copied before anything is removed: killed in the middle, it is done again from the start.
        (stored / METRICS).unlink()
        shutil.rmtree(stored)
        (self.folder / f"{spec.run}.lock").unlink(missing_ok=True)
        log.info("%s: was trained along with another run", spec.run)
        return True

    def lead(
        self, spec: RunSpec, suitable: Callable[[RunSpec], bool], should_stop: Callable[[], bool]
    ) -> tuple[RunSpec, RunLock] | None:
        """A run to train now: ``spec``; or, while another process trains that, one that nobody trains.

        With nothing to do it waits. None: ``spec`` is finished, or ``should_stop()``.
        """
        while not should_stop() and not self.finished(spec.run):
            found = self._lock_unfinished(spec) or self.unlocked(suitable)
            if found is not None:
                return found
            time.sleep(POLL_SECONDS)
        return None

    def has_work(self, spec: RunSpec, suitable: Callable[[RunSpec], bool]) -> bool:
        """Whether ``lead`` would find a run at present."""
        found = self._lock_unfinished(spec) or self.unlocked(suitable)
        if found is not None:
            found[1].close()
        return found is not None

    def unlocked(self, suitable: Callable[[RunSpec], bool]) -> tuple[RunSpec, RunLock] | None:
        """The first unfinished run that is ``suitable`` and that nobody trains, if there is one."""
        candidates = (spec for spec in self.wanted() if suitable(spec))
        return next((found for spec in candidates if (found := self._lock_unfinished(spec))), None)

    def _lock_unfinished(self, spec: RunSpec) -> tuple[RunSpec, RunLock] | None:
        lock = self.lock(spec.run)
        if lock is not None and self.finished(spec.run):
            lock.close()
            return None
        return None if lock is None else (spec, lock)

    def companions(
        self, leader: RunSpec, suitable: Callable[[RunSpec], bool], count: int
    ) -> list[tuple[RunSpec, RunLock]]:
        """Up to ``count`` other unfinished runs that are ``suitable`` and that nobody trains."""
        others = (spec for spec in self.wanted() if spec.run != leader.run and suitable(spec))
        locked = (found for spec in others if (found := self._lock_unfinished(spec)))
        return list(itertools.islice(locked, count))


def is_settled(spec: RunSpec, out: Path, checkpoints: Path, pool: Pool | None) -> bool:
    """Whether the record of ``spec`` is in ``out``, where it is moved from the pool.

    Then nothing else is left of the run: a process may have been killed just after it had written the record.
    Raises ``RecordError`` where ``out`` holds another run's.
    """
    if not ((pool is not None and pool.collect(spec, out)) or is_recorded(out, spec)):
        return False
    for folder in (checkpoints / spec.run, *(() if pool is None else (pool.place(spec.run),))):
        shutil.rmtree(folder, ignore_errors=True)
    return True
