"""A run is a value: everything that decides its result, frozen, with an id made from its content.

``RunSpec`` is the only thing that crosses from configuration to training. Two specs are equal exactly
when their canonical JSON is, and the first eight hex digits of its SHA-256 are part of the run's folder
name, so an edited setting is a new run and an old one is never reused by mistake.

This module is read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import types
import typing
from dataclasses import dataclass
from typing import Any

from redrop.checks import check_choice, check_name, check_range, parse_json, suggest
from redrop.errors import ConfigError
from redrop.kinds import KINDS, Kind
from redrop.optimisers import OPTIMISERS


@dataclass(frozen=True, kw_only=True)
class OptimiserSpec:
    """AdamW (Loshchilov & Hutter, 2019) and what is done to its gradients."""

    name: str = "adamw"
    """Which optimiser."""
    beta1: float
    """Decay of the first moment."""
    beta2: float
    """Decay of the second moment."""
    eps: float
    """Added to the root of the second moment."""
    weight_decay: float
    """Decoupled weight decay."""
    decay: str
    """``matrices``: weight decay on parameters with two or more axes only; ``all``: on every one."""
    clip_norm: float | None
    """Gradients are scaled down to this norm; null: never."""

    def __post_init__(self) -> None:
        check_choice("optimiser.name", self.name, OPTIMISERS)
        check_choice("optimiser.decay", self.decay, ("matrices", "all"))
        check_range("optimiser.beta1", self.beta1, 0.0, 1.0)
        check_range("optimiser.beta2", self.beta2, 0.0, 1.0)
        check_range("optimiser.eps", self.eps, 0.0)
        check_range("optimiser.weight_decay", self.weight_decay, 0.0)
        if self.clip_norm is not None:
            check_range("optimiser.clip_norm", self.clip_norm, 1e-12)


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """Which trainer computes the run: results are bitwise reproducible within one engine."""

    name: str = "single"
    """``single``: one model, ``redrop.training.single``; ``sweep``: several, ``redrop.training.sweep``."""
    lanes: int = 1
    """Models trained together; a pack with fewer runs is filled up, so a run alone gives the same bytes."""

    def __post_init__(self) -> None:
        check_choice("engine.name", self.name, ("single", "sweep"))
        if self.name == "single":
            check_range("engine.lanes", self.lanes, 1, 1)
        else:
            check_range("engine.lanes", self.lanes, 2)


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run, complete."""

    study: str
    """The study that asked for it."""
    protocol: str
    """Which reading of the paper it belongs to, such as ``authors`` or ``matched``."""
    config: str
    """The configuration's name, unique within study and protocol."""
    seed: int
    """Every random stream of the run is derived from it."""
    data: Any
    model: Any
    objective: Any
    optimiser: OptimiserSpec
    schedule: Any
    evaluation: Any
    engine: EngineSpec

    def __post_init__(self) -> None:
        for key in ("study", "protocol", "config"):
            check_name(key, getattr(self, key))
        check_range("seed", self.seed, 0, 2**63 - 1)
        if self.model.name != "residual_gpt" and self.engine.name != "single":
            raise ConfigError(
                f"engine.name: {self.engine.name!r}; this kind of model is trained alone, give 'single'"
            )
        self.kind.check(self)

    @property
    def kind(self) -> Kind:
        """What its kind of model needs."""
        return KINDS[self.model.name].KIND

    @property
    def task(self) -> str:
        """What ``runs.csv`` calls the task: the corpus, for a language model."""
        return self.data.task

    @property
    def run(self) -> str:
        """The run's id and folder name: configuration, seed and hash."""
        return f"{self.protocol}-{self.config}-{self.task}-s{self.seed}-{self.hash8}"

    @functools.cached_property
    def hash8(self) -> str:
        """First eight hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:8]

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Canonical form: sorted keys, no spaces."""
        return self._json

    @functools.cached_property
    def _json(self) -> str:  # the hash is made of it, and Snakemake is given it
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RunSpec:
        """Build a spec from nested values; raises ``ConfigError`` naming key, value and what is allowed."""
        if not isinstance(values, dict):
            raise ConfigError(f"a run spec is a mapping of settings, not {values!r}")
        model = values.get("model")
        name = model.get("name", "residual_gpt") if isinstance(model, dict) else "residual_gpt"
        if not isinstance(name, str):
            raise ConfigError(f"model.name: {name!r} is not a str")
        check_choice("model.name", name, KINDS)
        return _build(cls, values, "", KINDS[name].KIND.sections)

    @classmethod
    def from_json(cls, text: str) -> RunSpec:
        """The inverse of ``to_json`` (spacing and key order do not matter)."""
        return cls.from_dict(parse_json(text, "the run spec"))


_hints = functools.cache(typing.get_type_hints)  # a config has thousands of specs


def _build(cls: type, values: Any, prefix: str, choose: dict[str, type] | None = None) -> Any:
    """Build dataclass ``cls`` from a mapping, checking keys and types by its annotations."""
    where = prefix.rstrip(".") or "run spec"
    if not isinstance(values, dict):
        raise ConfigError(f"{where}: {values!r} is not a mapping of settings")
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            names = ", ".join(prefix + name for name in fields)
            hint = suggest(key, fields)
            raise ConfigError(f"{prefix}{key}: unknown setting (known: {names}){hint}")
    hints = _hints(cls)
    made = {}
    for key, field in fields.items():
        if key not in values:
            if field.default is dataclasses.MISSING:
                raise ConfigError(f"{prefix}{key}: missing")
            continue
        kind = (choose or {}).get(key, hints[key])
        if dataclasses.is_dataclass(kind):
            made[key] = _build(kind, values[key], f"{prefix}{key}.")
        else:
            made[key] = _coerce(f"{prefix}{key}", values[key], kind)
    return cls(**made)


def _coerce(key: str, value: Any, kind: Any) -> Any:
    """Return ``value`` as ``kind`` (so that 0 and 0.0 give one hash), or refuse it."""
    if isinstance(kind, types.UnionType):
        if value is None:
            return None
        kind = next(part for part in typing.get_args(kind) if part is not type(None))
        if value is not None and not isinstance(value, (int, float, str)):
            raise ConfigError(f"{key}: {value!r} is not a {kind.__name__} or null")
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and not (math.isfinite(value) if isinstance(value, float) else abs(value) < 2**63):
        shown = value if isinstance(value, float) else "a number of so many digits"
        raise ConfigError(f"{key}: {shown} is out of range; it must be finite, and below 2**63 if whole")
    if kind is float and number:
        return float(value) + 0.0  # -0.0 is 0.0
    if kind is int and number and float(value).is_integer() and abs(value) < 2**63:
        return int(value)
    if kind in (bool, str) and isinstance(value, kind):
        return value
    raise ConfigError(f"{key}: {value!r} is not a {kind.__name__}")
