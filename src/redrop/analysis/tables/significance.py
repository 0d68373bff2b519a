"""Whether one method translates the same sentences better than another: sacrebleu's paired bootstrap."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from redrop.analysis.collect import Results
from redrop.analysis.scoring import in_order
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH
from redrop.analysis.table import Builder, Table
from redrop.record import RunRecord, read_json, write_json
from redrop.study import Study

PREDICTIONS = "predictions.csv.gz"
STORED = "bootstrap.json"
"""Beside a published run: the comparisons that its outputs, which are not published, were needed for."""
METRIC = "bleu"
ORDER = 40
FITS = ("translation",)
PAIRS = (("rdrop", "ce"), ("lrdrop", "ce"), ("lrdrop", "rdrop"))
"""System and baseline."""
COLUMNS = {
    "System": "{system}",
    "Baseline": "{baseline}",
    "Seed": "{seed}",
    "n": "{n}",
    "System's BLEU": "{system_bleu:.2f}",
    "Baseline's BLEU": "{baseline_bleu:.2f}",
    "Difference": "{difference:+.2f}",
    "p": "{p:.3f}",
}

CAPTION = (
    "Tokenised BLEU of the main test set and sacrebleu's paired bootstrap over its n sentences, one seed of "
    "each method at a time: p is how often resampling alone gives a difference as large. It says whether the "
    "difference could come from the choice of sentences, not from the choice of seeds, which the intervals "
    "of the table of scores are about. Runs whose outputs are not at hand are left out."
)
NOTHING_HERE = "No pair of runs with their outputs is here."


def build(data: StudyResults) -> Table:
    """One row a pair of methods, task and seed."""
    builder = Builder(COLUMNS, frozenset({"System", "Baseline"}))
    for system, baseline in pairs(data):
        found = compare(system, baseline)
        if found is None:
            continue
        spec = system.spec
        raw = {
            "protocol": spec.protocol,
            "task": spec.task,
            "system": spec.config,
            "baseline": baseline.spec.config,
            "seed": spec.seed,
            "n": found["n"],
            "system_bleu": found["system"],
            "baseline_bleu": found["baseline"],
            "difference": found["system"] - found["baseline"],
            "p": found["p_value"],
            "signature": found["signature"],
        }
        builder.add(f"{spec.protocol}, {spec.task}", raw)
    if not builder.rows:
        cells = dict.fromkeys(COLUMNS, DASH)
        builder.row("", cells, {}, [("System", NOTHING_HERE)])
    return builder.table("significance", f"{data.study.title}: differences on the same sentences", CAPTION)


def pairs(data: StudyResults) -> Iterator[tuple[RunRecord, RunRecord]]:
    """System and baseline of the same seed, for every protocol, task and pair of methods."""
    for protocol, tasks in data.tasks().items():
        for task in in_order(tasks):
            rows = data.shown_groups(protocol, [task])
            done = {config: {one.spec.seed: one for one in own[0].done} for config, own in rows.items()}
            for system, baseline in PAIRS:
                for seed, record in done.get(system, {}).items():
                    if seed in done.get(baseline, {}):
                        yield record, done[baseline][seed]


def compare(system: RunRecord, baseline: RunRecord) -> dict[str, Any] | None:
    """The paired bootstrap of two runs: from their outputs, else as it was stored; None without either."""
    if all((record.folder / PREDICTIONS).exists() for record in (system, baseline)):
        from redrop.evaluation.translation import paired_bootstrap

        ours, references = outputs(system)
        theirs, _ = outputs(baseline)
        return dataclasses.asdict(paired_bootstrap(theirs, ours, references, metric=METRIC))
    stored = system.folder / STORED
    return read_json(stored).get(baseline.run) if stored.exists() else None


def store(results: Results, study: Study, runs: Path) -> None:
    """Keep what the outputs of ``results`` say beside the copies of the runs in ``runs``, which lack them."""
    for system, baseline in pairs(StudyResults(results, study)):
        folder, found = runs / system.run, compare(system, baseline)
        if found is not None and folder.is_dir():
            known = read_json(folder / STORED) if (folder / STORED).exists() else {}
            write_json(folder / STORED, known | {baseline.run: found})


def outputs(record: RunRecord) -> tuple[list[str], list[str]]:
    """Hypotheses and references of the run's main test set, as BLEU is computed on them."""
    import pandas as pd

    rows = pd.read_csv(record.folder / PREDICTIONS, dtype=str, keep_default_na=False)
    main = rows[rows["split"] == rows["split"].iloc[0]]
    return main["hypothesis"].tolist(), main["reference"].tolist()
