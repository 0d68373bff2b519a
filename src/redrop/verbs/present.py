"""From finished runs to tables, figures, verdicts and pages; keeping them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from redrop.checks import check_name, suggest
from redrop.errors import ConfigError
from redrop.layout import names_in
from redrop.verbs.shared import AddVerb, config_options, read_plan, results_folder

if TYPE_CHECKING:
    from redrop.analysis.collect import Results
    from redrop.study import Plan


def collect(arguments: argparse.Namespace) -> None:
    """Gather finished runs into one table in long form."""
    from redrop.analysis import build

    folder = results_folder(arguments) / "runs"
    wanted = None
    if arguments.study:
        check_name("--study", arguments.study)
    if arguments.config is not None:
        plan = read_plan(arguments)
        names = [arguments.study] if arguments.study else list(plan.specs)
        wanted = {run for name in names for run in plan.specs[name]}
    if arguments.study:
        folder = folder / (arguments.study if wanted is None else plan.studies[arguments.study].name)
    if arguments.study and wanted is None and not folder.is_dir():
        known = names_in(folder.parent)
        raise ConfigError(
            f"--study: {arguments.study!r} has no runs in {folder.parent} (there: {', '.join(sorted(known))})"
            + suggest(arguments.study, known)
        )
    results = build.collect(folder, wanted, arguments.out)
    print(f"{arguments.out}: {len(results.records)} runs")
    if results.left_out:
        print(f"{results.left_out} other runs in {folder} belong to no row of this config: left out")


def load_results(arguments: argparse.Namespace, plan: Plan) -> Results:
    """The runs that a presenting verb works on."""
    from redrop.analysis import build

    wanted = None if arguments.all_runs else set(plan.specs[arguments.study])
    results = build.load(results_folder(arguments) / "runs", wanted, plan.studies[arguments.study].name)
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


def claims(arguments: argparse.Namespace) -> None:
    """Say of every claim in config/claims.yaml whether it held in the runs that there are."""
    from redrop.analysis.claims import NOT_RUN, judge, published_verdict
    from redrop.analysis.tables.claims import own_claims

    plan = read_plan(arguments)
    results, study = load_results(arguments, plan), plan.studies[arguments.study]
    if plan.label is not None:
        print(plan.label)
    for claim in own_claims(study):
        judgements = list(judge(results, study, claim))
        print(f"{claim.text} ({claim.source})\n    as published: {published_verdict(judgements)}")
        for line in judgements or [NOT_RUN]:
            print(f"    here: {line}")


def publish(arguments: argparse.Namespace) -> None:
    """Copy a study's finished runs to where git keeps them, with tables and figures."""
    from redrop.runtime import publish as publishing

    plan = read_plan(arguments)
    study = plan.studies[arguments.study]
    for path in publishing.publish(plan, study, arguments.results, arguments.to / study.name):
        print(path)


def restore(arguments: argparse.Namespace) -> None:
    """Copy a study's published runs back, so that a workflow takes them as finished."""
    from redrop.runtime import publish as publishing

    new = publishing.restore(arguments.study, arguments.published, arguments.results)
    print(f"{new} runs copied to {arguments.results / 'runs' / arguments.study}")


def readme(arguments: argparse.Namespace) -> None:
    """Make the README's marked blocks anew from what is published."""
    from redrop.analysis.readme import fill
    from redrop.record import write_text
    from redrop.study import load_study, project_folder

    project = arguments.project or project_folder()
    study = load_study(project / "config" / "studies" / "residual.yaml", project)
    path = project / "README.md"
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not text in UTF-8 ({error}); save it as UTF-8") from error
    write_text(path, fill(text, project / "results" / "published", study))


def report(arguments: argparse.Namespace) -> None:
    """Write one page about all runs in a results folder: verdicts, tables, figures, cost, provenance."""
    from redrop.report.page import write_page
    from redrop.report.recognise import name_of
    from redrop.study import project_folder

    project, given = arguments.project or project_folder(), None
    if arguments.config is not None:
        given = read_plan(arguments)
        given = {name_of(given, arguments.config, project): given}
    counts = write_page(arguments.results, arguments.out, project, given)
    missing = f", {counts['missing']} asked for are missing" if counts["missing"] else ""
    diverged = f", {counts['diverged']} diverged" if counts["diverged"] else ""
    print(f"{arguments.out}: {counts['found']} runs{missing}{diverged}")


def add(verb: AddVerb) -> None:
    """The verbs of this file and their options."""
    made = verb("collect", collect)
    made.add_argument("--results", type=Path, default=Path("results"), help="default: %(default)s")
    made.add_argument("--study", help="only this study")
    made.add_argument("--out", type=Path, required=True, help="the csv file to write")
    config_options(made, None)

    for name, function in (("table", present), ("figure", present), ("claims", claims)):
        made = verb(name, function)
        made.add_argument("--study", required=True)
        made.add_argument("--results", type=Path, default=Path("results"), help="default: %(default)s")
        made.add_argument(
            "--all-runs", action="store_true", help="every run found, not only those of the config"
        )
        if function is present:
            made.add_argument("name", nargs="*", help=f"only these {name}s")
            made.add_argument("--out", type=Path, required=True, help="the folder to write to")
        config_options(made, [])

    made = verb("publish", publish)
    made.add_argument("study")
    made.add_argument("--results", type=Path, default=Path("results"), help="default: %(default)s")
    made.add_argument("--to", type=Path, default=Path("results/published"), help="default: %(default)s")
    config_options(made, [])

    made = verb("restore", restore)
    made.add_argument("study")
    made.add_argument(
        "--published", type=Path, default=Path("results/published"), help="default: %(default)s"
    )
    made.add_argument("--results", type=Path, default=Path("results"), help="default: %(default)s")

    made = verb("readme", readme)
    made.add_argument("--project", type=Path, help="the folder with config/ and README.md")

    made = verb("report", report)
    made.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="a folder of runs: results, results/demo, results/published, ... (default: %(default)s)",
    )
    made.add_argument("--out", type=Path, required=True, help="the html file to write")
    config_options(made, None)
