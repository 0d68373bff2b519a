"""What a run leaves behind, written whole or not at all, and read with suspicion.

A run's folder holds ``spec.json`` (reproduces it), ``metrics.json`` (its result, deterministic),
``curve.jsonl`` (one evaluation a line) and ``provenance.json`` (where and when; not deterministic).
"""

from __future__ import annotations

import json
import logging
import math
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redrop.errors import ConfigError, RecordError
from redrop.spec import RunSpec

log = logging.getLogger(__name__)

SPEC, METRICS, CURVE, PROVENANCE = "spec.json", "metrics.json", "curve.jsonl", "provenance.json"
DONE, DIVERGED = "done", "diverged"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; it takes the final name only if the block succeeds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8 with Unix newlines."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, so that equal values are equal bytes. NaN is refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; raises ``RecordError`` naming the file and the place of the fault."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordError(f"{path}: no such file") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: damaged ({error}); delete its folder and run the run again") from error


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number with what it takes to read it."""

    value: float | None
    """None where the run diverged before it could be measured."""
    n: int
    """How many windows, examples or sentences it is a mean over."""
    split: str
    """``train`` or ``validation``."""
    higher_is_better: bool | None
    """None for a number that is neither good nor bad, such as an iteration."""
    signature: str
    """How it was computed."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values; a value that is not finite becomes null."""
        finite = self.value is not None and math.isfinite(self.value)
        return {
            "value": self.value if finite else None,
            "n": self.n,
            "split": self.split,
            "higher_is_better": self.higher_is_better,
            "signature": self.signature,
        }


@dataclass(frozen=True)
class RunRecord:
    """A finished run as read from its folder."""

    spec: RunSpec
    status: str
    reason: str | None
    data: dict[str, Any]
    metrics: dict[str, Metric]
    folder: Path

    @property
    def run(self) -> str:
        """The run's id."""
        return self.spec.run

    def value(self, metric: str) -> float:
        """The metric's value, NaN where the run has none."""
        found = self.metrics.get(metric)
        return math.nan if found is None or found.value is None else found.value


def metrics_document(
    spec: RunSpec, status: str, reason: str | None, data: dict[str, Any], metrics: dict[str, Metric]
) -> dict[str, Any]:
    """The content of ``metrics.json``. It repeats the spec, so that it can be read on its own."""
    return {
        "run": spec.run,
        "spec": spec.to_dict(),
        "status": status,
        "reason": reason,
        "data": data,
        "metrics": {name: metric.to_dict() for name, metric in metrics.items()},
    }


def read_record(folder: Path) -> RunRecord:
    """Read and check a run's ``metrics.json``; raises ``RecordError`` naming file, fault and remedy."""
    path = Path(folder) / METRICS
    document = read_json(path)
    remedy = "delete its folder and run the run again"
    try:
        spec = RunSpec.from_dict(document["spec"])
        if document["run"] != spec.run:
            raise RecordError(
                f"{path}: says it is run {document['run']!r} but its settings are those of "
                f"{spec.run!r}; it was edited, or written by another version: {remedy}"
            )
        if document["status"] not in (DONE, DIVERGED):
            raise RecordError(f"{path}: unknown status {document['status']!r}; {remedy}")
        metrics = {name: Metric(**value) for name, value in document["metrics"].items()}
        return RunRecord(
            spec, document["status"], document["reason"], document["data"], metrics, Path(folder)
        )
    except (KeyError, TypeError, AttributeError, ConfigError) as error:
        raise RecordError(f"{path}: not a run's metrics ({error!r}); {remedy}") from error


def is_recorded(folder: Path, run: str) -> bool:
    """Whether ``folder`` holds the record of ``run``; raises ``RecordError`` if it holds another run's."""
    if not (folder / METRICS).exists():
        return False
    found = read_record(folder)
    if found.run != run:
        raise RecordError(f"{folder}: holds run {found.run}, not {run}; use another folder")
    log.info("%s: already there", folder / METRICS)
    return True


def write_curve(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write a curve: one JSON object a line, one line an evaluation."""
    write_text(path, "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows))


def read_curve(folder: Path) -> list[dict[str, Any]]:
    """Read a run's curve; raises ``RecordError`` naming the line that is damaged."""
    path = Path(folder) / CURVE
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise RecordError(f"{path}: no such file") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            row["iteration"], row["val_loss"], row["train_loss"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise RecordError(
                f"{path}: line {number} is damaged ({error}); delete the folder and run it again"
            ) from error
        rows.append(row)
    return rows
