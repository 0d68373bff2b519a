"""From finished runs to tables, figures, verdicts and pages; keeping them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from redrop.checks import check_name, suggest
from redrop.errors import ConfigError
from redrop.layout import ResultsLayout, names_in
from redrop.verbs.shared import AddVerb, config_options, read_plan, results_folder, results_option

if TYPE_CHECKING:
    from redrop.analysis.collect import Results
    from redrop.study import Plan


def collect(arguments: argparse.Namespace) -> None:
    """Gather finished runs into one table in long form."""
    from redrop.analysis import build

    wanted, plan = None, None
    if arguments.study:
        check_name("--study", arguments.study)
    if arguments.config is not None:
        plan = read_plan(arguments)
        names = [arguments.study] if arguments.study else list(plan.specs)
        wanted = {run for name in names for run in plan.specs[name]}
    layout = results_folder(arguments, plan)
    folder = layout.path / "runs"
    if arguments.study:
        folder = layout.runs(arguments.study if plan is None else plan.studies[arguments.study].name).path
    if arguments.study and plan is None and not folder.is_dir():
        known = names_in(folder.parent)
        raise ConfigError(
            f"--study: {arguments.study!r} has no runs in {folder.parent} (there: {', '.join(sorted(known))})"
            + suggest(arguments.study, known)
        )
    results = build.collect(folder, wanted, arguments.out)
    print(f"{arguments.out}: {len(results.records)} runs")
    say_damaged(results)
    if results.left_out:
        print(f"{results.left_out} other runs in {folder} belong to no row of this config: left out")


def say_damaged(results: Results) -> None:
    """Name the damaged runs that are left out, on standard error."""
    for fault in results.faults:
        print(f"left out: {fault}", file=sys.stderr)


def load_results(arguments: argparse.Namespace, plan: Plan) -> Results:
    """The runs that a presenting verb works on."""
    from redrop.analysis import build

    wanted = None if arguments.all_runs else set(plan.specs[arguments.study])
    study = plan.studies[arguments.study].name
    results = build.load(results_folder(arguments, plan).runs(study).path, wanted).of_study(study)
    say_damaged(results)
    if results.left_out:
        print(f"{results.left_out} runs of other settings are left out (--all-runs takes all)")
    return results


def present(arguments: argparse.Namespace) -> None:
    """Build a study's tables or figures from the runs that there are."""
    from redrop.analysis import build

    plan = read_plan(arguments)
    results = load_results(arguments, plan)
    asked = None if arguments.all_runs else plan.tasks(arguments.study)
    make = build.build_tables if arguments.verb == "table" else build.build_figures
    study = plan.studies[arguments.study]
    names = arguments.name or None
    for path in make(results, study, arguments.out, plan.label, names, protocols=asked):
        print(path)


def build(arguments: argparse.Namespace) -> None:
    """Build runs.csv, tables and figures of every study of the config, and the page, from the runs so far."""
    from redrop.analysis import build as building
    from redrop.report.known_configs import name_of
    from redrop.report.page import write_page
    from redrop.study import project_folder

    plan, project = read_plan(arguments), arguments.project or project_folder()
    layout = results_folder(arguments, plan)
    for part, study in plan.studies.items():
        folder, place = layout.runs(study.name).path, layout.part(part)
        results = building.collect(folder, set(plan.specs[part]), place / "runs.csv")
        print(f"{place}: {len(results.records)} of {len(plan.specs[part])} runs")
        say_damaged(results)
        asked = plan.tasks(part)
        building.build_tables(results, study, place / "tables", plan.label, protocols=asked)
        building.build_figures(results, study, place / "figures", plan.label, protocols=asked)
    write_page(layout.path, layout.page, project, {name_of(plan, arguments.config, project): plan})
    print(f"The report: {layout.page.resolve()}")


def claims(arguments: argparse.Namespace) -> None:
    """Say of every claim in config/claims.yaml whether it held in the runs that there are."""
    from redrop.analysis.claims import judge, own_claims, published_verdict, verdict_here
    from redrop.analysis.decision.comparison import NOT_RUN

    plan = read_plan(arguments)
    results, study = load_results(arguments, plan), plan.studies[arguments.study]
    if plan.label is not None:
        print(plan.label)
    for claim in own_claims(study):
        judgements = list(judge(results, study, claim))
        print(f"{claim.text} ({claim.source})\n    as published: {published_verdict(judgements)}")
        found = verdict_here(judgements)
        print(f"    all scales run: {found.verdict} ({found.evidence})")
        for line in judgements or [NOT_RUN]:
            print(f"    here: {line}")


