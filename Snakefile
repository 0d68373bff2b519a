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
    glue,
    glue_ablation,
    glue_grid,
    glue_size,
    glue_tuning,
    translation,
    translation_tuning,
    summarization,


rule all:
    """Every run, table and figure of every study in the config, and the page that shows them."""
    default_target: True
    input:
        LAYOUT.csv.as_posix(),
        LAYOUT.page.as_posix(),
        [study_targets(study) for study in PLAN.studies],


rule residual:
    """Paper B: dropout x residual connections."""
    input:
        targets_of("residual"),


rule glue:
    """Paper A: plain fine-tuning, R-Drop and LR-Drop on GLUE."""
    input:
        targets_of("glue"),


rule glue_ablation:
    """What each of LR-Drop's terms contributes."""
    input:
        targets_of("glue_ablation"),


rule glue_grid:
    """The weights of LR-Drop's terms."""
    input:
        targets_of("glue_grid"),


rule glue_size:
    """LR-Drop on shares of the training set."""
    input:
        targets_of("glue_size"),


rule glue_tuning:
    """The small encoder's learning rate and the methods' weights, chosen on a held-out tenth of train."""
    input:
        targets_of("glue_tuning"),


rule translation:
    """Paper A: plain training, R-Drop and LR-Drop on IWSLT translation."""
    input:
        targets_of("translation"),


rule translation_tuning:
    """The methods' weights for the small Transformer, chosen on the validation set."""
    input:
        targets_of("translation_tuning"),


rule summarization:
    """Paper A: plain training, R-Drop and LR-Drop on abstractive summarisation."""
    input:
        targets_of("summarization"),
