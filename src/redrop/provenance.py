"""How a run was made, as its ``provenance.json`` says: when, by what, on what, from which data, at what cost.

One reader for everybody. A key that a record does not have is None or empty, as in those written before the
key was there; keys that are not known here are kept under ``others``. No torch.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redrop.errors import RecordError
from redrop.record import PROVENANCE, REMEDY, read_json


@dataclass(frozen=True, kw_only=True)
class TimeSpent:
    """What training a run took; its share, where several were trained together."""

    processes: int = 0
    iterations: int = 0
    training: float = 0.0
    """Seconds."""
    evaluation: float = 0.0
    """Seconds."""

    def __add__(self, other: TimeSpent) -> TimeSpent:
        return TimeSpent(**{key: value + vars(other)[key] for key, value in vars(self).items()})

    def to_dict(self) -> dict[str, Any]:
        """Iterations and seconds as ``provenance.json`` has them."""
        seconds = {"training": self.training, "evaluation": self.evaluation}
        return {"iterations": self.iterations, "seconds": seconds}


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What ``provenance.json`` says; the names are its keys."""

    finished: str | None = None
    """When, in ISO 8601."""
    git: dict[str, Any] = field(default_factory=dict)
    """``commit`` of the project, and ``dirty``: whether files differed from it."""
    python: str | None = None
    packages: dict[str, str] = field(default_factory=dict)
    """Package -> version."""
    platform: str | None = None
    device: str | None = None
    """Name of the processor or accelerator."""
    device_type: str | None = None
    """``cpu`` or ``cuda``."""
    cpus: int | None = None
    threads: int | None = None
    peak_memory_bytes: dict[str, int] = field(default_factory=dict)
    """``host``, and ``device`` where there is an accelerator; of the last process."""
    data: dict[str, Any] = field(default_factory=dict)
    """Where data and model came from."""
    processes: int | None = None
    """How many the run took: each time that it was interrupted is one more."""
    iterations: int | None = None
    """Made by all of them, as are the seconds; in older records by the last one."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of ``training`` and ``evaluation``."""
    milliseconds_an_iteration: float | None = None
    last_process: dict[str, Any] = field(default_factory=dict)
    """Iterations and seconds of the last one alone."""
    trained_together: int | None = None
    """How many runs the process trained at once; seconds are the run's share."""
    latency_ms: float | None = None
    """Of one example through the finished model."""
    decoding: dict[str, float] = field(default_factory=dict)
    """``seconds`` for so many ``sentences`` of the test set."""
    others: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, document: Any) -> Provenance:
        """Raises ``ValueError`` for a value of another kind than it has here."""
        if not isinstance(document, dict):
            raise ValueError("not a mapping")
        found: dict[str, Any] = {}
        for own in dataclasses.fields(cls):
            value = document.get(own.name)
            if value is None or own.name == "others":
                continue
            kind = dict if own.default is dataclasses.MISSING else _KINDS[own.type]
            numbers = value.values() if own.name in _NUMBERS and isinstance(value, dict) else ()
            if not isinstance(value, kind) or not all(isinstance(one, int | float) for one in numbers):
                raise ValueError(f"{own.name} is {value!r}")
            found[own.name] = value
        return cls(**found, others={key: document[key] for key in document.keys() - _NAMES})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, without what is not known."""
        known = {key: value for key, value in vars(self).items() if value is not None}
        others = known.pop("others")
        needless = {key for key in ("last_process", "decoding") if not known[key]}
        return {key: value for key, value in known.items() if key not in needless} | others

    @property
    def total_seconds(self) -> float:
        """Training and evaluation together; NaN where it is not recorded."""
        return sum(self.seconds.values()) if self.seconds else math.nan

    @property
    def peak_megabytes(self) -> float:
        """Of the accelerator where there is one, else of the process; NaN where it is not recorded."""
        peak = self.peak_memory_bytes
        return peak.get("device", peak.get("host", math.nan)) / 1e6

    @property
    def milliseconds(self) -> float:
        """Of an update; NaN where it is not recorded."""
        return math.nan if self.milliseconds_an_iteration is None else self.milliseconds_an_iteration

    @property
    def latency(self) -> float:
        """Milliseconds an example: alone through the finished model, or its share of decoding in batches."""
        if self.decoding:
            return 1e3 * self.decoding["seconds"] / max(1, self.decoding["sentences"])
        return math.nan if self.latency_ms is None else self.latency_ms


_KINDS = {"str | None": str, "int | None": int, "float | None": (int, float)}
_NUMBERS = ("peak_memory_bytes", "seconds", "decoding")
_NAMES = {own.name for own in dataclasses.fields(Provenance)} - {"others"}


def read_provenance(folder: Path) -> Provenance | None:
    """Of a run's folder; None where there is none. Raises ``RecordError`` for a damaged one."""
    path = Path(folder) / PROVENANCE
    if not path.exists():
        return None
    try:
        return Provenance.from_dict(read_json(path))
    except ValueError as error:
        raise RecordError(f"{path}: {error}; {REMEDY}") from error
