"""Run folders with invented numbers, written through redrop.record as training does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from redrop import record
from redrop.record import DIVERGED, DONE, Metric
from redrop.spec import RunSpec
from redrop.study import Study, load_study, make_spec

PROJECT = Path(__file__).resolve().parents[2]
N_VAL = 1000


def residual() -> Study:
    """The project's own study of paper B."""
    return load_study(PROJECT / "config" / "studies" / "residual.yaml", PROJECT)


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
    document = record.metrics_document(spec, status, reason, data, metrics)
    record.write_json(place / record.METRICS, document)
    record.write_curve(place / record.CURVE, curve)
    return place


def write_config(
    folder: Path,
    study: Study,
    protocol: str,
    config: str,
    lasts: dict[int, float],
    corpus: str = "tiny_shakespeare",
    override: dict[str, Any] | None = None,
) -> list[str]:
    """One run a seed of a configuration, ``lasts`` by seed; returns the ids."""
    runs = []
    for seed, last in lasts.items():
        spec = make_spec(study, protocol, config, corpus, seed, override or {})
        write_run(folder, spec, decay(last))
        runs.append(spec.run)
    return runs


@pytest.fixture
def study() -> Study:
    return residual()


def test_a_synthetic_run_reads_back(tmp_path: Path, study: Study) -> None:
    spec = make_spec(study, "authors", "a2r025", "tiny_shakespeare", 1, {})
    place = write_run(tmp_path, spec, decay(1.5))
    read = record.read_record(place)
    assert read.spec == spec
    assert read.value("val_loss_last") == pytest.approx(1.5)
    assert record.read_curve(place)[-1]["iteration"] == 50_000
