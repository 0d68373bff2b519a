"""From config/*.yaml to run specs: reads studies, applies selections, refuses what is not allowed.

A study file gives settings with sources, protocols and rows; the config selects protocols, seeds and
corpora (or tasks) and may override settings. Both are checked twice: their form against
workflow/schemas/, their values by ``RunSpec``. Read by the Snakefile in every job, so nothing heavy is
imported.
"""

from __future__ import annotations

import fnmatch
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redrop.checks import check_choice, check_name, check_path, suggest, unknown
from redrop.errors import ConfigError
from redrop.presented import check_presented
from redrop.spec import RunSpec
from redrop.yaml_files import check_schema, read_yaml

SOURCES = ("stated", "authors-code", "inferred", "chosen")


def project_folder() -> Path:
    """The folder with config/ and workflow/schemas/: the current one, the checkout, or a wheel's copy."""
    here = Path(__file__).resolve()
    for folder in (Path.cwd(), here.parents[2], here.with_name("project")):
        if (folder / "config" / "studies").is_dir():
            return folder
    remedy = "run redrop in the project's folder or pass --project"
    raise ConfigError(f"{Path.cwd()} has no config/studies; {remedy}")


@dataclass(frozen=True)
class Setting:
    """One value and where it comes from."""

    value: Any
    source: str
    note: str = ""


@dataclass(frozen=True)
class Sweep:
    """Rows that are drawn together; ``rate`` names the setting on the x axis, None if there is none."""

    name: str
    title: str
    rate: str | None
    configs: tuple[str, ...]


@dataclass(frozen=True)
class Protocol:
    """One reading of a paper: settings common to its rows, and the rows."""

    name: str
    title: str
    settings: dict[str, Setting]
    rows: dict[str, dict[str, Setting]]
    tags: dict[str, frozenset[str]]
    sweeps: dict[str, Sweep]
    tasks: dict[str, dict[str, Setting]] = field(default_factory=dict)
    """Task -> settings that hold on it, whatever the row; rows go before them."""


@dataclass(frozen=True)
class Study:
    """A study file, read and checked."""

    name: str
    title: str
    protocols: dict[str, Protocol] = field(default_factory=dict)
    reads: str = "corpus"
    """What its runs, or those of this part, read, a kind of ``redrop.data.names``: ``corpus``, ``glue``."""
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    part: str = ""
    """What the config calls it: the study's own name, or ``<study>_<part>`` with tables of its own."""
    root: Path = Path()
    """The project that it was read from, with its claims and reported figures."""
    parts: tuple[str, ...] = ()
    """The parts with tables and figures of their own, without the study's name before them."""

    def protocol(self, name: str) -> Protocol:
        """The protocol of that name; raises ``ConfigError`` with the known ones."""
        if name not in self.protocols:
            raise unknown(f"study {self.name}: no protocol {name!r}", name, self.protocols)
        return self.protocols[name]


ROW_KEYS = ("config", "tags", "source", "note", "settings")
"""What a row may have besides the keys that the study file declares as columns."""


def _row_settings(row: dict[str, Any], columns: dict[str, list[str]], source: str, where: str):
    settings: dict[str, Setting] = {}
    for key, value in row.items():
        if key in ROW_KEYS:
            continue
        if key not in columns:
            raise unknown(f"{where}: unknown key {key!r}", key, [*ROW_KEYS, *columns])
        for target in columns[key]:
            settings[target] = Setting(value, source, row.get("note", ""))
    for key, value in row.get("settings", {}).items():
        settings[key] = Setting(value, source, row.get("note", ""))
    return settings


def _settings(values: dict[str, dict[str, Any]]) -> dict[str, Setting]:
    return {key: Setting(**value) for key, value in values.items()}


def load_part(name: str, root: Path) -> Study:
    """The study that a config names, or a part of it: of the same file and runs, with its own tables."""
    folder = root / "config" / "studies"
    path, part = folder / f"{name}.yaml", None
    if not path.exists():
        study, _, part = name.partition("_")
        path = folder / f"{study}.yaml"
    if not path.exists():
        known = sorted(p.stem for p in folder.glob("*.yaml"))
        raise unknown(f"config: studies.{name}: unknown study", name, known)
    return load_study(path, root, part)


