"""What getting a data set would transfer, from the addresses that are pinned beside its sums."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from redrop.data.sources import RemoteFile


def editions(name: str) -> list[tuple[RemoteFile, ...]]:
    """The files of each edition of data set `name`, in the order in which `fetch` looks for them in a mirror.

    The last one is what is downloaded. Empty for what is generated, or read from the Python that runs.
    """
    from redrop.data import glue, summarization_sets, translation_sets
    from redrop.data.glue_tasks import TASKS

    if name in translation_sets.SETS:
        return list(translation_sets.SETS[name].editions.values())
    if name in summarization_sets.SETS:
        found = summarization_sets.SETS[name].editions.values()
        return [tuple(file for files in splits.values() for file in files) for splits in found]
    if name.startswith("glue_"):
        task = TASKS[name.removeprefix("glue_")]
        return [] if task.generated else [glue.tsv_files(task), glue.hub_files(task)]
    module = importlib.import_module(f"redrop.data.{name}")
    files = tuple(value for value in vars(module).values() if isinstance(value, RemoteFile))
    return [files] if files else []


def downloaded(name: str) -> tuple[RemoteFile, ...]:
    """The files that are asked for at their addresses where no mirror has them."""
    found = editions(name)
    return found[-1] if found else ()


def in_mirror(name: str, mirror: Path | None) -> bool:
    """Whether the mirror has every file of one of the editions."""
    return mirror is not None and any(files and _has_all(files, mirror) for files in editions(name))


def _has_all(files: Sequence[RemoteFile], mirror: Path) -> bool:
    return all(any((mirror / path).is_file() for path in file.mirror) for file in files)


def size_of(file: RemoteFile) -> int | None:
    """Bytes of a download, or None: a size without a pinned sum is only the most that is let through."""
    return file.size if file.sha256 is not None else None
