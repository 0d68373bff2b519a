"""From specs to folders: data, device, training, records. One run, or those that are trained together."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from redrop import data
from redrop.data.corpus import Corpus, load_corpus
from redrop.errors import ConfigError, DataError, RecordError
from redrop.record import (
    CURVE,
    METRICS,
    PROVENANCE,
    SPEC,
    metrics_document,
    read_json,
    read_record,
    write_curve,
    write_json,
)
from redrop.runtime.pool import Claim, Pool
from redrop.runtime.provenance import provenance
from redrop.spec import RunSpec
from redrop.training.checkpoint import Checkpoint
from redrop.training.lane import Outcome
from redrop.training.loop import Stopped, Trainer, data_record, drive, single_thread
from redrop.training.single import SingleTrainer
from redrop.training.sweep import SweepTrainer, pack_key

log = logging.getLogger(__name__)

KEEP_GOING_SECONDS = 60.0
"""A process younger than this goes on with the pool's next runs: starting torch takes seconds."""


def choose_device(name: str) -> torch.device:
    """``auto``: the accelerator where there is one, else the CPU. Raises ``ConfigError``."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"--device: {name!r} is no device; try cpu, cuda or cuda:0") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            f"--device: {name!r} was asked for, but this torch ({torch.__version__}) sees no CUDA "
            "device; use --device cpu, or install a CUDA build of torch"
        )
    return device


def ready_corpus(name: str, root: Path) -> tuple[Corpus, dict]:
    """The prepared corpus in ``root/name``, fetched and prepared first if it is not there."""
    folder = root / name
    if not (folder / "meta.json").exists():
        raw = root / "raw" / name
        data.fetch(name, raw)
        data.prepare(name, raw, folder)
    corpus = load_corpus(folder)
    if corpus.name != name:
        raise DataError(f"{folder}: holds {corpus.name!r}, not {name!r}; delete it and prepare again")
    return corpus, {"name": name, "origin": corpus.origin, "edition": corpus.edition}


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """Where runs are trained: what all runs of one process share."""

    data_root: Path
    """Prepared data sets; what is missing is fetched."""
    checkpoints: Path
    """Checkpoints, a folder a run."""
    device: torch.device
    checkpoint_seconds: float = 60.0
    should_stop: Callable[[], bool] = lambda: False


def run(spec: RunSpec, *, out: Path, workplace: Workplace, pool: Pool | None = None) -> bool:
    """Train ``spec`` and leave its record in ``out``; False if it was stopped and can be resumed.

    With a ``pool``, other runs that wait there are trained along, and after it. A folder that
    already holds this run's record is left as it is; one that holds another run's is refused with
    ``RecordError``.
    """
    if (out / METRICS).exists():
        found = read_record(out)
        if found.run != spec.run:
            raise RecordError(f"{out}: holds run {found.run}, not {spec.run}; use another folder")
        log.info("%s: already there", out / METRICS)
        return True
    single_thread(workplace.device)
    if pool is None:
        finished = train_together([spec], workplace, lambda _: out)
        if finished and workplace.checkpoints.is_dir() and not any(workplace.checkpoints.iterdir()):
            workplace.checkpoints.rmdir()
        return finished
    begin = time.monotonic()
    failed: set[str] = set()

    def suitable(other: RunSpec) -> bool:
        return other.run not in failed and is_prepared(other, workplace)

    def attempt(leader: RunSpec, claim: Claim) -> None:
        try:
            train_pack(leader, claim, workplace, pool)
        except Exception:
            if leader.run == spec.run:
                raise
            log.exception("%s: left to its own job", leader.run)  # this job must not fail for another's run
            failed.add(leader.run)

    while not pool.collect(spec, out):
        lead = pool.lead(spec, suitable, workplace.should_stop)
        if lead is not None:
            attempt(*lead)
        if workplace.should_stop():
            return False
    while time.monotonic() - begin < KEEP_GOING_SECONDS and not workplace.should_stop():
        lead = pool.unclaimed(suitable)
        if lead is None:
            break
        attempt(*lead)
    return True


def train_pack(leader: RunSpec, claim: Claim, workplace: Workplace, pool: Pool) -> bool:
    """Train ``leader`` and what fits beside it; False if stopped. Gives the claims back in any case."""
    room = leader.engine.lanes - 1
    along = pool.companions(leader, lambda other: fits(leader, other, workplace), room) if room else []
    try:
        return train_together([leader, *(spec for spec, _ in along)], workplace, pool.place)
    finally:
        for held in (claim, *(held for _, held in along)):
            held.release()


def is_prepared(spec: RunSpec, workplace: Workplace) -> bool:
    """Whether the run's corpus is there already; getting it is for the run's own job."""
    return (workplace.data_root / spec.data.corpus / "meta.json").exists()


def fits(leader: RunSpec, other: RunSpec, workplace: Workplace) -> bool:
    """Whether ``other`` can go along in a pack of ``leader``: same shape, same iteration so far."""
    if pack_key(leader) != pack_key(other) or not is_prepared(other, workplace):
        return False
    symbols = [
        read_json(workplace.data_root / spec.data.corpus / "meta.json")["vocab"] for spec in (leader, other)
    ]
    reached = [checkpoint_of(spec, workplace).iteration() for spec in (leader, other)]
    return len(symbols[0]) == len(symbols[1]) and reached[0] == reached[1]


def checkpoint_of(spec: RunSpec, workplace: Workplace) -> Checkpoint:
    """A run's checkpoint, wherever it is trained."""
    return Checkpoint(workplace.checkpoints / spec.run, spec.run)


