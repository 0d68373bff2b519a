"""Our last validation losses beside the authors', for every configuration of every protocol."""

from __future__ import annotations

import math
from typing import Any

from redrop.analysis.collect import Group
from redrop.analysis.decision.comparison import compare
from redrop.analysis.decision.contrast import Contrast, contrast
from redrop.analysis.reported import AUTHORS_CORPUS, LOSSES, Reported, comparable
from redrop.analysis.settings import flat, overrides, show, show_drop, show_settings, study_spec
from redrop.analysis.stats import paired_differences, t_interval
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH
from redrop.analysis.table import Builder, Table
from redrop.study import Study

COLUMNS = {
    "Configuration": "{config}",
    "Stream": "{stream}",
    "Pairs": "{pairs}",
    "Attn/MLP": "{rate}",
    "Skip-1": "{skip1}",
    "Skip-2": "{skip2}",
    "Skip-4": "{skip4}",
    "Iterations": "{shown_iterations}",
    "n": "{shown_n}",
    "Last": "{val_loss_last:.4f}",
    "95 % interval": "{interval}",
    "Authors' last": "{authors_val_loss_last:.4f}",
    "Ours - authors'": "{difference:+.4f}",
    "Best": "{val_loss_best:.4f}",
    "Iteration of best": "{iteration_of_best_mean:,.0f}",
}
ORDER = 10
FITS = ("corpus",)
TEXT = frozenset({"Configuration", "Stream", "Attn/MLP"})

AUTHORS_ERROR = 0.0023
"""Standard error of the difference of two of the authors' losses, nats: both are scored on the same 200
random batches; from the second differences of their recorded curves (docs/how-verdicts-are-made.md)."""

METRICS = ("val_loss_last", "val_loss_best", "iteration_of_best", "train_loss_last")
SETTINGS = (
    "model.residual_stream",
    "model.n_layer",
    "model.embedding_dropout",
    "model.attention_dropout",
    "model.attention_output_dropout",
    "model.mlp_dropout",
    "model.skip1_dropout",
    "model.skip2_dropout",
    "model.skip4_dropout",
)
"""Columns of the csv file."""

NOT_RUN = "No run of this configuration is finished."
NOT_A_ROW = "Not a row of the study file (any more)."
ONLY_FIGURE = "The authors' figure stands alone: no run of ours is finished."


def build(data: StudyResults) -> Table:
    """One row a configuration; see the caption for what its cells are."""
    builder = Builder(COLUMNS, TEXT)
    for protocol, task in data.protocol_tasks():
        groups = data.groups(protocol, task)
        for group in groups:
            _add(builder, data, group, groups[0])
    return builder.table("replication", f"{data.study.title}: losses", _caption(data.reported))


def _caption(reported: Reported) -> str:
    text = (
        "Cross entropy on the validation split, nats a character, without dropout: mean ± sample "
        "standard deviation over the n seeds that finished; one seed shows no deviation. Last: at the "
        "last iteration, which is what the paper quotes, with Student's t interval of the mean. Best: "
        "lowest of the run's evaluations. Pairs: attention/MLP pairs, of which a skip-4 block holds two. "
    )
    if not reported.values:
        return text + "No figures of the authors were given, so theirs and the difference are dashes."
    return text + (
        "The authors' figures are single runs of one seed, scored on random batches; where they recorded "
        f"no such run there is a dash. Source: {'; '.join(reported.sources)}."
    )


def contrast_of(data: StudyResults, group: Group, first: Group) -> Contrast:
    """The authors' difference of a configuration from the protocol's first, beside our paired differences."""
    sides, metric = (first, group), "val_loss_last"
    ours = [{record.spec.seed: record.value(metric) for record in side.done} for side in sides]
    theirs = [data.reported.value(side.protocol, side.config, AUTHORS_CORPUS, metric) for side in sides]
    differences = paired_differences(*ours) if group.config != first.config else {}
    return contrast(compare(list(differences.values())), theirs[1] - theirs[0], AUTHORS_ERROR)


