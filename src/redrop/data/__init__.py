"""Data sets: where each comes from, how it is encoded, and how to get it back.

A data set is a file in its family's folder of `redrop.data.sets`, and found by its name; a file whose name
begins with `_` holds what several of them share. Nothing heavy is imported before data are prepared or
loaded, because the Snakefile imports this package in every job.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import os
import pkgutil
from pathlib import Path

from redrop.data.base import META_FILE, DataSet, Prepared
from redrop.data.source_record import SourceRecord
from redrop.errors import ConfigError

MIRROR_VARIABLE = "REDROP_MIRROR"
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


def fetch(name: str, folder: str | Path, mirror: str | Path | None = None) -> SourceRecord:
    """Get the raw files of `name` into `folder`, with a source.json that says where they came from.

    `mirror`: a folder of copies that is asked first; None: that of REDROP_MIRROR. Raises DataError.
    """
    chosen = mirror if mirror is not None else os.environ.get(MIRROR_VARIABLE) or None
    return get(name).fetch(Path(folder), None if chosen is None else Path(chosen))


def prepare(name: str, raw_folder: str | Path, folder: str | Path) -> Prepared:
    """Make prepared data in `folder` of the raw files that `fetch` left in `raw_folder`; raises DataError."""
    return get(name).prepare(Path(raw_folder), Path(folder))


def load(name: str, root: str | Path) -> Prepared:
    """Data set `name` as it is prepared in `root`/`name`, verified; raises ConfigError and DataError."""
    return get(name).load(Path(root) / name)


def ready(name: str, root: str | Path) -> Prepared:
    """The same, fetched and prepared first if it is not there."""
    folder = Path(root) / name
    if not (folder / META_FILE).exists():
        raw = Path(root) / "raw" / name
        fetch(name, raw)
        prepare(name, raw, folder)
    return load(name, root)


def is_generated(name: str) -> bool:
    """Whether a data set is a toy, generated for tests and demonstrations."""
    return name in names() and get(name).generated