def train_together(specs: list[RunSpec], workplace: Workplace, place: Callable[[str], Path]) -> bool:
    """Train runs that fit together and write each one's record to ``place(run)``; False if stopped."""
    ready = [ready_corpus(spec.data.corpus, workplace.data_root) for spec in specs]
    stored = [checkpoint_of(spec, workplace).load() for spec in specs]
    reached = [0 if state is None else state["iteration"] for state in stored]
    # A damaged checkpoint may have thrown a run back: it is left to another pack.
    kept = [number for number in range(len(specs)) if reached[number] == reached[0]]
    specs, ready, stored = ([part[number] for number in kept] for part in (specs, ready, stored))
    corpora = [corpus for corpus, _ in ready]
    trainer: Trainer
    if specs[0].engine.name == "single":
        trainer = SingleTrainer(specs[0], corpora[0], workplace.device)
    else:
        trainer = SweepTrainer(specs, corpora, workplace.device)
    for number, state in enumerate(stored):
        if state is not None:
            trainer.restore(number, state)
    log.info("%s on %s", ", ".join(spec.run for spec in specs), workplace.device)
    try:
        outcomes = drive(
            trainer,
            checkpoints=[checkpoint_of(spec, workplace) for spec in specs],
            checkpoint_seconds=workplace.checkpoint_seconds,
            should_stop=workplace.should_stop,
        )
    except Stopped as stopped:
        log.warning("%s; run the same command to go on", stopped)
        return False
    for spec, (corpus, source), outcome in zip(specs, ready, outcomes, strict=True):
        write_record(place(spec.run), spec, corpus, source, outcome, workplace.device, len(specs))
        checkpoint_of(spec, workplace).delete()
    return True


def write_record(
    folder: Path,
    spec: RunSpec,
    corpus: Corpus,
    source: dict,
    outcome: Outcome,
    device: torch.device,
    together: int,
) -> None:
    """Write a finished run's four files, metrics.json last."""
    if outcome.reason is not None:
        log.warning("%s diverged: %s", spec.run, outcome.reason)
    seconds = outcome.seconds_training
    cost = {
        "seconds": {"training": seconds, "evaluation": outcome.seconds_evaluation},
        "iterations": outcome.iterations_now,
        "milliseconds_an_iteration": 1e3 * seconds / max(1, outcome.iterations_now),
        "trained_together": together,
        "threads": torch.get_num_threads(),
    }
    write_json(folder / SPEC, json.loads(spec.to_json()))
    write_curve(folder / CURVE, outcome.curve)
    write_json(folder / PROVENANCE, provenance(device.type, source, cost))
    document = metrics_document(spec, outcome.status, outcome.reason, data_record(corpus), outcome.metrics)
    write_json(folder / METRICS, document)
    last = outcome.metrics["val_loss_last"].value
    log.info("%s: validation loss %s", spec.run, "none" if last is None else f"{last:.4f}")
