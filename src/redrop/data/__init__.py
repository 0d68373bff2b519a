"""Data sets: where each comes from, how it is encoded, and how to get it back.

A data set is a file in `redrop.data.sets`. Its record (`DataSet`) is of one of four families: `corpus`,
`glue`, `translation` and `summarization`. Nothing heavy is imported before data are prepared or loaded,
because the Snakefile imports this package in every job.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from redrop.data.base import META_FILE, Prepared
from redrop.data.discovery import get, names

if TYPE_CHECKING:
    from redrop.data.source_record import SourceRecord

__all__ = ["Prepared", "fetch", "get", "is_generated", "load", "names", "prepare", "ready"]

MIRROR_VARIABLE = "REDROP_MIRROR"


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
