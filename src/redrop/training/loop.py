"""The loop that every trainer goes through: when to evaluate, check, checkpoint, stop.

Equal spec, equal machine, equal bytes: whether a run was killed and resumed, and how often it was
evaluated, changes nothing else, because every random stream has one purpose (``streams.py``) and a
checkpoint holds the streams' positions.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm

from redrop.memory import peak_memory_bytes
from redrop.provenance import TimeSpent
from redrop.record import Metric
from redrop.training.checkpoint import Checkpoint
from redrop.training.run import Outcome, Run, Stopped

FINISH_SECONDS = 5.0
"""Training that is older than this when it ends is kept before the finished models are measured."""


class Training(Protocol):
    """One model (``trainer.py``) or several (``pack.py``), which share schedule and evaluation interval."""

    runs: list[Run]
    """The runs, in the order of the models."""
    iteration: int
    last_iteration: int
    evaluate_every: int
    """Iterations between two evaluations; the first and the last iteration always have one."""
    device: torch.device

    def step(self) -> torch.Tensor:
        """Make one update; returns each model's loss on its training batch, (models,) on the device."""

    def watch(self, check: Callable[[], None]) -> None:
        """Take what ``losses`` and ``finish`` call every few seconds; it may raise ``Stopped``."""

    def losses(self) -> list[dict[str, float]]:
        """A row of the curve for every run: what its task measures, without dropout.

        It may look at the last update, see ``drive``. Stopped, it leaves in each run's ``row`` what a
        process that goes on from a checkpoint could not measure.
        """

    def finish(self) -> None:
        """Measure what only the finished models show; stopped, it can be done again from a checkpoint."""

    def keep(self, number: int, folder: Path) -> None:
        """Write one run's finished model into an empty folder."""

    def metrics(self) -> list[dict[str, Metric]]:
        """Every run's metrics, from its curve."""

    def state(self, number: int = 0) -> dict[str, Any]:
        """Everything that the rest of one run depends on."""

    def restore(self, number: int, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""


def drive(
    trainer: Training,
    *,
    checkpoints: Sequence[Checkpoint] = (),
    earlier: Sequence[TimeSpent] = (),
    checkpoint_seconds: float = 60.0,
    should_stop: Callable[[], bool] | None = None,
    interrupted: Callable[[], bool] | None = None,
    progress: bool = True,
) -> list[Outcome]:
    """Train every run to its end, or to where it diverges.

    ``checkpoints``: none, or one a run, written every ``checkpoint_seconds``. ``should_stop()``, asked
    before every update, and ``interrupted()``, asked all the time while something is measured, make it write
    them and raise ``Stopped`` where they are true. ``earlier``: what each run took before this process; with
    this one's share it is kept in the checkpoints, as ``spent``.
    """
    runs = trainer.runs
    spec = runs[0].spec
    begin, first = time.perf_counter(), trainer.iteration
    saved, evaluating = begin, 0.0
    last, every = trainer.last_iteration, trainer.evaluate_every
    check_every = 1 if trainer.device.type == "cpu" else 50  # reading a loss waits for the accelerator
    stop = False
    pending: list[torch.Tensor] = []
    more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    if trainer.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(trainer.device)

    def check() -> None:
        if interrupted is not None and interrupted():
            raise Stopped(f"stopped at iteration {trainer.iteration}")

    trainer.watch(check)

    def keep() -> None:
        training = (time.perf_counter() - begin - evaluating) / len(runs)
        mine = TimeSpent(
            processes=1,
            iterations=trainer.iteration - first,
            training=training,
            evaluation=evaluating / len(runs),
        )
        for number, checkpoint in enumerate(checkpoints):
            spent = mine + earlier[number] if earlier else mine
            checkpoint.save(trainer.iteration, trainer.state(number) | {"spent": asdict(spent)})

    bar = tqdm(
        total=last,
        initial=first,
        unit="it",
        desc=spec.run + more,
        mininterval=0.5 if sys.stderr.isatty() else 15.0,  # a log file needs few lines
        disable=not progress,
        dynamic_ncols=True,
    )
    with bar:
        while True:
            i = trainer.iteration
            due = i % every == 0 or i == last
            stop = should_stop is not None and should_stop()
            save = bool(checkpoints) and (stop or time.perf_counter() - saved >= checkpoint_seconds)
            if pending and (due or save or len(pending) >= check_every):
                read = torch.stack(pending).tolist()
                pending.clear()
                for offset, losses in enumerate(read):
                    for run, loss in zip(runs, losses, strict=False):
                        run.check(i - len(read) + offset, loss)
                bar.set_postfix(loss=f"{sum(read[-1]) / len(read[-1]):.4f}", refresh=False)
            going = [run for run in runs if run.reason is None]
            # It was measured before if this is where the run was resumed.
            if due and not all(run.measured(i) for run in going):
                started = time.perf_counter()
                try:
                    for run, losses in zip(runs, trainer.losses(), strict=True):
                        if run.reason is None and not run.measured(i):
                            run.note(i, losses)
                except Stopped:
                    stop, save = True, bool(checkpoints)
                evaluating += time.perf_counter() - started
            if all(run.reason is not None for run in runs):
                break
            if save:  # after the evaluation: a run that goes on from here has this iteration's row
                started = time.perf_counter()
                keep()
                saved = time.perf_counter()
                # A large model's checkpoint takes seconds; a twentieth of the time is enough for them.
                checkpoint_seconds = max(checkpoint_seconds, 20 * (saved - started))
            if stop:
                raise Stopped(f"stopped at iteration {i}")
            if i == last:
                break
            pending.append(trainer.step())
            bar.update(1)
    if checkpoints and time.perf_counter() - saved > FINISH_SECONDS:
        keep()  # what is left may take long, too
    for run in runs:
        run.cost["peak_memory_bytes"] = _peak_memory(trainer.device)
    started = time.perf_counter()
    try:
        trainer.finish()
    except Stopped:
        stop = True
    evaluating += time.perf_counter() - started
    if stop and any(run.reason is None for run in runs):
        keep()
        raise Stopped(f"stopped at iteration {trainer.iteration}, while the finished model was measured")
    share = 1.0 / len(runs)
    training = time.perf_counter() - begin - evaluating
    made = trainer.iteration - first
    return [
        run.outcome(metrics, made, share * training, share * evaluating)
        for run, metrics in zip(runs, trainer.metrics(), strict=True)
    ]


_trained_here: list[bool] = []
"""Not empty: this process has trained before, and its peak of host memory may be another run's."""


def _peak_memory(device: torch.device) -> dict[str, int]:
    """Of training alone: what is measured on finished models comes after it."""
    peak = peak_memory_bytes(device.type)
    if _trained_here:
        del peak["host"]
    _trained_here.append(True)
    return peak


def single_thread(device: torch.device) -> None:
    """One thread a process on a CPU: two runs side by side are faster than one on two threads."""
    if device.type == "cpu":
        torch.set_num_threads(1)
    else:
        torch.backends.cuda.matmul.allow_tf32 = True
