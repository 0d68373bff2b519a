"""What the project says about itself: README, environments and published results agree with each other."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from redrop.analysis.build import load
from redrop.record import CURVE, METRICS, read_curve, read_json, read_record
from redrop.runtime.plan import iterations_of
from redrop.spec import RunSpec

RUNS = sorted(Path(__file__).parents[2].glob("results/published/*/runs/*"))


def headings(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    return {re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in lines}


def test_the_documents_links_lead_somewhere(project: Path) -> None:
    for page in (project / "README.md", project / "config/README.md", *(project / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = link.partition("#")
            if not link.startswith("http"):
                target = (page.parent / path).resolve() if path else page
                assert target.exists(), f"{page.name}: {link}"
                assert not anchor or anchor in headings(target), f"{page.name}: {link}"


LONGEST_README = 160


def test_a_stranger_reads_the_readme_in_two_minutes(project: Path) -> None:
    lines = (project / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LONGEST_README
    assert {"make demo", "make test"} <= {line.strip()[:9] for line in lines[:40]}
    assert "<!-- end answers -->" in lines[:60]


@pytest.mark.parametrize("folder", RUNS, ids=[folder.name[-40:] for folder in RUNS])
def test_a_published_run_is_whole(folder: Path) -> None:
    record = read_record(folder)
    assert record.run == folder.name
    assert RunSpec.from_json((folder / "spec.json").read_text()) == record.spec
    curve = read_curve(folder)
    assert record.value("val_loss_last") == curve[-1]["val_loss"]
    assert curve[-1]["iteration"] == iterations_of(record.spec)
    assert read_json(folder / "provenance.json")["git"]["dirty"] is False
    assert "toy" not in record.data["edition"]


def test_runs_csv_is_made_of_the_published_runs(project: Path, tmp_path: Path) -> None:
    published = list((project / "results/published").glob("*/runs.csv"))
    assert published
    for study in published:
        load(study.parent / "runs").write_runs_csv(tmp_path / "runs.csv")
        assert (tmp_path / "runs.csv").read_bytes() == study.read_bytes()
        files = {path.name for path in (study.parent / "runs").glob("*/*")}
        assert files - {"landscape.json", "bootstrap.json", "mechanisms.json"} == {
            METRICS,
            CURVE,
            "spec.json",
            "provenance.json",
        }


def test_what_describes_the_software_agrees(project: Path) -> None:
    """pyproject.toml, CITATION.cff and codemeta.json; the catalog's files are where it looks."""
    own = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    cited = yaml.safe_load((project / "CITATION.cff").read_text())
    meta = json.loads((project / "codemeta.json").read_text())
    assert own["version"] == cited["version"] == meta["version"]
    assert own["license"] == cited["license"] == meta["license"].rsplit("/", 1)[1]
    papers = {one["identifiers"][0]["value"] for one in cited["references"]}
    assert papers == {one["identifier"] for one in meta["referencePublication"]}
    catalog = yaml.safe_load((project / ".snakemake-workflow-catalog.yml").read_text())
    assert set(catalog["usage"]) == {"mandatory-flags", "software-stack-deployment", "report"}
    door = (project / "workflow/Snakefile").read_text()
    assert (project / "workflow" / re.search(r'include: "(.+)"', door)[1]).resolve() == project / "Snakefile"


def test_the_environments_name_the_same_packages(project: Path) -> None:
    """pyproject.toml says what is needed, requirements.lock in which versions, environment.yml for conda."""

    def name_of(requirement: str) -> str:
        return re.split(r"[<>=!~\[; ]", requirement)[0].lower().replace("_", "-")

    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    needed = {name_of(requirement) for requirement in metadata["dependencies"]}
    extras = metadata["optional-dependencies"]
    needed |= {name_of(requirement) for extra in ("dev", "slurm") for requirement in extras[extra]}
    lines = (project / "requirements.lock").read_text().splitlines()
    locked = {name_of(line) for line in lines if line and not line.startswith(("#", "-"))}
    assert needed <= locked
    assert all("==" in line for line in lines if line and not line.startswith(("#", "-")))
    found = yaml.safe_load((project / "environment.yml").read_text())["dependencies"]
    pip = next(entry["pip"] for entry in found if isinstance(entry, dict))
    conda = {name_of(entry.split("::")[-1]) for entry in found if isinstance(entry, str)}
    listed = conda | {name_of(entry) for entry in pip}
    aliases = {"matplotlib-base": "matplotlib", "seaborn-base": "seaborn", "snakemake-minimal": "snakemake"}
    missing = {name_of(r) for r in metadata["dependencies"]} - {aliases.get(n, n) for n in listed}
    assert not missing, f"environment.yml lacks {missing}"


LONGEST = 400


def test_no_module_is_longer_than_a_reader_can_hold(project: Path) -> None:
    package = project / "src/redrop"
    lengths = {
        path.relative_to(package).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in package.rglob("*.py")
    }
    assert not {name: length for name, length in lengths.items() if length > LONGEST}
