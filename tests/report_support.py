"""Invented runs of any study, and the page of a folder of them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

from analysis_support import decay, write_run
from redrop import record
from redrop.analysis.scoring import SHOWN, first_metric
from redrop.record import DIVERGED, DONE, Metric
from redrop.spec import RunSpec
from redrop.study import Plan, resolve
from redrop.verbs.shared import read_config

PROVENANCE = {
    "device": "a CPU",
    "finished": "2026-01-02T03:04:05+00:00",
    "git": {"commit": "0123456789abcdef", "dirty": False},
    "milliseconds_an_iteration": 10.0,
    "packages": {"torch": "9.9"},
    "peak_memory_bytes": {"host": 5e8},
    "python": "3.12.0",
    "seconds": {"training": 90.0, "evaluation": 30.0},
}


def plan_of(project: Path, *texts: str) -> Plan:
    """A config as the command line reads it."""
    return resolve(read_config(list(texts), project), project)


def invent(folder: Path, specs: Iterable[RunSpec], diverged: str = "") -> list[Path]:
    """Write a run for each spec into ``folder``/STUDY/; one whose id has ``diverged`` in it has diverged."""
    return [_invent(folder, spec, bool(diverged) and diverged in spec.run) for spec in specs]


def _invent(folder: Path, spec: RunSpec, diverged: bool) -> Path:
    level = random.Random(f"{spec.study} {spec.config}").random()
    value = level + 0.02 * random.Random(spec.run).random()
    if spec.study == "residual":
        losses: list[float | None] = list(decay(1.8 + 0.2 * value))
        if diverged:
            losses[-1] = None
        place = write_run(folder, spec, losses, status=DIVERGED if diverged else DONE)
    else:
        place = _score_run(folder, spec, value)
    record.write_json(place / record.PROVENANCE, PROVENANCE)
    record.write_text(place / record.SPEC, spec.to_json())
    return place


def _score_run(folder: Path, spec: RunSpec, value: float) -> Path:
    points = 1.0 if spec.study == "glue" else 100.0

    def metric(number: float) -> Metric:
        return Metric(value=number, n=300, split="dev", higher_is_better=True, signature="test")

    names = {"score", first_metric(spec.study, spec.task), *SHOWN[spec.study]}
    metrics = {name: metric(points * value) for name in names}
    metrics |= {"inconsistency_to_evaluation": metric(value)}
    metrics |= {f"inconsistency_hidden_{layer}": metric(0.1 * layer) for layer in (1, 2)}
    place = folder / spec.study / spec.run
    data = {"name": spec.data.data_set, "edition": "toy 2", "sha256": "0" * 64}
    record.write_json(place / record.METRICS, record.metrics_document(spec, DONE, None, data, metrics))
    first = first_metric(spec.study, spec.task) + ("" if spec.study == "glue" else "_valid")
    row = {"learning_rate": 0.1, "train_loss": 1.0, "val_loss": 1.0}
    rows = [row | {"iteration": 10 * i, "epoch": i, first: points * value * i / 4} for i in range(5)]
    record.write_text(place / record.CURVE, record.curve_text(rows))
    return place
