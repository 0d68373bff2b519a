"""From specs to folders: data, device, training, records. One run, or those that are trained together."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from redrop import record
from redrop.atomic import check_writable, replacing
from redrop.errors import ConfigError, RecordError
from redrop.methods import METHODS
from redrop.models.kept import whole_folder
from redrop.places import Places, is_prepared
from redrop.provenance import TimeSpent
from redrop.runtime import gpu
from redrop.runtime.environment import provenance
from redrop.runtime.pool import Pool, RunLock, is_settled
from redrop.spec import RunSpec
from redrop.training.assembly import make_trainer
from redrop.training.checkpoint import Checkpoint
from redrop.training.loop import Stopped, drive, single_thread
from redrop.training.pack import can_be_packed, pack_key
from redrop.training.run import Outcome
from redrop.training.sources import Source

log = logging.getLogger(__name__)

KEEP_GOING_SECONDS = 60.0
"""A process younger than this goes on with the pool's next runs: starting torch takes seconds."""


def choose_device(name: str, leased: gpu.Device | None = None) -> torch.device:
    """``auto``: the GPU that was ``leased``, else the CPU. Raises ``ConfigError`` for what cannot compute."""
    if name == "auto":
        return torch.device(automatic(leased))
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device: {name!r} is no device; try cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        said = f"{name!r} was asked for, but this torch ({torch.__version__}) sees no CUDA device"
        raise ConfigError(f"--device: {said}; use --device cpu, or install a CUDA build of torch")
    try:
        torch.ones(1, device=device).item()
    except Exception as error:  # torch knows many devices by name, and each fails in its own way
        said = f"this torch ({torch.__version__}) on this machine ({type(error).__name__})"
        raise ConfigError(
            f"--device: {name!r} cannot be used by {said}; use --device cpu, or auto"
        ) from error
    return device


def automatic(leased: gpu.Device | None) -> str:
    """What ``auto`` stands for; says so in the log. Days on the CPU beside an idle GPU are refused."""
    usable = torch.cuda.is_available()
    if leased is not None and usable:
        log.info("device: GPU %s, leased for this process", leased)
        return "cuda"
    if leased is not None:
        build = "without CUDA" if torch.version.cuda is None else f"for CUDA {torch.version.cuda}"
        remedy = "see whether `nvidia-smi` works, names that GPU and reports a driver that is new enough"
        if torch.version.cuda is None:
            remedy = "install a CUDA build of torch (https://pytorch.org/get-started/locally)"
        who = "" if leased in gpu.driver_devices() else ", as REDROP_GPUS says and the driver does not"
        said = f"this torch ({torch.__version__}, built {build}) cannot use it; {remedy}"
        cpu = "train on the CPU with --device cpu (in a workflow: REDROP_GPUS='')"
        raise ConfigError(f"--device: GPU {leased} is there{who}, but {said}, or {cpu}")
    if usable and not gpu.are_hidden():
        log.info("device: cuda, not leased: torch finds it, the NVIDIA driver does not list it")
        return "cuda"
    why = gpu.why_none()
    if torch.backends.mps.is_available():
        why = "a Mac's own is not used: results on it were never compared; --device mps tries it"
    log.info("device: the CPU, as there is no GPU to use (%s)", why)
    return "cpu"


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where runs are trained: what all runs of one process share."""

    places: Places
    """Data sets and models; what is missing is fetched."""
    checkpoints: Path
    """Checkpoints, a folder a run."""
    device: torch.device
    pack: int = 1
    """Most language models that are trained as one batched program; 1: each alone, by the plain trainer."""
    checkpoint_seconds: float = 60.0
    should_stop: Callable[[], bool] = lambda: False
    weights: Callable[[str], Path] | None = None
    """Run -> the folder that its finished model is kept in; None: models are not kept."""
    interrupted: Callable[[], bool] = lambda: False
    """The same, asked while something is measured; see ``redrop.training.loop.drive``."""


def run(spec: RunSpec, *, out: Path, workplace: Workplace, pool: Pool | None = None) -> bool:
    """Train ``spec`` and leave its record in ``out``, if it is not there; False if it was stopped.

    With a ``pool``, other runs that wait there are trained along, and after it.
    """
    if is_settled(spec, out, workplace.checkpoints, pool):
        return True
    check_writable(out if pool is None else pool.folder)
    check_writable(workplace.checkpoints)
    single_thread(workplace.device)
    if pool is None:
        finished = train_together([spec], workplace, lambda _: out)
        if finished and workplace.checkpoints.is_dir() and not any(workplace.checkpoints.iterdir()):
            workplace.checkpoints.rmdir()
        return finished
    begin = time.monotonic()
    failed: set[str] = set()

    def suitable(other: RunSpec) -> bool:
        return other.run not in failed and is_prepared(other, workplace.places)

    def attempt(leader: RunSpec, lock: RunLock) -> None:
        """Train ``leader`` and what fits beside it; give the locks back in any case."""
        room = workplace.pack - 1 if can_be_packed(leader) else 0
        along = pool.companions(leader, lambda other: fits(leader, other, workplace), room) if room else []
        try:
            train_together([leader, *(other for other, _ in along)], workplace, pool.place)
        except Exception:
            if leader.run == spec.run:
                raise
            log.exception("%s: left to its own job", leader.run)  # this job must not fail for another's run
            failed.add(leader.run)
        finally:
            for held in (lock, *(held for _, held in along)):
                held.close()

    while not pool.finished(spec.run) and not (out / record.METRICS).exists():  # another job of it may have
        lead = pool.lead(spec, suitable, workplace.should_stop)
        if lead is not None:
            attempt(*lead)
        if workplace.should_stop():
            return False
    while time.monotonic() - begin < KEEP_GOING_SECONDS and not workplace.should_stop():
        lead = pool.unlocked(suitable)
        if lead is None:
            break
        attempt(*lead)
    # Last of all: a job that is killed while it goes on loses what it declares, but not what is in the pool.
    return is_settled(spec, out, workplace.checkpoints, pool)


def fits(leader: RunSpec, other: RunSpec, workplace: Workplace) -> bool:
    """Whether ``other`` can go along in a pack of ``leader``: same shape, same iteration so far."""
    same_shape = can_be_packed(other) and pack_key(leader) == pack_key(other)
    if not same_shape or not is_prepared(other, workplace.places):
        return False
    folders = [workplace.places.data / spec.data.data_set for spec in (leader, other)]
    symbols = [record.read_json(folder / "meta.json")["vocab"] for folder in folders]
    reached = [checkpoint_of(spec, workplace).iteration() for spec in (leader, other)]
    return len(symbols[0]) == len(symbols[1]) and reached[0] == reached[1]


def checkpoint_of(spec: RunSpec, workplace: Workplace) -> Checkpoint:
    """A run's checkpoint, wherever it is trained."""
    return Checkpoint(workplace.checkpoints / spec.run, spec.run)


