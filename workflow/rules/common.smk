# What the rules share: the config, resolved into runs, and input functions. No rules, no torch.

import json
import shlex
import sys
from pathlib import Path

from redrop.errors import ConfigError
from redrop.runtime.pool import Pool
from redrop.study import resolve
from snakemake.exceptions import WorkflowError

PROJECT = Path(workflow.basedir)
try:
    PLAN = resolve(config, PROJECT)
except ConfigError as error:
    raise WorkflowError(str(error)) from None
# Rules run this checkout's redrop; without environments of their own, with Snakemake's own Python.
OWN_PYTHON = "" if workflow.deployment_settings.deployment_method else Path(sys.executable).parent
shell.prefix(
    f"export PYTHONPATH={shlex.quote(str(PROJECT / 'src'))}; "
    + (f"export PATH={shlex.quote(str(OWN_PYTHON))}:$PATH; " if OWN_PYTHON else "")
)
RESULTS = PLAN.results.as_posix()


wildcard_constraints:
    study="|".join(PLAN.studies) or "none",
    run=r"[A-Za-z0-9][A-Za-z0-9._-]*",
    dataset=r"[a-z0-9_]+",


def run_spec(wildcards):
    """The run's settings as JSON: the only thing that a training job knows of the config."""
    return PLAN.specs[wildcards.study][wildcards.run].to_json()


def prepared_data(wildcards):
    """The run's prepared corpus; nothing once the run is finished.

    Otherwise a new run, for which the data must be prepared anew, would make every old run look outdated.
    """
    if Path(f"{RESULTS}/runs/{wildcards.study}/{wildcards.run}/metrics.json").exists():
        return []
    spec = PLAN.specs[wildcards.study].get(wildcards.run)
    return [] if spec is None else f"{RESULTS}/data/{spec.data.corpus}/meta.json"


def run_files(wildcards):
    """Metrics and curves of every run of a study."""
    runs = PLAN.specs[wildcards.study]
    return [
        f"{RESULTS}/runs/{wildcards.study}/{run}/{file}"
        for run in runs
        for file in ("metrics.json", "curve.jsonl")
    ]


def study_runs(wildcards):
    """Ids of a study's runs, as one value: it changes exactly when a run comes or goes."""
    return ",".join(sorted(PLAN.specs[wildcards.study]))


def study_targets(study):
    """What a study is finished with.

    The runs are named although the tables need them: Snakemake does not make a missing file that stands
    between files which look up to date, as a new run does where its memory (.snakemake/) is gone.
    """
    runs = [f"{RESULTS}/runs/{study}/{run}/metrics.json" for run in PLAN.specs[study]]
    folders = [f"{RESULTS}/{study}/{part}" for part in ("tables", "figures")]
    return [*runs, f"{RESULTS}/{study}/runs.csv", *folders]


def config_text(wildcards=None):
    """The config as JSON, for the verbs that present results."""
    return json.dumps(config, sort_keys=True)


def results_folder(wildcards):
    """The folder that everything generated goes below."""
    return RESULTS
