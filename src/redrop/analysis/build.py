"""The commands' entry points: gather runs, build a study's tables and figures from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from redrop.analysis.collect import Results
from redrop.analysis.registry import build_table, plan_of
from redrop.analysis.reported import NOTHING, Reported, read_reported
from redrop.analysis.study_results import Protocols, StudyResults
from redrop.checks import check_choice
from redrop.presented import FIGURES, check_presented
from redrop.study import Study

FIGURE_SUFFIXES = ("svg", "pdf", "png")


def load(folder: Path, wanted: set[str] | None = None, study: str | None = None) -> Results:
    """The runs below ``folder``, or those of one study (in its folder there if it has one)."""
    folder = Path(folder)
    if study is not None and (folder / study).is_dir():
        folder = folder / study
    results = Results.load(folder, wanted)
    return results if study is None else results.of_study(study)


def collect(folder: Path, wanted: set[str] | None, out_csv: Path) -> Results:
    """Read every run below ``folder`` and write runs.csv."""
    results = load(folder, wanted)
    results.write_runs_csv(Path(out_csv))
    return results


def find_reported(study: Study) -> Reported:
    """The authors' figures, of the project's config/reported/."""
    path = study.root / "config" / "reported" / f"{study.name}.csv"
    return read_reported(path, study) if path.exists() else NOTHING


def build_tables(
    results: Results,
    study: Study,
    out_dir: Path,
    label: str | None,
    names: Iterable[str] | None = None,
    *,
    protocols: Protocols | None = None,
) -> list[Path]:
    """Write a study's tables; returns the paths.

    ``label``: text that marks what is not a real result. ``names``: only these tables. ``protocols``: these
    rather than the ones that have runs.
    """
    from redrop.analysis.table_files import write_table

    names = list(names) if names is not None else study.tables
    check_presented(f"study {study.name}", "tables", names, study.reads)
    data = StudyResults(results, study, find_reported(study), protocols)
    return [path for name in names for path in write_table(build_table(name, data), Path(out_dir), label)]


def build_figures(
    results: Results,
    study: Study,
    out_dir: Path,
    label: str | None,
    names: Iterable[str] | None = None,
    *,
    protocols: Protocols | None = None,
    recorded: bool = True,
    suffixes: Sequence[str] = FIGURE_SUFFIXES,
) -> list[Path]:
    """Write a study's figures, each with its caption (.txt) and numbers (.csv); returns the figures' paths.

    ``names``: only these kinds (``curves``) or file stems (``authors-curves-skip-1``). ``recorded``: also
    the authors' recorded curves, where they are at hand. ``suffixes``: only these formats. The rest as in
    ``build_tables``.
    """
    from redrop.analysis.figure_files import draw_and_write

    data = StudyResults(results, study, find_reported(study), protocols)
    plan = plan_of(data, recorded=recorded, empty=names is not None)
    if names is not None:
        names = list(names)
        for name in names:
            check_choice("figure", name, {*FIGURES, *(entry.stem for entry in plan)})
        plan = [entry for entry in plan if entry.stem in names or entry.figure in names]
    return [path for entry in plan for path in draw_and_write(entry, data, Path(out_dir), label, suffixes)]
