"""A run is a value: everything that decides its result, frozen, with an id made from its content.

``RunSpec`` is the only thing that crosses from configuration to training. Two specs are equal exactly
when their canonical JSON is, and the first eight hex digits of its SHA-256 are part of the run's folder
name, so an edited setting is a new run and an old one is never reused by mistake.

This module is read by the Snakefile in every job: standard library only.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from redrop import settings
from redrop.checks import check_choice, check_name, check_range, parse_json
from redrop.errors import ConfigError
from redrop.kinds import KINDS, Kind
from redrop.methods import check_method
from redrop.optimisers import OPTIMISERS
from redrop.settings import Limits, SectionWithPart, one_of


@dataclass(frozen=True, kw_only=True)
class OptimiserSpec(SectionWithPart):
    """The optimiser and what is done to its gradients; a field that it has no use for is ignored."""

    SECTION: ClassVar = "optimiser"
    PART: ClassVar = ("name", OPTIMISERS)

    name: str = "adamw"
    """Which one; see ``redrop.optimisers``."""
    beta1: float
    """Decay of the first moment."""
    beta2: float
    """Decay of the second moment."""
    eps: Annotated[float, Limits(0.0)]
    """Added to the root of the second moment."""
    weight_decay: Annotated[float, Limits(0.0)]
    """Decoupled weight decay."""
    decay: one_of("matrices", "all")
    """``matrices``: weight decay on parameters with two or more axes only; ``all``: on every one."""
    clip_norm: Annotated[float | None, Limits(1e-12)]
    """Gradients are scaled down to this norm; null: never."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("beta1", "beta2"):
            if not 0.0 <= (decay := getattr(self, key)) < 1.0:  # a moment of decay 1 never learns anything
                raise ConfigError(f"optimiser.{key}: {decay!r} is out of range; it must be in [0.0, 1.0)")


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run, complete."""

    RETIRED: ClassVar = {"engine": {"lanes": 1, "name": "single"}}
    """``engine`` said how a run was computed, alone or in a pack: that is in its provenance."""

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

    def __post_init__(self) -> None:
        for key in ("study", "protocol", "config"):
            check_name(key, getattr(self, key))
        check_range("seed", self.seed, 0, 2**63 - 1)
        check_method(self)
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
        return _hash8(self.to_json())

    def to_dict(self) -> dict[str, Any]:
        """Nested plain values, for JSON: what the id is made of."""
        return settings.to_dict(self)

    def to_json(self) -> str:
        """Canonical form: sorted keys, no spaces."""
        return self._json

    @functools.cached_property
    def _json(self) -> str:  # the hash is made of it, and Snakemake is given it
        return _canonical(self.to_dict())

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
        return settings.build(cls, values, choose=KINDS[name].KIND.sections)

    def with_settings(self, changes: Mapping[str, Any]) -> RunSpec:
        """The run with other settings, written ``section.name`` or, as ``seed``, alone.

        Raises ``ConfigError`` for one that it does not have.
        """
        values = self.to_dict()
        for key, value in changes.items():
            section, _, name = key.rpartition(".")
            inside = values.setdefault(section, {}) if section else values
            if not isinstance(inside, dict):
                raise ConfigError(f"{key}: {section} is no section; settings are written section.name")
            inside[name] = value
        return RunSpec.from_dict(values)

    @classmethod
    def from_json(cls, text: str) -> RunSpec:
        """The inverse of ``to_json`` (spacing and key order do not matter)."""
        return cls.from_dict(parse_json(text, "the run spec"))


def id_of(values: dict[str, Any]) -> str:
    """The id of a run by its settings as they were written down, by whatever version, before others came."""
    task = RunSpec.from_dict(values).task
    return f"{values['protocol']}-{values['config']}-{task}-s{values['seed']}-{_hash8(_canonical(values))}"


def _canonical(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _hash8(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
