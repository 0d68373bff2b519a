"""The published results as an RO-Crate: which run was made of which data, by which version, when.

``python tools/ro_crate.py`` writes results/published/ro-crate-metadata.json, by the profile "Process Run
Crate" (https://w3id.org/ro/wfrun/process/0.5): a run is a CreateAction by redrop at a commit. All of it
comes from the runs' own metrics.json and provenance.json. Wants ``pip install rocrate``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop import data
from redrop.errors import ConfigError, RedropError
from redrop.layout import ResultsLayout
from redrop.models.sources import RELEASED
from redrop.provenance import Provenance, read_provenance
from redrop.record import METRICS, RunRecord, read_record
from redrop.report.papers import PAPERS
from redrop.study import project_folder

if TYPE_CHECKING:
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
LICENSE = "https://spdx.org/licenses/MIT"


def published_runs(published: Path) -> Iterator[tuple[RunRecord, Provenance]]:
    """Every published run with its provenance, by study and name."""
    for folder in ResultsLayout(published).run_folders():
        if (folder / METRICS).exists():
            yield read_record(folder), read_provenance(folder) or Provenance()


def make_crate(published: Path) -> ROCrate:
    """The crate of a folder of published results; raises ``ConfigError`` without ``rocrate`` or runs."""
    try:
        from rocrate.rocrate import ROCrate
    except ImportError as error:
        raise ConfigError("the package rocrate is not installed; pip install rocrate") from error
    runs = list(published_runs(published))
    if not runs:
        raise ConfigError(f"{published}: holds no published runs; name another --published")
    crate = ROCrate()
    crate.name = "Published results of redrop: two papers on dropout in Transformers, replicated"
    crate.description = (
        "Runs with their settings, curves and metrics; tables, figures and verdicts made of them."
    )
    crate.license = LICENSE
    crate.datePublished = max(one.finished or "" for _, one in runs)
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = thing(crate, PROFILE, profile)
    crate.root_dataset["citation"] = [
        thing(
            crate, f"https://arxiv.org/abs/{paper.arxiv}", {"@type": "ScholarlyArticle", "name": paper.name}
        )
        for paper in PAPERS
    ]
    add_results(crate, published, [record for record, _ in runs])
    crate.root_dataset["mentions"] = [action(crate, published, *run) for run in runs]
    return crate


def add_results(crate: ROCrate, published: Path, records: list[RunRecord]) -> None:
    """A Dataset a study, with its runs; what was made of all runs of it stands beside them."""
    if (published / "answers.json").exists():
        said = {"name": "The verdict of every claim", "encodingFormat": "application/json"}
        crate.add_file(dest_path="answers.json", properties=said)
    for study in dict.fromkeys(record.spec.study for record in records):
        parts = [place_of(record, published) for record in records if record.spec.study == study]
        parts += [f"{study}/{name}/" for name in ("tables", "figures") if (published / study / name).is_dir()]
        made = [crate.add_dataset(dest_path=part, properties={"name": Path(part).name}) for part in parts]
        if (published / study / "runs.csv").exists():
            said = {"name": f"All runs of {study}", "encodingFormat": "text/csv"}
            made.append(crate.add_file(dest_path=f"{study}/runs.csv", properties=said))
        whole = crate.add_dataset(dest_path=f"{study}/", properties={"name": f"Study {study}"})
        whole["hasPart"] = made


def place_of(record: RunRecord, published: Path) -> str:
    """A run's folder, from the crate's root on."""
    return f"{record.folder.relative_to(published).as_posix()}/"


def action(crate: ROCrate, published: Path, record: RunRecord, made: Provenance) -> ContextEntity:
    """What made a run."""
    commit = made.git.get("commit") or "unknown"
    software = {"@type": "SoftwareApplication", "name": "redrop", "softwareVersion": f"commit {commit}"}
    said = {
        "@type": "CreateAction",
        "name": f"Training and evaluation of {record.run}",
        "description": f"on {made.device or 'an unknown device'}, Python {made.python or 'unknown'}",
        "endTime": made.finished,
        "actionStatus": "http://schema.org/CompletedActionStatus",
    }
    found = thing(crate, f"#{record.run}", {key: value for key, value in said.items() if value})
    found["instrument"] = thing(crate, f"#redrop-{commit[:12]}", software)
    found["object"] = list(sources(crate, record, made))
    found["result"] = crate.dereference(place_of(record, published))
    return found


def sources(crate: ROCrate, record: RunRecord, made: Provenance) -> Iterator[ContextEntity]:
    """The data set that a run was trained on, and the released model that it began with."""
    name, sha256 = record.data["name"], record.data["sha256"]
    said = {
        "@type": "Dataset",
        "name": name,
        "version": record.data["edition"],
        "identifier": f"sha256:{sha256}",
    }
    known = data.get(name)
    if files := known.editions.get(record.data["edition"]):
        said["url"] = [file.url for file in files]
    yield thing(crate, f"#data-{name}-{sha256[:12]}", said | {"license": known.license})
    model: dict[str, Any] | None = made.data.get("model")
    if model:
        said = {"@type": "Dataset", "name": model["model"], "identifier": f"sha256:{model['sha256']}"}
        license_ = RELEASED[model["model"]].license if model["model"] in RELEASED else None
        yield thing(
            crate, f"#model-{model['sha256'][:12]}", said | ({"license": license_} if license_ else {})
        )


def thing(crate: ROCrate, identifier: str, properties: dict[str, Any]) -> ContextEntity:
    """The entity of that id, made if it is not there."""
    from rocrate.model import ContextEntity

    return crate.dereference(identifier) or crate.add(ContextEntity(crate, identifier, properties=properties))


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--published", type=Path, help="default: results/published of the project")
    try:
        published = options.parse_args().published or project_folder() / "results/published"
        make_crate(published).metadata.write(published)
    except RedropError as error:
        sys.exit(f"{sys.argv[0]}: {error}")


if __name__ == "__main__":
    main()
