"""Finished runs between results/, which is not in git, and results/published/, which is.

A published study is complete in itself: the runs' records, runs.csv, tables and figures. Restored, its
runs count as finished, so a new seed or configuration can be added without training them again.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from redrop.atomic import replacing
from redrop.checks import check_name
from redrop.errors import ConfigError, RecordError
from redrop.layout import ResultsLayout, RunFolders
from redrop.record import CURVE, METRICS, PROVENANCE, SPEC, check_whole, read_record, same_result
from redrop.study import Plan, Study

log = logging.getLogger(__name__)

FILES = (SPEC, CURVE, PROVENANCE, METRICS)
"""What of a run is published; the metrics last, because they say that all is there."""
IF_THERE = ("landscape.json", "bootstrap.json", "mechanisms.json")
"""Published where a run has it: a figure or table is made from it."""


def copy_run(source: Path, target: Path) -> bool:
    """Copy a run's record; False if ``target`` has it. Raises ``RecordError`` if it has another result."""
    record = check_whole(source)  # a damaged record goes nowhere
    if record.run != source.name:
        raise RecordError(f"{source}: holds run {record.run}; give the folder that name")
    if (target / METRICS).exists():
        if not same_result(record, read_record(target)):
            raise RecordError(
                f"{source} and {target} hold the same run with different results; move one of them away"
            )
        return False
    for name in (*(name for name in IF_THERE if (source / name).exists()), *FILES):
        with replacing(target / name) as part:
            shutil.copyfile(source / name, part)
    return True


def copy_runs(sources: list[Path], target: Path) -> int:
    """Copy runs to a folder of runs, those that it does not have yet under another id; how many were new."""
    there = RunFolders(target)
    new = 0
    for source in sources:
        found = there.of(read_record(source).spec)
        if found.name == source.name or not (found / METRICS).exists():
            new += copy_run(source, target / source.name)
    return new


def publish(plan: Plan, study: Study, results: Path, target: Path) -> list[Path]:
    """Copy the finished runs that the config asks for to ``target``, and rebuild what is made of them.

    Everything that is published there goes into runs.csv, tables and figures, also from before. Refused
    for a config with a label: what is marked as no result is not published.
    """
    from redrop.analysis import build

    if plan.label is not None:
        raise ConfigError(f"label: {plan.label!r} marks what is not a result, so it is not published")
    own = ResultsLayout(results).runs(study.name)
    asked = [own.of(spec) for spec in plan.specs[study.part].values()]
    there = [folder for folder in asked if (folder / METRICS).exists()]
    if not there:
        raise ConfigError(
            f"{own.path}: none of the {len(asked)} runs that the config asks for is finished there, so "
            "nothing is published (name another --results, or see `redrop status`)"
        )
    new = copy_runs(there, target / "runs")
    log.info("%s: %d of %d runs are finished, %d of them new here", target, len(there), len(asked), new)
    if "significance" in study.tables:
        from redrop.analysis.tables.significance import store

        mine = build.load(results / "runs", set(plan.specs[study.part]), study.name)
        store(mine, study, target / "runs")
    found = build.collect(target / "runs", None, target / "runs.csv")
    place = target if study.part == study.name else target / study.part
    if study.parts:  # cells of one part never stand in the table of another
        found = build.load(target / "runs", set(plan.specs[study.part]))
    paths = build.build_tables(found, study, place / "tables", None)
    # The authors' recorded curves are not ours to publish.
    paths += build.build_figures(found, study, place / "figures", None, recorded=False)
    return [target / "runs.csv", *paths]


def restore(study: str, published: Path, results: Path) -> int:
    """Copy a study's published runs to where a workflow finds them; how many were not there yet."""
    check_name("study", study)
    runs = sorted(path.parent for path in (published / study / "runs").glob(f"*/{METRICS}"))
    if not runs:
        raise ConfigError(f"{published / study}: holds no published runs; name another study or --published")
    return copy_runs(runs, ResultsLayout(results).runs(study).path)
