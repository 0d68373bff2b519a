"""Whether one method translates the same sentences better than another: sacrebleu's paired bootstrap."""

from __future__ import annotations

import csv
import gzip
import io
from typing import Any

from redrop.analysis.collect import Results
from redrop.analysis.names import Protocols
from redrop.analysis.paired import shown_groups
from redrop.analysis.reported import NOTHING, Reported
from redrop.analysis.scoring import in_order
from redrop.analysis.sections import corpora
from redrop.analysis.summary import DASH, MINUS
from redrop.analysis.tables.table import Builder, Table
from redrop.record import RunRecord
from redrop.study import Study

PREDICTIONS = "predictions.csv.gz"
METRIC = "bleu"
PAIRS = (("rdrop", "ce"), ("lrdrop", "ce"), ("lrdrop", "rdrop"))
"""System and baseline."""
COLUMNS = ["System", "Baseline", "Seed", "n", "System's BLEU", "Baseline's BLEU", "Difference", "p"]

CAPTION = (
    "Tokenised BLEU of the main test set and sacrebleu's paired bootstrap over its n sentences, one seed of "
    "each method at a time: p is how often resampling alone gives a difference as large. It says whether the "
    "difference could come from the choice of sentences, not from the choice of seeds, which the intervals "
    "of the table of scores are about. Runs whose outputs are not at hand are left out."
)
NOTHING_HERE = "No pair of runs with their outputs is here; published runs do not hold them."


def significance(
    results: Results,
    study: Study,
    reported: Reported = NOTHING,
    protocols: Protocols | None = None,
) -> Table:
    """One row a pair of methods, task and seed."""
    del reported
    builder = Builder(COLUMNS, frozenset({"System", "Baseline"}))
    for protocol, own in corpora(results, study, protocols).items():
        for task in in_order(own):
            rows = shown_groups(results, study, protocol, [task])
            by_seed = {
                config: {record.spec.seed: record for record in groups[0].done if has_outputs(record)}
                for config, groups in rows.items()
            }
            for system, baseline in PAIRS:
                for seed, record in by_seed.get(system, {}).items():
                    other = by_seed.get(baseline, {}).get(seed)
                    if other is not None:
                        _add(builder, f"{protocol}, {task}", record, other)
    if not builder.rows:
        cells = dict.fromkeys(COLUMNS, DASH)
        builder.row("", cells, {}, [("System", NOTHING_HERE)])
    return builder.table("significance", f"{study.title}: differences on the same sentences", CAPTION)


def has_outputs(record: RunRecord) -> bool:
    """Whether the run's hypotheses are beside its record."""
    return (record.folder / PREDICTIONS).exists()


def outputs(record: RunRecord) -> tuple[list[str], list[str]]:
    """Hypotheses and references of the run's main test set, as BLEU is computed on them."""
    text = gzip.decompress((record.folder / PREDICTIONS).read_bytes()).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    main = [row for row in rows if row["split"] == rows[0]["split"]]
    return [row["hypothesis"] for row in main], [row["reference"] for row in main]


def _add(builder: Builder, section: str, system: RunRecord, baseline: RunRecord) -> None:
    from redrop.evaluation.translation import paired_bootstrap

    ours, references = outputs(system)
    theirs, _ = outputs(baseline)
    found = paired_bootstrap(theirs, ours, references, metric=METRIC)
    cells = {
        "System": system.spec.config,
        "Baseline": baseline.spec.config,
        "Seed": str(system.spec.seed),
        "n": str(found.n),
        "System's BLEU": f"{found.system:.2f}",
        "Baseline's BLEU": f"{found.baseline:.2f}",
        "Difference": f"{found.difference:+.2f}".replace("-", MINUS),
        "p": f"{found.p_value:.3f}",
    }
    raw: dict[str, Any] = {
        "protocol": system.spec.protocol,
        "task": system.spec.task,
        "system": system.spec.config,
        "baseline": baseline.spec.config,
        "seed": system.spec.seed,
        "n": found.n,
        "system_bleu": found.system,
        "baseline_bleu": found.baseline,
        "p": found.p_value,
        "signature": found.signature,
    }
    builder.row(section, cells, raw, [])
