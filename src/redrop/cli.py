"""The ``redrop`` command. The workflow's rules call these verbs; so can a person.

Heavy libraries are imported inside the verbs, so ``redrop --help`` and a mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import signal
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop.checks import check_name, parse_json
from redrop.errors import FULL, ConfigError, RedropError, storage_error
from redrop.places import Places, is_prepared
from redrop.record import is_recorded
from redrop.runtime import gpu
from redrop.runtime.pool import Pool
from redrop.spec import RunSpec

if TYPE_CHECKING:
    from redrop.analysis.collect import Results
    from redrop.study import Plan

EXIT_STOPPED = 143
"""A run that was asked to stop (SIGTERM) and left a checkpoint: what a scheduler calls requeue-able."""


def read_config(texts: list[str], project: Path) -> dict[str, Any]:
    """config/config.yaml with each of ``texts`` (a YAML file, or JSON text) read over it in order."""
    from redrop.study import check_schema, merge_config, read_yaml

    config = read_yaml(project / "config" / "config.yaml")
    for text in texts:
        is_json = text.lstrip().startswith("{")
        over = parse_json(text, "--config") if is_json else read_yaml(Path(text))
        if not isinstance(over, dict):
            raise ConfigError(f"--config: {text} holds {over!r}, not settings; see config/README.md")
        config = merge_config(config, over)
    check_schema(config, "config", project, "config")
    return config


def read_plan(arguments: argparse.Namespace) -> Plan:
    """The config that the command line names, resolved into runs."""
    from redrop.study import project_folder, resolve

    project = arguments.project or project_folder()
    plan = resolve(read_config(arguments.config, project), project)
    study = getattr(arguments, "study", None)
    if study is not None and study not in plan.studies:
        raise ConfigError(f"--study: {study!r} is not in the config (known: {', '.join(plan.studies)})")
    return plan


def fetch(arguments: argparse.Namespace) -> None:
    """Get a data set's raw files."""
    from redrop import data

    record = data.fetch(arguments.name, arguments.to, arguments.mirror)
    for file in record.files:
        print(f"{file.path}: {file.path.stat().st_size:,} bytes from {file.origin}")


def prepare(arguments: argparse.Namespace) -> None:
    """Encode a data set's raw files."""
    from redrop import data

    print(f"{arguments.to}: {data.prepare(arguments.name, arguments.raw, arguments.to).summary}")


def fetch_model(arguments: argparse.Namespace) -> None:
    """Get a released model."""
    from redrop.models import sources

    source = sources.fetch(arguments.name, arguments.revision, arguments.to)
    print(f"{arguments.to}: {source['origin']}, {sources.WEIGHTS} has sha256 {source['sha256']}")


def train(arguments: argparse.Namespace) -> None:
    """Train one run, from its checkpoint if it has one; others of its pool may be trained along."""
    text = arguments.spec
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--spec: {storage_error(error)}") from error
        except ValueError as error:
            raise ConfigError(f"--spec: {text!r} is no text file in UTF-8; give a run's spec.json") from error
    spec = RunSpec.from_json(text)
    out = arguments.out
    pool = None if arguments.pool is None else Pool(arguments.pool, runs=out.parent)
    checkpoints = arguments.checkpoints or out / "checkpoints"

    def is_done() -> bool:
        done = (pool is not None and pool.collect(spec, out)) or is_recorded(out, spec.run)
        if done:
            shutil.rmtree(checkpoints / spec.run, ignore_errors=True)  # left by a process that was killed
        return done

    if is_done():
        return  # before torch is imported: this is what most jobs of a sweep do

    stop = {"asked": False}
    signal.signal(signal.SIGTERM, lambda *_: stop.update(asked=True))
    places = Places(arguments.data, arguments.models)
    lease = None
    if arguments.device == "auto" and (devices := gpu.devices()):
        lease = gpu.wait_for_lease(
            devices,
            arguments.jobs_per_gpu,
            wanted=lambda: pool is None or pool.has_work(spec, lambda other: is_prepared(other, places)),
            give_up=lambda: stop["asked"] or is_done(),
        )
        if lease is None:
            sys.exit(EXIT_STOPPED if stop["asked"] else 0)

    from redrop.runtime.launch import Workplace, choose_device, run

    with nullcontext() if lease is None else lease:
        workplace = Workplace(
            places=places,
            checkpoints=checkpoints,
            device=choose_device(arguments.device, lease and lease.device),
            checkpoint_seconds=arguments.checkpoint_every,
            should_stop=lambda: stop["asked"],
        )
        if not run(spec, out=out, workplace=workplace, pool=pool):
            sys.exit(EXIT_STOPPED)


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
    results = build.collect(folder, wanted, arguments.out)
    print(f"{arguments.out}: {len(results.records)} runs")
    if results.left_out:
        print(f"{results.left_out} other runs in {folder} belong to no row of this config: left out")


