"""Which data sets there are: a file each, found by its name in its family's folder of `redrop.data.sets`.

A file whose name begins with `_` holds what several of them share.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import pkgutil

from redrop.data.base import DataSet
from redrop.errors import ConfigError

SETS = "redrop.data.sets"
FAMILIES = ("corpus", "glue", "translation", "summarization")
"""Folders of `redrop.data.sets`."""


@functools.cache
def names(family: str | None = None) -> tuple[str, ...]:
    """Names of all data sets, or of those of a family, sorted; nothing is imported for it."""
    if family is None:
        return tuple(sorted(name for one in FAMILIES for name in names(one)))
    folders = [f"{folder}/{family}" for folder in importlib.import_module(SETS).__path__]
    found = sorted(module.name for module in pkgutil.iter_modules(folders))
    return tuple(name for name in found if not name.startswith("_"))


def get(name: str) -> DataSet:
    """The data set called `name`; raises ConfigError, with the closest name, when there is none."""
    for family in FAMILIES:
        if name in names(family):
            return importlib.import_module(f"{SETS}.{family}.{name}").DATA_SET
    close = difflib.get_close_matches(name.lower().replace("-", "_"), names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ConfigError(f"unknown data set {name!r}.{hint} Known: {', '.join(names())}.")


def of_family(family: str) -> tuple[DataSet, ...]:
    """All data sets of a family."""
    return tuple(get(name) for name in names(family))
