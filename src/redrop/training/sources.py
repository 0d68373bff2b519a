"""Data and models that runs are made from, got ready: prepared where they are missing, loaded, described."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redrop import data
from redrop.data.corpus import Corpus
from redrop.models.sources import fetch
from redrop.places import Places, model_folder
from redrop.spec import RunSpec


@dataclass(frozen=True)
class Source:
    """What a run was made from."""

    data: dict[str, Any]
    """For metrics.json: content, the same wherever it came from."""
    origin: dict[str, Any]
    """For provenance.json: where it came from."""


def ready_model(spec: RunSpec, places: Places) -> tuple[Path | None, dict[str, Any] | None]:
    """The folder of a run's released model and what is known of it; None twice for one built from scratch."""
    folder = model_folder(spec, places)
    return folder, None if folder is None else fetch(spec.model.checkpoint, spec.model.revision, folder)


def ready_corpus(spec: RunSpec, places: Places) -> tuple[Corpus, Source]:
    """A character corpus, ready."""
    corpus = data.ready(spec.data.data_set, places.data)
    return corpus, Source(corpus.content, corpus.source)


def source_of(loaded: data.Prepared, model: dict[str, Any] | None, **sizes: Any) -> Source:
    """Of a run that has a released model, or None; ``sizes``: what is trained on, where it is not all."""
    content = loaded.content | sizes | {"model_sha256": None if model is None else model["sha256"]}
    return Source(content, loaded.source | {"model": model})