def results_folder(arguments: argparse.Namespace) -> Path:
    """--results; a folder without runs is a beginning, but one that is not there is a mistake."""
    if not arguments.results.is_dir():
        raise ConfigError(
            f"--results: {arguments.results} is no folder; give the one that runs were written to"
        )
    return arguments.results


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
    from redrop.analysis.tables.claims import project_claims

    plan = read_plan(arguments)
    results, study = load_results(arguments, plan), plan.studies[arguments.study]
    if plan.label is not None:
        print(plan.label)
    for claim in project_claims(study):
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


def plan(arguments: argparse.Namespace) -> None:
    """Say what the config asks for, before anything is spent: runs, jobs, downloads, disk, device hours."""
    from redrop.runtime import plan as planning
    from redrop.runtime.profiles import read_profile
    from redrop.runtime.rates import calibrate, from_table
    from redrop.study import project_folder

    found = read_plan(arguments)
    if arguments.names:
        print("\n".join(found.specs))
        return
    profile = None if arguments.profile is None else read_profile(arguments.profile)
    by_table = arguments.no_calibrate or arguments.device is not None
    project = arguments.project or project_folder()
    device = from_table(project, arguments.device) if by_table else calibrate()
    names = [arguments.study] if arguments.study else list(found.specs)
    estimate = planning.make(found, names, device, profile)
    print(json.dumps(planning.to_dict(estimate), indent=2) if arguments.json else planning.summary(estimate))


def doctor(arguments: argparse.Namespace) -> None:
    """Look at this machine for what would stop the workflow; each fault with what to do about it."""
    from redrop.runtime import doctor as examination
    from redrop.runtime.profiles import read_profile
    from redrop.study import project_folder

    project = arguments.project or project_folder()
    profile = None if arguments.profile is None else read_profile(arguments.profile)
    checks = examination.examine(read_plan(arguments), project, profile)
    if arguments.json:
        print(json.dumps(examination.to_dict(checks), indent=2))
    else:
        print(examination.text(checks))
    if examination.count(checks, examination.PROBLEM):
        sys.exit(1)


