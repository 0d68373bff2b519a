"""How many training jobs a Snakemake profile runs at once, and the memory that each asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redrop.errors import ConfigError
from redrop.yaml_files import read_yaml

NAMES = ("config.v8+.yaml", "config.yaml")
"""What Snakemake looks for in a profile's folder, in its order."""


def job_memory_mb(study: str) -> int:
    """Memory that rule train asks for, for a run of the study."""
    return 2000 if study == "residual" else 12_000


@dataclass(frozen=True)
class Profile:
    """A profile, as far as it decides how many runs are trained at once."""

    folder: Path
    executor: str | None
    """``slurm``, ...; None: jobs run on this machine."""
    cores: int | None
    """Of this machine that jobs may take; None: all."""
    jobs: int | None
    """Jobs at once, at most; None: no limit of the profile's own."""
    gpus: int | None
    """Of the global resource ``gpu``; None: the profile does not limit it."""
    gpus_a_run: int | None
    """Of the resource ``gpu`` that a training job takes; None: the rule's own."""

    def at_once(self, cores: int, gpus: int) -> int | None:
        """Training jobs at once on a machine with so many; None: a cluster decides."""
        if self.executor not in (None, "local"):
            return self.jobs
        limits = [self.cores if self.cores is not None else cores]
        if self.jobs is not None:
            limits.append(self.jobs)
        devices = self.gpus if self.gpus is not None else gpus
        if gpus and devices:
            limits.append(max(1, devices // max(1, self.gpus_a_run or 1)))
        return max(1, min(limits))


def read_profile(folder: Path) -> Profile:
    """Read a profile's folder; raises ``ConfigError`` naming the file, the key and the value."""
    path = next((folder / name for name in NAMES if (folder / name).is_file()), None)
    if path is None:
        raise ConfigError(f"--profile: {folder} has no config.yaml; give a folder such as profiles/default")
    values = read_yaml(path) or {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: not a mapping of options")
    whole = _resources(values.get("resources"), path, "resources")
    own = values.get("set-resources")  # a mapping of rules, or strings such as train:gpu=1
    if isinstance(own, dict):
        own = own.get("train")
    else:
        items = own.split() if isinstance(own, str) else own or []
        own = [str(item)[6:] for item in items if str(item).startswith("train:")]
    own = _resources(own, path, "set-resources")
    return Profile(
        folder=folder,
        executor=values.get("executor"),
        cores=_number(path, "cores", values.get("cores"), "all"),
        jobs=_number(path, "jobs", values.get("jobs"), "unlimited"),
        gpus=_number(path, "resources: gpu", whole.get("gpu"), ""),
        gpus_a_run=_number(path, "set-resources: train: gpu", own.get("gpu"), ""),
    )


def _resources(value: Any, path: Path, key: str) -> dict[str, Any]:
    """Resources as Snakemake takes them: a mapping, or strings such as gpu=2."""
    if isinstance(value, dict) or value is None:
        return value or {}
    items = value.split() if isinstance(value, str) else value
    try:
        return dict(str(item).split("=", 1) for item in items)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {key}: {value!r} is not a list such as [gpu=2]") from error


def _number(path: Path, key: str, value: Any, everything: str) -> int | None:
    if value is None or value == everything:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        # A rule's resource may be an expression, which only Snakemake can compute.
        if key.startswith("set-resources"):
            return None
        raise ConfigError(f"{path}: {key}: {value!r} is not a number") from None
    if number < 0:
        raise ConfigError(f"{path}: {key}: {number} is negative")
    return number
