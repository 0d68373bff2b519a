"""What a run leaves behind, written whole or not at all, and read with suspicion.

A run's folder holds ``spec.json`` (reproduces it), ``metrics.json`` (its result, deterministic),
``curve.jsonl`` (one evaluation a line) and ``provenance.json`` (where and when; not deterministic).

A changed digit is as good a number as any, so ``metrics.json`` carries checksums: under ``files`` those of
the run's other deterministic files, by name, and under ``sha256`` that of all the rest of the document, as
JSON with sorted keys and no spaces. Records from before there were any lack both keys and are read as well.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redrop.atomic import replacing
from redrop.errors import ConfigError, RecordError, storage_error
from redrop.spec import RunSpec, id_of

log = logging.getLogger(__name__)

SPEC, METRICS, CURVE, PROVENANCE = "spec.json", "metrics.json", "curve.jsonl", "provenance.json"
DONE, DIVERGED = "done", "diverged"


KEYS = {"run", "spec", "status", "reason", "data", "metrics"}
CHECKSUMS = {"files", "sha256"}
REMEDY = "delete its folder and run the run again"


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, in UTF-8 with Unix newlines."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, so that equal values are equal bytes. NaN is refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; raises ``RecordError`` naming the file, the place of the fault and what to do."""
    return _parse(path, _read(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise RecordError(f"{path}: no such file; run the run again, or copy its folder anew") from error
    except IsADirectoryError as error:
        raise RecordError(f"{path}: is a folder; {REMEDY}") from error
    except OSError as error:
        raise storage_error(error, path) from error


def _parse(path: Path, content: bytes, where: str = "") -> Any:
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: {where}damaged ({error}); {REMEDY}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number with what it takes to read it."""

    value: float | int | None
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
        return {**vars(self), "value": self.value if finite else None}


_METRIC = typing.get_type_hints(Metric)


@dataclass(frozen=True)
class RunRecord:
    """A finished run as read from its folder."""

    run: str
    """Its id, as it was given; an earlier version's may differ from ``spec.run``, see ``redrop.settings``."""
    spec: RunSpec
    status: str
    reason: str | None
    data: dict[str, Any]
    metrics: dict[str, Metric]
    folder: Path
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the run's other files, by name; empty in an older record."""

    def value(self, metric: str) -> float:
        """The metric's value, NaN where the run has none."""
        found = self.metrics.get(metric)
        return math.nan if found is None or found.value is None else found.value


def metrics_document(
    spec: RunSpec,
    status: str,
    reason: str | None,
    data: dict[str, Any],
    metrics: dict[str, Metric],
    files: Mapping[str, bytes] | None = None,
) -> dict[str, Any]:
    """The content of ``metrics.json``; ``files``: the run's other deterministic ones, for their checksums."""
    document = {
        "run": spec.run,
        "spec": spec.to_dict(),
        "status": status,
        "reason": reason,
        "data": data,
        "metrics": {name: metric.to_dict() for name, metric in metrics.items()},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in (files or {}).items()},
    }
    return document | {"sha256": checksum(document)}


def checksum(document: dict[str, Any]) -> str:
    """SHA-256, in hex, of a ``metrics.json`` without its own checksum."""
    rest = {key: value for key, value in document.items() if key != "sha256"}
    return hashlib.sha256(_canonical(rest)).hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def read_record(folder: Path) -> RunRecord:
    """Read and check a run's ``metrics.json``; raises ``RecordError`` naming file, fault and remedy."""
    path = Path(folder) / METRICS
    document = read_json(path)
    try:
        spec = RunSpec.from_dict(document["spec"])
        if document["run"] != (own := id_of(document["spec"])):
            said = f"says it is run {document['run']!r} but its settings are those of {own!r}"
            raise RecordError(f"{path}: {said}; it was edited: {REMEDY}")
        if document["status"] not in (DONE, DIVERGED):
            raise RecordError(f"{path}: unknown status {document['status']!r}; {REMEDY}")
        metrics = {name: _metric(name, value) for name, value in document["metrics"].items()}
        _check_kind("data", document["data"], dict)
        _check_kind("reason", document["reason"], str | None)
        if document.keys() not in (KEYS, KEYS | CHECKSUMS):
            raise ValueError(f"its keys are {', '.join(sorted(document))}")
        files = document.get("files", {})
        _check_kind("files", files, dict)
        if "sha256" in document and checksum(document) != document["sha256"]:
            raise ValueError("its checksum is wrong: it was edited, or a part of it changed on the disk")
        status, reason, data = (document[key] for key in ("status", "reason", "data"))
        return RunRecord(own, spec, status, reason, data, metrics, Path(folder), files)
    except KeyError as error:
        raise RecordError(f"{path}: not a run's metrics (no {error}); {REMEDY}") from error
    except (TypeError, ValueError, AttributeError, ConfigError) as error:
        raise RecordError(f"{path}: not a run's metrics ({error}); {REMEDY}") from error


def check_whole(folder: Path) -> RunRecord:
    """Read a run's record and those files beside it that are there; raises ``RecordError``."""
    folder = Path(folder)
    record = read_record(folder)
    read_curve(folder, record.files.get(CURVE))
    try:
        same = RunSpec.from_dict(read_json(folder / SPEC)) == record.spec
    except ConfigError as error:
        raise RecordError(f"{folder / SPEC}: {error}; {REMEDY}") from error
    if not same:
        raise RecordError(f"{folder / SPEC}: not the settings that are in {METRICS}; {REMEDY}")
    if not isinstance(read_json(folder / PROVENANCE), dict):
        raise RecordError(f"{folder / PROVENANCE}: not a mapping; {REMEDY}")
    for name, sha256 in record.files.items():
        path = folder / Path(name).name
        if path.exists() and not has_checksum(_read(path), sha256):
            raise RecordError(f"{path}: damaged (its checksum is not the one in {METRICS}); {REMEDY}")
    return record


def has_checksum(content: bytes, sha256: str) -> bool:
    """Whether a text file is the one of that checksum; line ends may have become Windows' on the way."""
    return sha256 in (hashlib.sha256(text).hexdigest() for text in (content, content.replace(b"\r\n", b"\n")))


def read_whole(folder: Path) -> RunRecord:
    """Read a run's record and look at its curve, without which it is not finished; raises ``RecordError``."""
    record = read_record(folder)
    sha256 = record.files.get(CURVE)
    if sha256 is None or not has_checksum(_read(Path(folder) / CURVE), sha256):
        read_curve(folder, sha256)  # which finds the place of the fault
    return record


def same_result(one: RunRecord, other: RunRecord) -> bool:
    """Whether two records of one run say the same; an older one has no checksums."""
    return (one.status, one.metrics, one.data) == (other.status, other.metrics, other.data)


def _metric(name: str, value: dict[str, Any]) -> Metric:
    metric = Metric(**value)
    for key, kind in _METRIC.items():
        _check_kind(f"metrics.{name}.{key}", getattr(metric, key), kind)
    return metric


def _check_kind(key: str, value: Any, kind: Any) -> None:
    """Refuse a value of another kind; a truth value is no number, and a number is finite."""
    fits = isinstance(value, kind) and (kind == (bool | None) or not isinstance(value, bool))
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"{key} is {value!r}")


