"""What verbs share: the config that a command line names, the results folder, kinds of values."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redrop.checks import parse_json
from redrop.errors import ConfigError
from redrop.layout import ResultsLayout

if TYPE_CHECKING:
    from redrop.study import Plan

FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
AddOption = Callable[..., object]
"""``add_argument`` of a verb's parser."""
AddVerb = Callable[[str, Callable[[argparse.Namespace], None]], AddOption]
"""Adds a verb by its name and function, whose docstring is its help; returns what adds its options."""


def read_config(texts: list[str], project: Path) -> dict[str, Any]:
    """config/config.yaml with each of ``texts`` (a YAML file, or JSON text) read over it in order."""
    from redrop.study import check_config, merge_config
    from redrop.yaml_files import read_yaml

    config = read_yaml(project / "config" / "config.yaml")
    for text in texts:
        is_json = text.lstrip().startswith("{")
        over = parse_json(text, "--config") if is_json else read_yaml(Path(text))
        if not isinstance(over, dict):
            raise ConfigError(f"--config: {text} holds {over!r}, not settings; see config/README.md")
        config = merge_config(config, over)
    return check_config(config, project)


def read_settings(texts: list[str]) -> dict[str, Any]:
    """Setting -> value of each ``KEY=VALUE``, the value as YAML has it.

    YAML 1.1, which the library reads, takes 3e-4 for a text; here it is a number, as in YAML 1.2.
    """
    import yaml

    found = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not key or not equals:
            raise ConfigError(f"--set: {text!r} is no KEY=VALUE, such as schedule.learning_rate=3e-4")
        try:
            found[key] = float(value) if FLOAT.fullmatch(value) else yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            told = " ".join(str(error).split())
            raise ConfigError(f"--set {key}: {value!r} is no value in YAML ({told}); correct it") from error
    return found


def settings_option(option: AddOption) -> None:
    """--set of a verb that is given runs."""
    option(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="any setting of a run, such as schedule.learning_rate=3e-4, over what is given; may be repeated",
    )


def read_plan(arguments: argparse.Namespace) -> Plan:
    """The config that the command line names, resolved into runs."""
    from redrop.study import project_folder, resolve

    project, study = arguments.project or project_folder(), getattr(arguments, "study", None)
    config = read_config(arguments.config, project)
    changes = read_settings(getattr(arguments, "settings", []))
    for name, selections in config["studies"].items() if changes else ():
        if study in (None, name):
            for one in selections:
                one["settings"] = one.get("settings", {}) | changes
    plan = resolve(config, project)
    if study is not None and study not in plan.studies:
        raise ConfigError(f"--study: {study!r} is not in the config (known: {', '.join(plan.studies)})")
    return plan


def results_folder(arguments: argparse.Namespace, plan: Plan | None = None) -> ResultsLayout:
    """--results, else the folder of the config, where there may be no runs; ``ConfigError`` for no folder."""
    folder = arguments.results
    if folder is None:
        folder = Path("results") if plan is None else plan.results
    if not folder.is_dir():
        raise ConfigError(f"--results: {folder} is no folder; give the one that runs were written to")
    return ResultsLayout(folder)


def results_option(option: AddOption) -> None:
    """--results of a verb that reads runs."""
    option("--results", type=Path, metavar="FOLDER", help="default: the results folder of the config")


def config_options(option: AddOption, default: Any, *, takes_names: bool = False) -> None:
    """--config and --project; ``default``: of --config.

    Several files may follow one --config, as with Snakemake's --configfile, but where the verb also takes
    names: those would be read as files.
    """
    option(
        "--config",
        action="append" if takes_names else "extend",
        nargs=None if takes_names else "+",
        default=default,
        metavar="FILE",
        help="read this YAML file (or JSON text) over config/config.yaml; for several, "
        + ("--config before each" if takes_names else "name them in order, or --config before each"),
    )
    option("--project", type=Path, help="the folder with config/ and workflow/")


def json_option(option: AddOption) -> None:
    """--json: see ``show``."""
    option("--json", action="store_true", help="as JSON, for programs")


def show(arguments: argparse.Namespace, found: Any, document: Callable[[Any], Any], blocks: Callable) -> None:
    """Print what a verb found: ``document`` makes plain values of it for --json, ``blocks`` a screen."""
    from redrop.view.screen import display

    if arguments.json:
        print(json.dumps(document(found), indent=2, sort_keys=True))
    else:
        display(list(blocks(found)))


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
