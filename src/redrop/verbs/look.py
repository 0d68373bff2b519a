"""Looking before, during and after: a plan, this machine, how far it is, one run, two beside each other."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from redrop.verbs import shared

if TYPE_CHECKING:
    from redrop.study import Plan


def plan(arguments: argparse.Namespace) -> None:
    """Say what the config asks for, before anything is spent: runs, jobs, downloads, disk, device hours."""
    from redrop.runtime import plan as planning
    from redrop.runtime.profiles import read_profile
    from redrop.runtime.rates import calibrate, from_table
    from redrop.study import project_folder
    from redrop.view.plan_view import blocks

    found = shared.read_plan(arguments)
    if arguments.results is not None:
        found = dataclasses.replace(found, results=shared.results_folder(arguments).path)
    if arguments.decide is not None:
        found = to_decide(arguments.decide, found)
    if arguments.names:
        print("\n".join(found.specs))
        return
    profile = None if arguments.profile is None else read_profile(arguments.profile)
    by_table = arguments.no_calibrate or arguments.device is not None
    project = arguments.project or project_folder()
    device = from_table(project, arguments.device) if by_table else calibrate()
    names = [arguments.study] if arguments.study else list(found.specs)
    shared.show(arguments, planning.make(found, names, device, profile), planning.to_dict, blocks)


def to_decide(name: str, plan: Plan) -> Plan:
    """Only the seeds that would decide a claim, beside those in the results folder."""
    from redrop.analysis.build import load
    from redrop.analysis.claims import own_claims
    from redrop.analysis.deciding import deciding_runs
    from redrop.checks import check_choice

    claims = {claim.name: (claim, study) for study in plan.studies.values() for claim in own_claims(study)}
    check_choice("--decide", name, claims)
    claim, study = claims[name]
    results = load(plan.results / "runs", None, study.name)
    specs = deciding_runs(results, study, claim)
    said = f"{claim.text}: {len(specs):,} more runs would decide those of its comparisons that are undecided"
    print(said, file=sys.stderr)  # stdout may be JSON
    return dataclasses.replace(plan, studies={study.part: study}, specs={study.part: specs})


def doctor(arguments: argparse.Namespace) -> None:
    """Look at this machine for what would stop the workflow; each fault with what to do about it."""
    from redrop.runtime import doctor as examination
    from redrop.runtime.profiles import read_profile
    from redrop.study import project_folder
    from redrop.view.doctor_view import blocks

    project = arguments.project or project_folder()
    profile = None if arguments.profile is None else read_profile(arguments.profile)
    checks = examination.examine(shared.read_plan(arguments), project, profile)
    shared.show(arguments, checks, examination.to_dict, blocks)
    if examination.count(checks, examination.PROBLEM):
        sys.exit(1)


def status(arguments: argparse.Namespace) -> None:
    """Say what is done, running, failed and missing, and how long the rest will take."""
    from redrop.view.status import blocks, document, read_status

    plan = shared.read_plan(arguments)
    found = read_status(plan, arguments.results or plan.results, arguments.study)
    shared.show(arguments, found, document, blocks)


def show(arguments: argparse.Namespace) -> None:
    """Show one run: status, curve, metrics, cost, settings, and the command that reproduces it."""
    from redrop.view.find import find_run, results_folders
    from redrop.view.screen import display
    from redrop.view.show import blocks

    folders = [arguments.results] if arguments.results else results_folders()
    display(list(blocks(find_run(arguments.run, folders), arguments.project)))


def compare(arguments: argparse.Namespace) -> None:
    """Compare two configurations, or two results folders, paired by seed."""
    from redrop.view import compare as comparing
    from redrop.view.compare_view import blocks, write_csv
    from redrop.view.screen import display

    plan = None if arguments.config is None else shared.read_plan(arguments)
    wanted = None if plan is None else {run for runs in plan.specs.values() for run in runs}
    asked = {"metrics": arguments.metric, "task": arguments.task, "wanted": wanted}
    compared = comparing.compare(arguments.a, arguments.b, arguments.results, **asked)
    display(list(blocks(compared, arguments.a, arguments.b)))
    if arguments.csv is not None:
        write_csv(arguments.csv, compared.found)


def add(verb: shared.AddVerb) -> None:
    """The verbs of this file and their options."""
    option = verb("plan", plan)
    option("--names", action="store_true", help="only the names of the studies")
    option("--study", help="only this study")
    shared.settings_option(option)
    option("--decide", metavar="CLAIM", help="only the seeds that would decide this claim")
    shared.results_option(option)
    option("--profile", type=Path, metavar="FOLDER", help="Snakemake's profile, for the time on the clock")
    option(
        "--no-calibrate",
        action="store_true",
        help="take the device's rate from config/devices.csv instead of measuring it for a second",
    )
    option("--device", help="plan for this device of config/devices.csv, such as H100")
    shared.json_option(option)
    shared.config_options(option, [])

    option = verb("doctor", doctor)
    option("--profile", type=Path, metavar="FOLDER", help="Snakemake's profile that will be used")
    shared.json_option(option)
    shared.config_options(option, [])

    option = verb("status", status)
    option("--results", type=Path, help="default: the results folder of the config")
    option("--study", help="only this study")
    shared.json_option(option)
    shared.config_options(option, [])

    option = verb("show", show)
    option("run", help="its id, the beginning of its id, or its folder")
    option("--results", type=Path, help="default: results, its demo, and what is published")
    option("--project", type=Path, help="the folder with config/, for the settings' sources")

    option = verb("compare", compare)
    option("a", metavar="A", help="[PROTOCOL/]CONFIG[/TASK], or a results folder")
    option("b", metavar="B", help="the same; differences are A minus B")
    option(
        "--results", type=Path, default=Path("results"), help="of two configurations (default: %(default)s)"
    )
    option("--task", help="only on this task or corpus")
    option(
        "--metric",
        action="append",
        default=[],
        help="may be repeated, or all (default: score, or val_loss_last where there is none)",
    )
    option("--csv", type=Path, metavar="FILE", help="write all numbers there, too")
    shared.config_options(option, None, takes_names=True)