def load_study(path: Path, root: Path, view_name: str | None = None) -> Study:
    """Read a study file, or a part of it; ``root`` is the project folder, which holds the schemas."""
    raw = read_yaml(path)
    check_schema(raw, "study", root, str(path))
    if raw["study"] != path.stem:
        raise ConfigError(f"{path}: study: {raw['study']!r} is not the file's name; give {path.stem!r}")
    for view in (raw, *raw.get("parts", {}).values()):  # now, not after all runs are trained
        for folder in ("tables", "figures"):
            check_presented(str(path), folder, view[folder], view.get("reads", raw["reads"]))
    base = _settings(raw["settings"])
    protocols: dict[str, Protocol] = {}
    for name, part in raw["protocols"].items():
        where = f"{path}: protocol {name}"
        check_name(f"{path}: protocols", name)
        if "rows_from" in part:
            check_choice(f"{where}: rows_from", part["rows_from"], raw["protocols"])
        origin = raw["protocols"].get(part.get("rows_from"), part)
        own = _settings(part.get("settings", {}))
        rows: dict[str, dict[str, Setting]] = {}
        tags: dict[str, frozenset[str]] = {}
        for row in origin.get("rows", []):
            config = row["config"]
            check_name(f"{where}: config", config)
            if config in rows:
                raise ConfigError(f"{where}: configuration {config!r} is given twice")
            if origin is not part and "source" in row:
                continue  # added to the other protocol, no row of what that stands for
            source = row.get("source", part["rows_source"])
            rows[config] = _row_settings(row, raw["columns"], source, f"{where}: {config}")
            for key in part.get("overrides", []):
                rows[config].pop(key, None)
            tags[config] = frozenset(row.get("tags", []))
        if not rows:
            raise ConfigError(f"{where}: no rows; give `rows` or a known protocol in `rows_from`")
        sweeps = {
            key: Sweep(key, value["title"], value["rate"], tuple(value["configs"]))
            for key, value in origin.get("sweeps", {}).items()
        }
        for sweep in sweeps.values():
            check_name(f"{where}: sweeps", sweep.name)
            for config in sweep.configs:
                if config not in rows:
                    said = f"{where}: sweep {sweep.name} names {config!r}, which is no row"
                    raise ConfigError(said + suggest(config, rows))
        source = part.get("tasks_from", name)
        check_choice(f"{where}: tasks_from", source, raw["protocols"])
        of_source = raw["protocols"][source].get("tasks", {})
        tasks = {task: _settings(settings) for task, settings in of_source.items()}
        for task in tasks:
            check_choice(f"{where}: tasks", task, task_names(raw["reads"]))
        protocols[name] = Protocol(name, part["title"], {**base, **own}, rows, tags, sweeps, tasks)
    name, view = raw["study"], raw
    if view_name is not None:
        views = raw.get("parts", {})
        if view_name not in views:
            said = f"config: studies.{name}_{view_name}: study {name} has no part {view_name!r}"
            raise unknown(said, view_name, views)
        name, view = f"{name}_{view_name}", views[view_name]
    tables, figures = tuple(view["tables"]), tuple(view["figures"])
    parts = tuple(raw.get("parts", ()))
    reads = view.get("reads", raw["reads"])
    return Study(raw["study"], view["title"], protocols, reads, tables, figures, name, root, parts)