def _add(builder: Builder, data: StudyResults, group: Group, first: Group) -> None:
    study, reported = data.study, data.reported
    spec = group.spec or study_spec(study, group.protocol, group.config, group.task)
    settings = flat(spec) if spec else {}
    summaries = {name: group.summary(name) for name in METRICS}
    last = summaries["val_loss_last"]
    theirs = {
        f"authors_{metric}": reported.value(group.protocol, group.config, AUTHORS_CORPUS, metric)
        for metric in LOSSES
    }
    known = math.isfinite(theirs["authors_val_loss_last"])
    ours_comparable, why_not = _comparable(study, group)
    interval = t_interval([record.value("val_loss_last") for record in group.done])
    notes = [("Last", note) for note in _run_notes(study, group)]
    if known and (why_not or not group.records):
        notes.append(("Ours - authors'", why_not if group.records else ONLY_FIGURE))
    raw: dict[str, Any] = {
        "study": study.name,
        "protocol": group.protocol,
        "task": group.task,
        "config": group.config,
        **{key: settings.get(key) for key in SETTINGS},
        "iterations": spec.schedule.last_iteration if spec else None,
        "n": last.n,
        "n_diverged": len(group.diverged),
        "n_missing": group.missing,
    }
    for metric, summary in summaries.items():
        raw |= {f"{metric}_mean": summary.mean, f"{metric}_sd": summary.sd}
    raw |= {"val_loss_last_low": interval.low, "val_loss_last_high": interval.high}
    found = contrast_of(data, group, first)
    raw |= {"contrast_with": first.config, "contrast": found.ours, "authors_contrast": found.theirs}
    raw |= {"contrast_low": found.low, "contrast_high": found.high, "contrast_p": found.p}
    raw |= theirs | {"comparable": ours_comparable, "difference": math.nan}
    if known and ours_comparable and last.n:
        raw["difference"] = last.mean - theirs["authors_val_loss_last"]
    shown = {
        "stream": settings.get("model.residual_stream", DASH),
        "pairs": show(settings.get("model.n_layer", DASH)),
        "rate": show_drop(settings) if settings else DASH,
        **{f"skip{over}": show(settings.get(f"model.skip{over}_dropout", DASH)) for over in (1, 2, 4)},
        "shown_iterations": show(spec.schedule.last_iteration) if spec else DASH,
        "shown_n": last.n or DASH,
        "interval": f"{interval.low:.4f} to {interval.high:.4f}" if interval.n > 1 else DASH,
    }
    builder.add(data.heading(group.protocol, group.task), raw, notes, **shown, **summaries)


def _comparable(study: Study, group: Group) -> tuple[bool, str]:
    """Whether all finished runs are at the authors' size and corpus, and if not, the footnote."""
    for record in group.done:
        if study_spec(study, group.protocol, group.config, group.task) is None:
            return False, NOT_A_ROW
        changed = overrides(study, record.spec)
        if not comparable(record, changed):
            what = f"run on {group.task}" + (f" with {show_settings(changed)}" if changed else "")
            return False, f"Not at the authors' size or corpus, so no difference is taken: {what}."
    return bool(group.done), ""


def _run_notes(study: Study, group: Group) -> list[str]:
    """Footnotes on which runs the cells are made of."""
    protocol = study.protocols.get(group.protocol)
    is_row = protocol is not None and group.config in protocol.rows
    notes = [] if is_row else [NOT_A_ROW]
    tags = protocol.tags[group.config] if protocol and is_row else frozenset()
    if not group.records and not group.missing and tags:
        names = ", ".join(sorted(tags))
        notes.append(f"Not run: only a config that names the tag {names} asks for it.")
    elif not group.records:
        notes.append(NOT_RUN)
    elif group.missing:
        asked = len(group.records) + group.missing
        notes.append(f"{group.missing} of the {asked} runs asked for are missing.")
    if group.diverged:
        seeds = ", ".join(str(record.spec.seed) for record in group.diverged)
        left = "the cells average the others" if group.done else "there is nothing to average"
        notes.append(f"{len(group.diverged)} of {len(group.records)} runs diverged (seed {seeds}); {left}.")
    return notes