def train_together(specs: list[RunSpec], workplace: Workplace, place: Callable[[str], Path]) -> bool:
    """Train runs that fit together and write each one's record to ``place(run)``; False if stopped."""
    stored = [checkpoint_of(spec, workplace).load() for spec in specs]
    reached = [0 if state is None else state["iteration"] for state in stored]
    # A damaged checkpoint may have thrown a run back: it is left to another pack.
    kept = [number for number in range(len(specs)) if reached[number] == reached[0]]
    specs, stored = ([part[number] for number in kept] for part in (specs, stored))
    earlier = [TimeSpent(**(state or {}).pop("spent", {})) for state in stored]
    scratch = workplace.checkpoints / specs[0].run
    packed = workplace.pack > 1 and can_be_packed(specs[0])
    trainer, sources = make_trainer(specs, workplace.places, workplace.device, scratch, packed=packed)
    for number, state in enumerate(stored):
        if state is not None:
            try:
                trainer.restore(number, state)
            except torch.OutOfMemoryError:
                raise
            except (ValueError, KeyError, TypeError, RuntimeError) as error:  # of another device, or version
                folder = checkpoint_of(specs[number], workplace).last.parent
                remedy = "go on there (--device), or delete the folder to begin anew"
                raise RecordError(f"{folder}: {error}; {remedy}") from error
    since = f", from iteration {reached[0]}" if reached[0] else ""
    log.info("%s on %s%s", ", ".join(spec.run for spec in specs), workplace.device, since)
    try:
        outcomes = drive(
            trainer,
            checkpoints=[checkpoint_of(spec, workplace) for spec in specs],
            earlier=earlier,
            checkpoint_seconds=workplace.checkpoint_seconds,
            should_stop=workplace.should_stop,
            interrupted=workplace.interrupted,
        )
    except Stopped as stopped:
        log.warning("%s; run the same command to go on", stopped)
        return False
    for number, (spec, source, outcome, before) in enumerate(
        zip(specs, sources, outcomes, earlier, strict=True)
    ):
        if workplace.weights is not None and outcome.reason is None:
            if getattr(METHODS[spec.objective.name], "KEPT", True):
                with whole_folder(workplace.weights(spec.run)) as folder:  # the record comes last
                    trainer.keep(number, folder)
            else:
                name = spec.objective.name
                log.warning("%s: not kept, because a model of %s has parts of its own", spec.run, name)
        write_record(place(spec.run), spec, source, outcome, before, workplace.device, len(specs))
        checkpoint_of(spec, workplace).delete()
    return True


def write_record(
    folder: Path,
    spec: RunSpec,
    source: Source,
    outcome: Outcome,
    earlier: TimeSpent,
    device: torch.device,
    together: int,
) -> None:
    """Write a finished run's files, metrics.json last; ``earlier``: what it took before this process."""
    if outcome.reason is not None:
        log.warning("%s diverged: %s", spec.run, outcome.reason)
    seconds = {"training": outcome.seconds_training, "evaluation": outcome.seconds_evaluation}
    last = TimeSpent(processes=1, iterations=outcome.iterations_now, **seconds)
    spent = earlier + last
    cost = {
        **spent.to_dict(),
        "milliseconds_an_iteration": 1e3 * spent.training / max(1, spent.iterations),
        "processes": spent.processes,
        "last_process": last.to_dict(),
        "trained_together": together,
        "threads": torch.get_num_threads(),
        **outcome.cost,
    }
    files = {**outcome.files, record.CURVE: record.curve_text(outcome.curve).encode()}
    for name, content in files.items():
        with replacing(folder / name) as part:
            part.write_bytes(content)
    record.write_json(folder / record.SPEC, json.loads(spec.to_json()))
    record.write_json(folder / record.PROVENANCE, provenance(device.type, source.origin, cost))
    told = (outcome.status, outcome.reason, source.data, outcome.metrics)
    document = record.metrics_document(spec, *told, files)
    record.write_json(folder / record.METRICS, document)
    loss = outcome.metrics["val_loss_last"].value
    log.info("%s: validation loss %s", spec.run, "none" if loss is None else f"{loss:.4f}")