def _nested(settings: dict[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        section, _, name = key.partition(".")
        if not name:
            raise ConfigError(f"{key}: a setting is written section.name, such as model.n_layer")
        tree.setdefault(section, {})[name] = value
    return tree


def make_spec(
    study: Study, protocol: str, config: str, task: str, seed: int, override: dict[str, Any]
) -> RunSpec:
    """The run of one row, corpus or task, and seed, with ``override`` settings on top of everything."""
    part = study.protocol(protocol)
    common, of_task, row = (
        {key: setting.value for key, setting in group.items()}
        for group in (part.settings, part.tasks.get(task, {}), part.rows[config])
    )
    settings = common | of_task
    if row.get("model.name", settings.get("model.name")) != settings.get("model.name"):
        # Another kind of model: its row says all that there is to say of it.
        settings = {key: value for key, value in settings.items() if not key.startswith("model.")}
    settings |= row
    names_task = "data.corpus" if study.reads == "corpus" else "data.task"
    if names_task in override:
        raise ConfigError(
            f"study {study.name}: {names_task} is no setting; a selection lists corpora or tasks"
        )
    settings |= override | {names_task: task}
    values = {"study": study.name, "protocol": protocol, "config": config, "seed": seed}
    try:
        return RunSpec.from_dict(values | _nested(settings))
    except ConfigError as error:
        raise ConfigError(f"study {study.name}, {protocol}/{config}: {error}") from error


def select(study: Study, selections: list[dict[str, Any]]) -> list[RunSpec]:
    """All runs that the selections ask for, in order, each once."""
    specs: dict[str, RunSpec] = {}
    for selection in selections:
        override = selection.get("settings", {})
        tasks = _tasks(study, selection)
        protocols = [study.protocol(name) for name in selection["protocols"]]
        known = {tag for protocol in protocols for tags in protocol.tags.values() for tag in tags}
        for tag in selection.get("tags", []):
            check_choice(f"study {study.name}: tags", tag, known)
        for protocol in protocols:
            configs = _configs(study, protocol, selection)
            for task, config, seed in itertools.product(tasks, configs, selection["seeds"]):
                spec = make_spec(study, protocol.name, config, task, seed, override)
                specs[spec.run] = spec
    return list(specs.values())


def _configs(study: Study, protocol: Protocol, selection: dict[str, Any]) -> list[str]:
    """A protocol's configurations in a selection; raises ``ConfigError`` for a pattern that selects none."""
    asked, found = set(selection.get("tags", [])), set()
    for pattern in selection.get("configs", ["*"]):
        where = f"study {study.name}, protocol {protocol.name}"
        matched = [config for config in protocol.rows if fnmatch.fnmatchcase(config, pattern)]
        if not matched:
            hint = suggest(pattern, protocol.rows)
            raise ConfigError(f"{where}: no configuration matches {pattern!r}{hint}")
        selected = {config for config in matched if protocol.tags[config] <= asked}
        if not selected:
            tags = ", ".join(sorted(asked.union(*(protocol.tags[config] for config in matched))))
            said = f"every configuration that matches {pattern!r} has tags that the selection does not list"
            raise ConfigError(f"{where}: {said}; write tags: [{tags}]")
        found |= selected
    return [config for config in protocol.rows if config in found]


def _tasks(study: Study, selection: dict[str, Any]) -> list[str]:
    """The corpora or tasks of a selection; raises ``ConfigError`` for an unknown one."""
    key, other = ("corpora", "tasks") if study.reads == "corpus" else ("tasks", "corpora")
    if key not in selection or other in selection:
        raise ConfigError(f"study {study.name}: a selection of it lists {key}, not {other}")
    for task in selection[key]:
        check_choice(f"study {study.name}: {key}", task, task_names(study.reads))
    return selection[key]


def task_names(reads: str) -> list[str]:
    """Names of the corpora, or of the tasks of that kind."""
    from redrop import data
    from redrop.data.tasks import DIRECTIONS

    if reads == "translation":
        return list(DIRECTIONS)
    return [name.removeprefix("glue_") for name in data.names(reads)]


@dataclass(frozen=True)
class Plan:
    """A config, resolved: where results go and which runs make them up."""

    results: Path
    label: str | None
    mirror: str | None
    studies: dict[str, Study]
    specs: dict[str, dict[str, RunSpec]]
    """Study, or part of a study -> run id -> spec."""
    keep_weights: bool = False
    """Whether finished models are kept."""

    @property
    def runs(self) -> dict[str, dict[str, RunSpec]]:
        """Study -> run id -> spec: all of its parts together, each run once."""
        found: dict[str, dict[str, RunSpec]] = {}
        for name, specs in self.specs.items():
            found.setdefault(self.studies[name].name, {}).update(specs)
        return found

    def tasks(self, study: str) -> dict[str, list[str]]:
        """Protocols of a study that are asked for -> the corpora or tasks that they are asked for on."""
        found: dict[str, dict[str, None]] = {}
        for spec in self.specs[study].values():
            found.setdefault(spec.protocol, {})[spec.task] = None
        return {protocol: list(names) for protocol, names in found.items()}


MAY_BE_NULL = ("mirror", "label", "only")


def check_config(config: dict[str, Any], root: Path) -> dict[str, Any]:
    """A config whose form is right; raises ``ConfigError`` naming what is not.

    Snakemake hands ``--config mirror=null`` on as a text: whoever writes null means none, not a folder of
    that name (which is ./null). So it does with ``keep_weights=true``.
    """
    none = {key: None for key in MAY_BE_NULL if config.get(key) in ("null", "Null", "NULL", "~", "")}
    config = config | none
    if config.get("keep_weights") in ("true", "false"):
        config["keep_weights"] = config["keep_weights"] == "true"
    check_schema(config, "config", root, "config")
    return config


def resolve(config: dict[str, Any], root: Path) -> Plan:
    """Check a config and expand it; ``root`` is the project folder (config/studies, workflow/schemas)."""
    config = check_config(config, root)
    for key in ("results", "mirror"):
        check_path(f"config: {key}", config[key])
    studies, specs = {}, {}
    chosen = config["studies"] if config["only"] is None else config["only"]
    for name in chosen:
        check_choice("config: only", name, config["studies"])
        selections = config["studies"][name]
        studies[name] = load_part(name, root)
        specs[name] = {spec.run: spec for spec in select(studies[name], selections)}
    return Plan(
        Path(config["results"]),
        config["label"],
        config["mirror"],
        studies,
        specs,
        config.get("keep_weights", False),
    )


def merge_config(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``over`` read over ``base`` as Snakemake does it: mappings are merged, all else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        merged[key] = merge_config(old, value) if both else value
    return merged
