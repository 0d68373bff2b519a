"""The commands that make again what the page shows."""

from __future__ import annotations

import shlex
from pathlib import Path

from redrop.layout import ONE_STUDY, PUBLISHED, ResultsLayout
from redrop.report.folder import ResultsFolder
from redrop.report.known_configs import UNNAMED
from redrop.report.study_views import StudyRuns, View

PLAIN = ("config/config.yaml", UNNAMED)
"""Configs that a command line does not name."""


def named(path: Path) -> str:
    """A path as it is typed in the project's folder, or in full where it lies elsewhere."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def one_run(folder: ResultsFolder, study: str) -> str:
    """Trains a run again, from its spec alone; RUN stands for its id."""
    runs = shlex.quote(named(ResultsLayout(folder.path).runs(study).path))
    return f"redrop train --spec {runs}/RUN/spec.json --out again/RUN"


def whole_study(runs: StudyRuns) -> list[str]:
    """Makes a study's runs, tables, figures and this page: a line for each config."""
    lines = []
    for one in runs.asked:
        names = (name for name, study in one.plan.studies.items() if study.name == runs.study.name)
        config = "" if one.config in PLAIN else f" --configfile {one.config}"
        lines.append(f"snakemake {' '.join(names)}{config}")
    return lines


def config_words(configs: list[str]) -> str:
    """``--config`` for each file; config/config.yaml is what a command takes anyway."""
    files = " ".join(config for config in configs if config not in PLAIN).split()
    return "".join(f" --config {file}" for file in files)


def tables(folder: ResultsFolder, view: View, configs: list[str]) -> str:
    """Writes a study's tables from the runs that there are."""
    base = folder.path / view.study.name if folder.kind == PUBLISHED else folder.path
    everything = folder.kind in (PUBLISHED, ONE_STUDY) and not view.study.parts
    which = " --all-runs" if everything else config_words(configs)
    out = shlex.quote(named(view.place / "tables"))
    return f"redrop table --study {view.study.part} --results {shlex.quote(named(base))}{which} --out {out}"


def page(folder: ResultsFolder, out: str, configs: list[str]) -> str:
    """Makes the page."""
    results = shlex.quote(named(folder.path))
    return f"redrop report --results {results}{config_words(configs)} --out {shlex.quote(out)}"
