"""One run from spec to folder: data, device, training, records."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
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
    read_record,
    write_curve,
    write_json,
)
from redrop.runtime.provenance import provenance
from redrop.spec import RunSpec
from redrop.training.checkpoint import Checkpoint
from redrop.training.loop import Stopped, data_record, single_thread
from redrop.training.single import train

log = logging.getLogger(__name__)


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


def run(
    spec: RunSpec,
    *,
    out: Path,
    data_root: Path,
    checkpoint_folder: Path,
    checkpoint_seconds: float = 60.0,
    device_name: str = "auto",
    should_stop: Callable[[], bool] | None = None,
) -> bool:
    """Train ``spec`` and leave its record in ``out``; False if it was stopped and can be resumed.

    A folder that already holds this run's record is left as it is; one that holds another run's is
    refused with ``RecordError``.
    """
    if (out / METRICS).exists():
        found = read_record(out)
        if found.run != spec.run:
            raise RecordError(f"{out}: holds run {found.run}, not {spec.run}; use another folder")
        log.info("%s: already there", out / METRICS)
        return True
    device = choose_device(device_name)
    single_thread(device)
    corpus, source = ready_corpus(spec.data.corpus, data_root)
    log.info("%s on %s", spec.run, device)
    try:
        outcome = train(
            spec,
            corpus,
            device=device,
            checkpoint_folder=checkpoint_folder,
            checkpoint_seconds=checkpoint_seconds,
            should_stop=should_stop,
        )
    except Stopped as stopped:
        log.warning("%s; run the same command to go on", stopped)
        return False
    if outcome.reason is not None:
        log.warning("%s diverged: %s", spec.run, outcome.reason)
    seconds = outcome.seconds_training
    cost = {
        "seconds": {"training": seconds, "evaluation": outcome.seconds_evaluation},
        "iterations": outcome.iterations_now,
        "milliseconds_an_iteration": 1e3 * seconds / max(1, outcome.iterations_now),
        "threads": torch.get_num_threads(),
    }
    write_json(out / SPEC, json.loads(spec.to_json()))
    write_curve(out / CURVE, outcome.curve)
    write_json(out / PROVENANCE, provenance(device.type, source, cost))
    document = metrics_document(spec, outcome.status, outcome.reason, data_record(corpus), outcome.metrics)
    write_json(out / METRICS, document)
    Checkpoint(checkpoint_folder, spec.run).delete()
    last = outcome.metrics["val_loss_last"].value
    log.info("%s: validation loss %s", spec.run, "none" if last is None else f"{last:.4f}")
    return True
