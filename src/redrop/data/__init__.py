"""Data sets: where each comes from, how it is encoded, and how to get it back.

A character corpus is one module of this package with `NAME`, `DESCRIPTION`, `LICENSE`,
`fetch(folder, mirror) -> SourceRecord` and `prepare(raw_folder, folder) -> Corpus`. To add one,
write the module and add its name to `_MODULES`. The GLUE tasks offer the same, made of one table in
`glue`; their `prepare` returns a `TaskData`. So do the parallel texts of `translation` (a
`ParallelData`) and the documents of `summarization` (a `SummaryData`). Modules are imported on first
use, because the Snakefile imports this package in every job.
"""

from __future__ import annotations

import difflib
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from redrop.errors import ConfigError, DataError

if TYPE_CHECKING:
    from redrop.data.corpus import Corpus
    from redrop.data.glue import TaskData
    from redrop.data.provenance import SourceRecord
    from redrop.data.summarization import SummaryData
    from redrop.data.translation import ParallelData

__all__ = ["DataSet", "fetch", "get", "load", "names", "prepare"]

MIRROR_VARIABLE = "REDROP_MIRROR"

_MODULES = ("pride_prejudice", "python_code", "python_docs", "tiny_shakespeare", "wikitext2")
_TASKS = (
    "glue_cola",
    "glue_mnli",
    "glue_mrpc",
    "glue_qnli",
    "glue_qqp",
    "glue_rte",
    "glue_sst2",
    "glue_stsb",
    "glue_toy_pairs",
    "glue_toy_score",
)
_PARALLEL = (
    "iwslt14_de_en",
    "iwslt14_en_es",
    "iwslt17_en_fr",
    "iwslt17_en_zh",
    "multi30k_de_en",
    "tatoeba_de_en",
    "toy_translation",
)
_SUMMARIES = ("cnn_dailymail", "cnn_dailymail_sample", "dialogsum", "toy_summaries")
_FAMILIES = {"glue": _TASKS, "translation": _PARALLEL, "summarization": _SUMMARIES}
"""Module of this package -> its data sets; it has `data_set(name)`."""
_ALL = (*_MODULES, *_TASKS, *_PARALLEL, *_SUMMARIES)

Kind = Literal["corpus", "glue", "translation", "summarization"]


Prepared: TypeAlias = "Corpus | TaskData | ParallelData | SummaryData"
"""What a prepared folder is loaded as."""


class DataSet(Protocol):
    """What every data set offers."""

    NAME: str
    DESCRIPTION: str
    LICENSE: str

    def fetch(self, folder: Path, mirror: Path | None) -> SourceRecord:
        """Leave the raw files and, last, source.json in `folder`."""

    def prepare(self, raw_folder: Path, folder: Path) -> Prepared:
        """Bring the raw files into the files that are read and, last, meta.json in `folder`."""


def names(kind: Kind | None = None) -> tuple[str, ...]:
    """Names of all data sets, or of those of a kind, sorted."""
    if kind is None:
        return tuple(sorted(_ALL))
    return _MODULES if kind == "corpus" else _FAMILIES[kind]


def get(name: str) -> DataSet:
    """The data set called `name`; raises ConfigError, with the closest name, when there is none."""
    for module, members in _FAMILIES.items():
        if name in members:
            return importlib.import_module(f"{__name__}.{module}").data_set(name)
    if name not in _MODULES:
        close = difflib.get_close_matches(name.lower().replace("-", "_"), _ALL, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"unknown data set {name!r}.{hint} Known: {', '.join(_ALL)}.")
    return importlib.import_module(f"{__name__}.{name}")


def fetch(name: str, folder: str | Path, mirror: str | Path | None = None) -> SourceRecord:
    """Get the raw files of `name` into `folder`, with a source.json that says where they came from.

    `mirror` is a folder of copies that is asked before the original address; None takes the one
    that REDROP_MIRROR names, if it does. Raises DataError when the data cannot be had or is wrong.
    """
    data_set = get(name)
    chosen = mirror if mirror is not None else os.environ.get(MIRROR_VARIABLE) or None
    return data_set.fetch(Path(folder), None if chosen is None else Path(chosen))


def prepare(name: str, raw_folder: str | Path, folder: str | Path) -> Prepared:
    """Make a prepared corpus or task in `folder` of the raw files that `fetch` left in `raw_folder`.

    Raises DataError when a raw file is missing or no longer what source.json says.
    """
    return get(name).prepare(Path(raw_folder), Path(folder))


def load(name_or_folder: str | Path, root: str | Path | None = None) -> Corpus:
    """A prepared corpus, verified: the one in a folder or, with `root`, data set NAME in root/NAME.

    Other data are loaded by their modules: `glue.load_task`, `translation.load_parallel`,
    `summarization.load_summaries`. Raises ConfigError for an unknown name and for theirs, and DataError
    when the prepared files are missing or inconsistent.
    """
    from redrop.data.corpus import load_corpus

    for module, members in _FAMILIES.items():
        if str(name_or_folder) in members:
            raise ConfigError(f"{name_or_folder} is no corpus: load it with redrop.data.{module}.")
    if root is not None:
        return load_corpus(Path(root) / get(str(name_or_folder)).NAME)
    folder = Path(name_or_folder)
    if str(name_or_folder) in _MODULES and not folder.is_dir():
        raise DataError(
            f"{name_or_folder} is a data set, and no folder of that name is here: "
            f"give its prepared folder, or make one with `redrop prepare {name_or_folder}`."
        )
    return load_corpus(folder)