def status(arguments: argparse.Namespace) -> None:
    """Say what is done, running, failed and missing, and how long the rest will take."""
    from redrop.view.screen import display
    from redrop.view.status import blocks, document, read_status

    plan = read_plan(arguments)
    found = read_status(plan, arguments.results or plan.results, arguments.study)
    if arguments.json:
        print(json.dumps(document(found), indent=2, sort_keys=True))
    else:
        display(list(blocks(found)))


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

    plan = None if arguments.config is None else read_plan(arguments)
    compared = comparing.compare(
        arguments.a,
        arguments.b,
        arguments.results,
        metrics=arguments.metric,
        task=arguments.task,
        wanted=None if plan is None else {run for runs in plan.specs.values() for run in runs},
    )
    display(list(blocks(compared, arguments.a, arguments.b)))
    if arguments.csv is not None:
        write_csv(arguments.csv, compared.found)


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def seconds(text: str) -> float:
    """A length of time on the command line."""
    value = float(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0")
    return value


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="redrop", description=__doc__.split("\n")[0])
    verbs = top.add_subparsers(dest="verb", required=True, metavar="verb")

    def verb(name: str, function: Any) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=function.__doc__, description=function.__doc__)
        made.set_defaults(function=function)
        return made

    def config_options(made: argparse.ArgumentParser, default: Any) -> None:
        made.add_argument(
            "--config",
            action="append",
            default=default,
            metavar="FILE",
            help="read this YAML file (or JSON text) over config/config.yaml; may be repeated",
        )
        made.add_argument("--project", type=Path, help="the folder with config/ and workflow/")

    made = verb("fetch", fetch)
    made.add_argument("name", help="the data set")
    made.add_argument("--to", type=Path, required=True, help="folder for the raw files")
    made.add_argument("--mirror", help="folder with copies of data sets; default: REDROP_MIRROR")

    made = verb("prepare", prepare)
    made.add_argument("name", help="the data set")
    made.add_argument("--raw", type=Path, required=True, help="folder that `redrop fetch` filled")
    made.add_argument("--to", type=Path, required=True, help="folder for the prepared files")

    made = verb("fetch-model", fetch_model)
    made.add_argument("name", help="a known model, owner/name on the hub, or a folder")
    made.add_argument("--revision", help="commit of a model on the hub that is not a known one")
    made.add_argument("--to", type=Path, required=True, help="folder for its files")

    made = verb("train", train)
    made.add_argument("--spec", required=True, help="a spec.json, or its text")
    made.add_argument("--out", type=Path, required=True, help="the run's folder")
    made.add_argument(
        "--data",
        type=Path,
        default=Path("results/data"),
        help="folder of prepared data sets; what is missing is fetched (default: %(default)s)",
    )
    made.add_argument(
        "--models",
        type=Path,
        default=Path("results/models"),
        help="folder of released models; what is missing is fetched (default: %(default)s)",
    )
    made.add_argument("--checkpoints", type=Path, help="folder for checkpoints; default: OUT/checkpoints")
    made.add_argument(
        "--pool",
        type=Path,
        help="folder in which jobs share out the runs that wait for training; OUT is then named RUNS/<run>",
    )
    made.add_argument(
        "--checkpoint-every",
        type=seconds,
        default=60.0,
        metavar="SECONDS",
        help="default: %(default)s",
    )
    made.add_argument(
        "--device",
        default="auto",
        help="auto (default: a GPU that no other redrop process uses, the CPU where there is none),"
        " or as given: cpu, cuda, cuda:N",
    )
    made.add_argument(
        "--jobs-per-gpu",
        type=positive,
        default=1,
        metavar="N",
        help="with --device auto, share the GPU with up to N - 1 others that say so (default: %(default)s)",
    )

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

    made = verb("status", status)
    made.add_argument("--results", type=Path, help="default: the results folder of the config")
    made.add_argument("--study", help="only this study")
    made.add_argument("--json", action="store_true", help="everything, for programs")
    config_options(made, [])

    made = verb("show", show)
    made.add_argument("run", help="its id, the beginning of its id, or its folder")
    made.add_argument("--results", type=Path, help="default: results, its demo, and what is published")
    made.add_argument("--project", type=Path, help="the folder with config/, for the settings' sources")

    made = verb("compare", compare)
    made.add_argument("a", metavar="A", help="[PROTOCOL/]CONFIG[/TASK], or a results folder")
    made.add_argument("b", metavar="B", help="the same; differences are A minus B")
    made.add_argument(
        "--results", type=Path, default=Path("results"), help="of two configurations (default: %(default)s)"
    )
    made.add_argument("--task", help="only on this task or corpus")
    made.add_argument(
        "--metric",
        action="append",
        default=[],
        help="may be repeated, or all (default: score, or val_loss_last where there is none)",
    )
    made.add_argument("--csv", type=Path, metavar="FILE", help="write all numbers there, too")
    config_options(made, None)

    made = verb("report", report)
    made.add_argument(
        "--results",
        type=Path,
        default=Path("results"),
        help="a folder of runs: results, results/demo, results/published, ... (default: %(default)s)",
    )
    made.add_argument("--out", type=Path, required=True, help="the html file to write")
    config_options(made, None)

    made = verb("plan", plan)
    made.add_argument("--names", action="store_true", help="only the names of the studies")
    made.add_argument("--study", help="only this study")
    made.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="Snakemake's profile, for the time on the clock"
    )
    made.add_argument(
        "--no-calibrate",
        action="store_true",
        help="take the device's rate from config/devices.csv instead of measuring it for a second",
    )
    made.add_argument("--device", help="plan for this device of config/devices.csv, such as H100")
    made.add_argument("--json", action="store_true", help="as JSON")
    config_options(made, [])

    made = verb("doctor", doctor)
    made.add_argument("--profile", type=Path, metavar="FOLDER", help="Snakemake's profile that will be used")
    made.add_argument("--json", action="store_true", help="as JSON")
    config_options(made, [])
    return top


def main(argv: list[str] | None = None) -> None:
    """Run the command; an error that redrop foresaw is one line on standard error, exit status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    arguments = parser().parse_args(argv)
    try:
        arguments.function(arguments)
    except RedropError as error:
        sys.exit(f"redrop {arguments.verb}: {error}")
    except OSError as error:
        if error.filename is None and error.errno not in FULL:
            raise
        sys.exit(f"redrop {arguments.verb}: {storage_error(error)}")
