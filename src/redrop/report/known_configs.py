"""Which configs a folder's runs belong to: each config says which ids it asks for.

So a report knows without being told how many runs were planned, what label marks them, and which command
makes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from redrop.errors import ConfigError
from redrop.study import Plan, merge_config, resolve
from redrop.yaml_files import read_yaml

UNNAMED = "a config of its own"
"""A config that is no file of the project."""


@dataclass(frozen=True)
class Asked:
    """A config, and how much of what it asks of a study is there."""

    config: str
    """Its file, from the project's folder on."""
    plan: Plan
    found: int
    planned: int


def known_plans(project: Path) -> dict[str, Plan]:
    """Every config of the project, resolved; other files in config/ are passed over."""
    base = read_yaml(project / "config" / "config.yaml")
    plans = {}
    for path in sorted((project / "config").glob("*.yaml")):
        over = {} if path.name == "config.yaml" else read_yaml(path)
        try:
            plans[f"config/{path.name}"] = resolve(merge_config(base, over), project)
        except ConfigError:
            continue
    return plans


def name_of(plan: Plan, texts: list[str], project: Path) -> str:
    """What a page calls a config: its files; for JSON text, the file that asks for the same runs."""
    if not any(text.lstrip().startswith("{") for text in texts):
        return " ".join(texts) or "config/config.yaml"
    same = (name for name, known in known_plans(project).items() if known.specs == plan.specs)
    return next(same, UNNAMED)


def recognise(study: str, runs: Collection[str], plans: Mapping[str, Plan]) -> tuple[list[Asked], set[str]]:
    """The fewest configs that the runs of a study can come from, and the runs that are of none.

    The config of which the largest part is there goes first; of equal ones, that which explains more runs.
    """
    left, there = set(runs), set(runs)
    asked: list[Asked] = []
    planned = {name: set(plan.runs.get(study, {})) for name, plan in plans.items()}
    while left:
        shares = {name: len(ids & there) / len(ids) for name, ids in planned.items() if ids & left}
        if not shares:
            break
        best = max(shares, key=lambda name: (shares[name], len(planned[name] & left)))
        ids = planned.pop(best)
        asked.append(Asked(best, plans[best], len(ids & there), len(ids)))
        left -= ids
    return asked, left
