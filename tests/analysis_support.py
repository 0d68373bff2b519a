"""Run folders with invented numbers, written through redrop.record as training does."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from redrop import record
from redrop.analysis.build import load
from redrop.analysis.collect import Results
from redrop.record import DIVERGED, DONE, Metric
from redrop.spec import RunSpec
from support import spec_of

N_VAL = 1000
"""Windows that an invented number claims to be a mean over."""


def decay(last: float, start: float = 4.2, points: int = 21) -> list[float]:
    """Losses that fall from ``start`` and end flat at ``last``."""
    floor = math.exp(-12.0)
    steps = [math.exp(-12.0 * i / (points - 1)) for i in range(points)]
    return [last + (start - last) * (step - floor) / (1.0 - floor) for step in steps]


def write_run(
    folder: Path,
    spec: RunSpec,
    val: Sequence[float | None],
    train: Sequence[float | None] | None = None,
    status: str = DONE,
) -> Path:
    """Write a run whose evaluations are evenly spread over its budget; train is val - 0.1 by default."""
    if train is None:
        train = [None if loss is None else loss - 0.1 for loss in val]
    last = spec.schedule.last_iteration
    curve = [
        {
            "iteration": round(i * last / (len(val) - 1)),
            "learning_rate": 1e-3,
            "val_loss": v,
            "train_loss": t,
        }
        for i, (v, t) in enumerate(zip(val, train, strict=True))
    ]
    measured = [row for row in curve if row["val_loss"] is not None]
    best = min(measured, key=lambda row: row["val_loss"])
    end: dict[str, Any] = curve[-1] if status == DONE else dict.fromkeys(curve[-1])
    gap = end["val_loss"] - end["train_loss"] if status == DONE else None

    def metric(value: float | None, split: str = "validation", lower: bool | None = False) -> Metric:
        return Metric(value=value, n=N_VAL, split=split, higher_is_better=lower, signature="test")

    metrics = {
        "val_loss_last": metric(end["val_loss"]),
        "val_loss_best": metric(best["val_loss"]),
        "train_loss_last": metric(end["train_loss"], "train"),
        "gap_last": metric(gap),
        "iteration_of_best": metric(best["iteration"], lower=None),
    }
    data = {"name": spec.task, "sha256": "0" * 64, "edition": "test", "vocab_size": 65}
    data |= {"train_characters": 10_000, "val_characters": 1_000}
    reason = "the loss became nan at iteration 7" if status == DIVERGED else None
    place = Path(folder) / spec.study / spec.run
    files = {record.CURVE: record.curve_text(curve).encode()}
    document = record.metrics_document(spec, status, reason, data, metrics, files)
    record.write_json(place / record.METRICS, document)
    record.write_text(place / record.CURVE, record.curve_text(curve))
    return place


def edit_metrics(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change a run's metrics.json as if it had been written so, checksums and all."""
    document = record.read_json(folder / record.METRICS)
    edit(document)
    files = {name: (folder / name).read_bytes() for name in document["files"]}
    document["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    document["sha256"] = record.checksum(document)
    record.write_json(folder / record.METRICS, document)


def write_config(
    folder: Path, config: str, lasts: dict[int, float], protocol: str = "authors", **settings: Any
) -> list[str]:
    """One run a seed of a configuration, ``lasts`` by seed; returns the ids."""
    specs = {seed: spec_of(config, protocol, seed, **settings) for seed in lasts}
    for seed, spec in specs.items():
        write_run(folder, spec, decay(lasts[seed]))
    return [spec.run for spec in specs.values()]


def results_of(folder: Path, wanted: set[str] | None = None) -> Results:
    """The study's runs in a folder."""
    return load(folder, wanted, "residual")
