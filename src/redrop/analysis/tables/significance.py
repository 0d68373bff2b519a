"""Whether one method translates the same sentences better than another: sacrebleu's paired bootstrap."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
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
    for protocol, own in data.tasks().items():
        for task in in_order(own):
            for system, baseline in pairs(data, protocol, task):
                found = compare(system, baseline)
                if found is None:
                    continue
                raw = {
                    "protocol": protocol,
                    "task": task,
                    "system": system.spec.config,
                    "baseline": baseline.spec.config,
                    "seed": system.spec.seed,
                    "n": found["n"],
                    "system_bleu": found["system"],
                    "baseline_bleu": found["baseline"],
                    "difference": found["system"] - found["baseline"],
                    "p": found["p_value"],
                    "signature": found["signature"],
                }
                builder.add(f"{protocol}, {task}", raw)
    if not builder.rows:
        cells = dict.fromkeys(COLUMNS, DASH)
        builder.row("", cells, {}, [("System", NOTHING_HERE)])
    return builder.table("significance", f"{data.study.title}: differences on the same sentences", CAPTION)


def pairs(data: StudyResults, protocol: str, task: str) -> Iterator[tuple[RunRecord, RunRecord]]:
    """System and baseline of the same seed, for every pair of methods."""
    rows = data.shown_groups(protocol, [task])
    by_seed = {
        config: {record.spec.seed: record for record in groups[0].done} for config, groups in rows.items()
    }
    for system, baseline in PAIRS:
        for seed, record in by_seed.get(system, {}).items():
            if seed in by_seed.get(baseline, {}):
                yield record, by_seed[baseline][seed]


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
    data = StudyResults(results, study)
    for protocol, tasks in results.protocols(study.name).items():
        for task in tasks:
            for system, baseline in pairs(data, protocol, task):
                folder, found = runs / system.run, compare(system, baseline)
                if found is not None and folder.is_dir():
                    known = read_json(folder / STORED) if (folder / STORED).exists() else {}
                    write_json(folder / STORED, known | {baseline.run: found})


def outputs(record: RunRecord) -> tuple[list[str], list[str]]:
    """Hypotheses and references of the run's main test set, as BLEU is computed on them."""
    text = gzip.decompress((record.folder / PREDICTIONS).read_bytes()).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    main = [row for row in rows if row["split"] == rows[0]["split"]]
    return [row["hypothesis"] for row in main], [row["reference"] for row in main]
