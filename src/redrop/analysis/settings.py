"""Settings as flat names, what a run changed of its study's row, and how both read in a table."""

from __future__ import annotations

from typing import Any

from redrop.errors import ConfigError
from redrop.spec import RunSpec
from redrop.study import Study, make_spec

IDENTITY = ("study", "protocol", "config", "seed")
TASK_KEYS = ("data.corpus", "data.task")
"""Parts of a spec that say which run it is, not how it is run."""

ABSENT = "none"
"""How a setting that is null reads: there is no such skip, no clipping, no early stop."""
DEFAULT = "its default"
"""How a setting reads that came later, and that a run does not have."""


def flat(spec: RunSpec) -> dict[str, Any]:
    """A run's settings as ``section.name`` -> value."""
    settings = {
        f"{section}.{name}": value
        for section, values in spec.to_dict().items()
        if section not in (*IDENTITY, *RunSpec.RETIRED)
        for name, value in values.items()
    }
    return {key: value for key, value in settings.items() if key not in TASK_KEYS}


def difference(mine: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The settings that ``mine`` has otherwise than ``other``, or that only one of them has."""
    pairs = {key: (mine.get(key, DEFAULT), other.get(key, DEFAULT)) for key in mine | other}
    return {key: own for key, (own, others) in pairs.items() if own != others}


def study_spec(study: Study, protocol: str, config: str, task: str, seed: int = 0) -> RunSpec | None:
    """The run that the study file alone describes; None where it has no such row (any more)."""
    if protocol not in study.protocols or config not in study.protocols[protocol].rows:
        return None
    try:
        return make_spec(study, protocol, config, task, seed, {})
    except ConfigError:
        return None


def overrides(study: Study, spec: RunSpec) -> dict[str, Any]:
    """The settings in which a run differs from its row in the study file, with the run's values."""
    own = study_spec(study, spec.protocol, spec.config, spec.task, spec.seed)
    return {} if own is None else difference(flat(spec), flat(own))


def show(value: Any) -> str:
    """A setting's value as text: 50,000, 0.025, 1e-08, none, yes."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def show_settings(settings: dict[str, Any]) -> str:
    """Settings in one line: ``model.n_layer 2, schedule.iterations 300``."""
    return ", ".join(f"{key} {show(value)}" for key, value in settings.items())


def show_drop(settings: dict[str, Any]) -> str:
    """The attention/MLP rate if there is one, else the rates that are not 0, by place."""
    rates = {
        "emb": settings["model.embedding_dropout"],
        "attn": settings["model.attention_dropout"],
        "out": settings["model.attention_output_dropout"],
        "mlp": settings["model.mlp_dropout"],
    }
    if len(set(rates.values())) == 1:
        return show(rates["emb"])
    if rates["attn"] == rates["out"]:
        del rates["out"]
    return ", ".join(f"{place} {show(rate)}" for place, rate in rates.items() if rate)