def curve_text(rows: Iterable[dict[str, Any]]) -> str:
    """A curve: one JSON object a line, one line an evaluation."""
    return "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows)


def is_recorded(folder: Path, spec: RunSpec) -> bool:
    """Whether ``folder`` holds the record of ``spec``; raises ``RecordError`` if it holds another run's."""
    if not (folder / METRICS).exists():
        return False
    found = read_record(folder)
    if found.spec != spec:
        raise RecordError(f"{folder}: holds run {found.run}, not {spec.run}; use another folder")
    read_whole(folder)
    log.info("%s: already there", folder / METRICS)
    return True


def read_curve(folder: Path, sha256: str | None = None) -> list[dict[str, Any]]:
    """Read a run's curve; ``sha256``: of the file, as the run's record has it. Raises ``RecordError``."""
    path = Path(folder) / CURVE
    content = _read(path)
    rows = []
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        row = _parse(path, line, f"line {number} is ")
        try:
            row["val_loss"], row["train_loss"]
            _check_kind("iteration", row["iteration"], int)
            for key, value in row.items():
                _check_kind(key, value, float | int | None)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordError(f"{path}: line {number} is damaged ({error}); {REMEDY}") from error
        rows.append(row)
    if not content.endswith(b"\n"):
        raise RecordError(f"{path}: line {len(rows) + 1} is damaged (it does not end); {REMEDY}")
    if sha256 is not None and not has_checksum(content, sha256):
        said = f"its checksum is not the one in {METRICS}: it was edited, or changed on the disk"
        raise RecordError(f"{path}: damaged ({said}); {REMEDY}")
    return rows
