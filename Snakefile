"""redrop: from config/*.yaml to runs, tables, figures and a report. See README.md."""

from snakemake.utils import min_version

min_version("9.16")


configfile: workflow.source_path("config/config.yaml")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    residual,


rule all:
    """Every run, table and figure of every study in the config."""
    default_target: True
    input:
        f"{RESULTS}/runs.csv",
        [study_targets(study) for study in PLAN.studies],


rule residual:
    """Paper B: dropout x residual connections."""
    input:
        study_targets("residual"),