def publish(arguments: argparse.Namespace) -> None:
    """Copy a study's finished runs to where git keeps them, with tables and figures."""
    from redrop.analysis import publish as publishing

    plan = read_plan(arguments)
    study = plan.studies[arguments.study]
    results = results_folder(arguments, plan).path
    for path in publishing.publish(plan, study, results, arguments.to / study.name):
        print(path)


def restore(arguments: argparse.Namespace) -> None:
    """Copy a study's published runs back, so that a workflow takes them as finished."""
    from redrop.analysis import publish as publishing

    results = arguments.results or Path("results")
    new = publishing.restore(arguments.study, arguments.published, results)
    print(f"{new} runs copied to {ResultsLayout(results).runs(arguments.study).path}")


def _asked(arguments: argparse.Namespace) -> tuple[Path, Path, dict[str, Plan] | None]:
    """Results, project and, by its name, the config that the command line names; None: it names none."""
    from redrop.report.known_configs import name_of
    from redrop.study import project_folder

    project, plan, given = arguments.project or project_folder(), None, None
    if arguments.config is not None:
        plan = read_plan(arguments)
        given = {name_of(plan, arguments.config, project): plan}
    return results_folder(arguments, plan).path, project, given


def answers(arguments: argparse.Namespace) -> None:
    """Write the verdict of every claim as JSON, with its numbers, seeds and budget."""
    from redrop.analysis.claims import project_claims
    from redrop.record import read_json, write_json
    from redrop.report import answers as answering
    from redrop.report.study_views import read_studies
    from redrop.report.verdicts import counted, judge_all

    folder, studies = read_studies(*_asked(arguments))
    judged = [
        one for runs in studies for one in judge_all(runs.results, runs.study, project_claims(runs.study))
    ]
    label = next((runs.label for runs in studies if runs.label and runs.found), None)
    document = answering.answers(judged, label)
    write_json(arguments.out, document)
    for fault in folder.faults:
        print(f"left out: {fault}", file=sys.stderr)
    print(f"{arguments.out}: {len(judged)} claims, {counted([one.here for one in judged])}")
    if arguments.expected is not None:
        lines = answering.disagreements(document, read_json(arguments.expected))
        if lines:
            sys.exit("\n".join([*lines, f"{len(lines)} answers are not those of {arguments.expected}"]))
        print(f"all as in {arguments.expected}")


def report(arguments: argparse.Namespace) -> None:
    """Write one page about all runs in a results folder: verdicts, tables, figures, cost, provenance."""
    from redrop.report.page import write_page

    results, project, given = _asked(arguments)
    counts = write_page(results, arguments.out, project, given)
    missing = f", {counts['missing']} asked for are missing" if counts["missing"] else ""
    diverged = f", {counts['diverged']} diverged" if counts["diverged"] else ""
    damaged = f", {counts['damaged']} damaged ones are left out (see there)" if counts["damaged"] else ""
    print(f"{arguments.out}: {counts['found']} runs{missing}{diverged}{damaged}")


def add(verb: AddVerb) -> None:
    """The verbs of this file and their options."""
    option = verb("collect", collect)
    results_option(option)
    option("--study", help="only this study")
    option("--out", type=Path, required=True, help="the csv file to write")
    config_options(option, None)

    for name, function in (("table", present), ("figure", present), ("claims", claims)):
        option = verb(name, function)
        option("--study", required=True)
        results_option(option)
        option("--all-runs", action="store_true", help="every run found, not only those of the config")
        if function is present:
            option("name", nargs="*", help=f"only these {name}s")
            option("--out", type=Path, required=True, help="the folder to write to")
        config_options(option, [], takes_names=function is present)

    option = verb("build", build)
    results_option(option)
    config_options(option, [])

    option = verb("publish", publish)
    option("study")
    results_option(option)
    option("--to", type=Path, default=Path("results/published"), help="default: %(default)s")
    config_options(option, [], takes_names=True)

    option = verb("restore", restore)
    option("study")
    option("--published", type=Path, default=Path("results/published"), help="default: %(default)s")
    results_option(option)

    for name, function, kind in (("answers", answers, "JSON"), ("report", report, "html")):
        option = verb(name, function)
        option(
            "--results",
            type=Path,
            metavar="FOLDER",
            help="of runs: results, results/demo, results/published, ... (default: that of the config)",
        )
        option("--out", type=Path, required=True, help=f"the {kind} file to write")
        config_options(option, None)
        if function is answers:
            said = "answers to compare with; fails if they differ"
            option("--expected", type=Path, metavar="FILE", help=said)
