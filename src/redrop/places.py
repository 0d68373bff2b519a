"""Where runs find data and models. Asked by the Snakefile in every job, so nothing heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from redrop.models.sources import TOY, folder_name
from redrop.spec import RunSpec


@dataclass(frozen=True)
class Places:
    """Folders that runs share; what is missing there is fetched."""

    data: Path
    """Prepared data sets, a folder each."""
    models: Path
    """Released models, a folder each."""


def model_folder(spec: RunSpec, places: Places) -> Path | None:
    """Where the released model of a run lies; None for one that is built from scratch."""
    checkpoint = getattr(spec.model, "checkpoint", TOY)
    return None if checkpoint == TOY else places.models / folder_name(checkpoint)


def is_prepared(spec: RunSpec, places: Places) -> bool:
    """Whether data and model are there already; getting them is for the run's own job."""
    folder = model_folder(spec, places)
    has_model = folder is None or (folder / "source.json").exists()
    return has_model and (places.data / spec.data.data_set / "meta.json").exists()
