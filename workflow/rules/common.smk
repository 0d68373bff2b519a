# What the rules share: the config, resolved into runs, and input functions. No rules, no torch.

import json
import shlex
import sys
from pathlib import Path

from redrop.errors import ConfigError
from redrop.layout import ResultsLayout
from redrop.models.sources import folder_name
from redrop.places import Places, model_folder
from redrop.record import CURVE, METRICS
from redrop.runtime import gpu
from redrop.runtime.alive import hold
from redrop.runtime.pool import Pool
from redrop.runtime.profiles import job_memory_mb
from redrop.study import resolve
from redrop.yaml_files import read_yaml
from snakemake.exceptions import WorkflowError

# Not workflow.basedir, which is workflow/ where the workflow is entered there.
PROJECT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
# Killed, Snakemake leaves its lock behind; so that the same command goes on, locks of the dead are removed.
try:
    ALIVE = hold(Path(".snakemake"), main=workflow.is_main_process)
except OSError as error:
    raise WorkflowError(
        f"{Path.cwd()}: nothing can be written there ({error.strerror}), and Snakemake works there; give it a "
        "folder of yours with --directory FOLDER, which results go to as well"
    ) from None
# Only the workflow's own process counts GPUs: a job on a cluster parses this too.
try:
    if workflow.is_main_process:  # Snakemake's own reader keeps the last of two equal keys in silence
        for file in map(Path, workflow.configfiles):
            if file.suffix != ".json":
                read_yaml(file)
    PLAN = resolve(config, PROJECT)
    GPUS = len(gpu.devices()) if workflow.is_main_process else 0
except ConfigError as error:
    raise WorkflowError(str(error)) from None
# -P in the rules: a person's own queue.py in the working folder must not stand in for Python's.
# Rules run this checkout's redrop; without environments of their own, with Snakemake's own Python.
OWN_PYTHON = "" if workflow.deployment_settings.deployment_method else Path(sys.executable).parent
shell.prefix(
    f"export PYTHONPATH={shlex.quote(str(PROJECT / 'src'))}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
    + (f"export PATH={shlex.quote(str(OWN_PYTHON))}:$PATH; " if OWN_PYTHON else "")
)
LAYOUT = ResultsLayout(PLAN.results)
# Where rules leave their files, with wildcards.
RUN = (LAYOUT.runs("{study}").path / "{run}").as_posix()
RUN_LOG = (LAYOUT.logs("{study}") / "{run}.log").as_posix()
RUN_BENCHMARK = (LAYOUT.benchmarks("{study}") / "{run}.tsv").as_posix()
PART = LAYOUT.part("{part}").as_posix()
PART_LOGS = LAYOUT.logs("{part}").as_posix()
if GPUS and "gpu" not in workflow.global_resources:  # else --resources gpu=N has been given
    workflow.global_resources["gpu"] = GPUS * config["jobs_per_gpu"]
    workflow.resourcescope(gpu="local")  # they are this machine's: no limit to jobs that run elsewhere


FOLDERS = {study: LAYOUT.runs(study) for study in PLAN.runs}
"""Study -> the folders of its runs: a run that an earlier version recorded keeps its folder."""
RUNS = {
    study: {FOLDERS[study].of(spec).name: spec for spec in specs.values()}
    for study, specs in PLAN.runs.items()
}
"""Study -> folder name -> spec."""


wildcard_constraints:
    study="|".join(RUNS) or "none",
    part="|".join(PLAN.studies) or "none",
    run=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    dataset=r"[a-z0-9_]+",
    model=r"[A-Za-z0-9][A-Za-z0-9._-]*",


def run_spec(wildcards):
    """The run's settings as JSON: the only thing that a training job knows of the config."""
    return RUNS[wildcards.study][wildcards.run].to_json()


def prepared_data(wildcards):
    """The run's prepared data, and its released model if it has one; nothing once the run is finished.

    Otherwise a new run, for which the data must be prepared anew, would make every old run look outdated.
    """
    if (FOLDERS[wildcards.study].path / wildcards.run / METRICS).exists():
        return []
    spec = RUNS[wildcards.study].get(wildcards.run)
    if spec is None:
        return []
    model = model_folder(spec, Places(LAYOUT.data, LAYOUT.models))
    needed = [f"{LAYOUT.data}/{spec.data.data_set}/meta.json"]
    return needed if model is None else [*needed, f"{model.as_posix()}/source.json"]


def gpus(wildcards):
    """GPUs that a run asks Snakemake for: one where they are counted and jobs run on this machine.

    Elsewhere it is for the profile to say (set-resources). Which GPU it is, is for `redrop train` to find out.
    """
    counted = workflow.is_main_process and "gpu" in workflow.global_resources
    return int(counted and workflow.local_exec)


def gpus_line():
    """What a person is told of the GPUs when a workflow starts."""
    if not GPUS:
        return f"No GPU, training runs on the CPU: {gpu.why_none()}"
    shared = config["jobs_per_gpu"]
    return f"GPUs: {GPUS}" + (f", {shared} jobs each" if shared > 1 else "")


def model_words(wildcards):
    """What `redrop fetch-model` is told of a model: its name, and its revision where it is not a known one."""
    for spec in (spec for runs in RUNS.values() for spec in runs.values()):
        known = getattr(spec.model, "checkpoint", None)
        if known is not None and folder_name(known) == wildcards.model:
            revision = spec.model.revision
            return shlex.join([known, *(["--revision", revision] if revision else [])])
    raise WorkflowError(f"no run of this config uses a model whose folder is {wildcards.model}")


def run_files(wildcards):
    """Metrics and curves of every run of a study or part."""
    return [
        (FOLDERS[spec.study].of(spec) / file).as_posix()
        for spec in PLAN.specs[wildcards.part].values()
        for file in (METRICS, CURVE)
    ]


def study_runs(wildcards):
    """Ids of a study's runs, as one value: it changes exactly when a run comes or goes."""
    return ",".join(sorted(PLAN.specs[wildcards.part]))


def presented(wildcards=None):
    """Tables and figures of every study and part of the config."""
    return [
        (LAYOUT.part(part) / name).as_posix()
        for part, study in PLAN.studies.items()
        for name in ("tables", "figures")
        if getattr(study, name)
    ]


def study_targets(part):
    """What a study, or a part of one, is finished with.

    The runs are named although the tables need them: Snakemake does not make a missing file that stands
    between files which look up to date, as a new run does where its memory (.snakemake/) is gone.
    """
    specs, study = PLAN.specs[part], PLAN.studies[part]
    runs = [(FOLDERS[spec.study].of(spec) / METRICS).as_posix() for spec in specs.values()]
    folders = ["runs.csv", *(name for name in ("tables", "figures") if getattr(study, name))]
    return [*runs, *((LAYOUT.part(part) / name).as_posix() for name in folders)]


def targets_of(part):
    """``study_targets`` for a rule that a person names, whatever the config asks for."""

    def targets(wildcards):
        if part not in PLAN.specs:
            raise WorkflowError(
                f"the config asks for no runs of {part}: give it selections under studies.{part}"
            )
        return study_targets(part)

    return targets


HOW = ("jobs_per_gpu", "keep_weights")
"""Keys of the config that change no result."""


def config_text(wildcards=None):
    """The config as JSON, for the verbs that present results: without what does not concern them."""
    return json.dumps({key: config[key] for key in config if key not in HOW}, sort_keys=True)


def results_folder(wildcards):
    """The folder that everything generated goes below."""
    return LAYOUT.path.as_posix()
