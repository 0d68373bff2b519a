"""Is a claim supported? Each is a set of comparisons between configurations, paired by seed.

The rule, for one comparison: the 95 % t interval of the paired difference lies on one side of 0, or not.
A claim is *supported* where every comparison is, *contradicted* where at least one goes the other way, else
*not run* where a comparison has no common seed, *one seed only* where it has one, else *inconclusive*.

It is judged protocol by protocol and corpus by corpus, at the budget that was run. The claim itself has a
verdict only where the protocol that was published was run with the settings that were published; anywhere
else it is ``not run as published``, with the verdicts at other scales beside it. (Rankings are known to
depend on the budget.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from redrop.analysis import flatness
from redrop.analysis.collect import Group, Results
from redrop.analysis.reported import comparable
from redrop.analysis.scoring import SCORE, TASK_ORDER, in_order, scale
from redrop.analysis.settings import overrides
from redrop.analysis.stats import (
    Interval,
    bootstrap_interval,
    mean_of_common,
    paired_differences,
    probability_of_improvement,
    t_interval,
)
from redrop.checks import check_choice, suggest
from redrop.errors import ConfigError
from redrop.kinds import WINDOWS
from redrop.record import RunRecord
from redrop.study import Study
from redrop.yaml_files import check_schema, read_yaml

DERIVED = {"landscape_rise": flatness.rise}
"""Metric that is not recorded -> how it is worked out."""

SUPPORTED, CONTRADICTED, INCONCLUSIVE = "supported", "contradicted", "inconclusive"
ONE_SEED, NOT_RUN, NOT_AS_PUBLISHED = "one seed only", "not run", "not run as published"


@dataclass(frozen=True)
class Claim:
    """One entry of config/claims.yaml."""

    name: str
    source: str
    """``paper``, or ``objection``: what the paper's comparison lacks or mixes up."""
    place: str
    text: str
    metric: str
    pairs: dict[str, tuple[tuple[str, str], ...]]
    """Protocol -> (configuration expected to be better, configuration that it is compared with)."""
    higher: bool = False
    """Whether better is higher."""
    published: tuple[str, ...] = ()
    """Protocols in which the claim was made; none where the paper's settings are not known."""
    each_task: bool = False
    """Whether it is made of every task, and not of their mean."""
    part: str = ""
    """The part of the study that runs its configurations, as a config calls it, or the study itself."""


@dataclass(frozen=True)
class Comparison:
    """Two configurations, paired by seed."""

    config: str
    than: str
    differences: dict[int, float]
    """Seed -> how much better ``config`` is than ``than`` (scores: points), positive where it holds."""
    interval: Interval
    bootstrap: Interval
    improvement: float
    """Probability that a run of ``config`` is better than one of ``than``."""

    @property
    def verdict(self) -> str:
        """By the rule of this module."""
        return verdict(self.interval)


@dataclass(frozen=True)
class Judgement:
    """A claim in one protocol, on one corpus, at one budget."""

    claim: Claim
    protocol: str
    task: str
    budget: str
    model: str
    as_published: bool
    """Whether the runs have the settings, and the corpus or all of the tasks, that were published."""
    comparisons: tuple[Comparison, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """Of all comparisons together."""
        return combine(comparison.verdict for comparison in self.comparisons)

    def __str__(self) -> str:
        """The verdict with the scale at which it holds."""
        counts = [comparison.interval.n for comparison in self.comparisons]
        run = [n for n in counts if n]
        some = f", {len(run)} of {len(counts)} comparisons run" if 0 < len(run) < len(counts) else ""
        n = min(run, default=0)
        return f"{self.verdict} ({self.protocol}, {self.task}, {self.budget}, n = {n}{some})"


def verdict(interval: Interval) -> str:
    """Of one comparison, from the interval of its paired difference."""
    if interval.n < 2:
        return ONE_SEED if interval.n else NOT_RUN
    if interval.low > 0.0:
        return SUPPORTED
    return CONTRADICTED if interval.high < 0.0 else INCONCLUSIVE


def combine(verdicts: Iterable[str]) -> str:
    """Of several comparisons that must all hold."""
    found = list(verdicts)
    for decisive in (CONTRADICTED, NOT_RUN, ONE_SEED, INCONCLUSIVE):
        if decisive in found:
            return decisive
    return SUPPORTED if found else NOT_RUN


def compare(first: Sequence[Group], second: Sequence[Group], metric: str, higher: bool) -> Comparison:
    """Compare two configurations, on one task or on the mean of several; ``first`` is expected to be better.

    Runs of different budgets are not compared.
    """
    a, b = (mean_values(groups, metric) for groups in (first, second))
    done = [record for group in (*first, *second) for record in group.done]
    unit = scale(done[0]) if metric == SCORE and done else 1.0
    if a and b and list(map(budget, first)) != list(map(budget, second)):
        a = {}
    lower, upper = (b, a) if higher else (a, b)
    differences = paired_differences(lower, upper)
    values = list(differences.values())
    return Comparison(
        first[0].config,
        second[0].config,
        {seed: unit * value for seed, value in differences.items()},
        t_interval(values).times(unit),
        bootstrap_interval(values).times(unit),
        probability_of_improvement(*([side[seed] for seed in differences] for side in (lower, upper))),
    )


def mean_values(groups: Sequence[Group], metric: str) -> dict[int, float]:
    """Seed -> the metric's mean over the tasks, for the seeds that have every one of them."""
    values = [{record.spec.seed: value_of(record, metric) for record in group.done} for group in groups]
    return mean_of_common([{s: value for s, value in own.items() if math.isfinite(value)} for own in values])


def value_of(record: RunRecord, metric: str) -> float:
    """A metric of the run, or what is worked out from its other files; NaN where it has none."""
    return DERIVED[metric](record) if metric in DERIVED else record.value(metric)


def budget(group: Group) -> str:
    """How long its runs are, as text."""
    schedule = group.spec.schedule
    epochs = getattr(schedule, "epochs", None)
    if epochs is not None:
        return f"{epochs:g} epochs"
    updates = getattr(schedule, "updates", None)
    return f"{schedule.last_iteration:,} iterations" if updates is None else f"{updates:,} updates"


def model_size(record: RunRecord) -> str:
    """The model, as text."""
    return record.spec.kind.size(record.spec.model)


def judge(results: Results, study: Study, claim: Claim) -> list[Judgement]:
    """The claim in every protocol that it names: on every corpus or task, or on the mean over the tasks."""
    found = []
    for protocol in claim.pairs:
        own = list(_judge_in(results, study, claim, protocol))
        if study.reads == "glue":  # the benchmark is all of its tasks, judged together or one by one
            tasks = {task for one in own if one.as_published for task in one.task.split(", ")}
            whole = tasks == set(TASK_ORDER)
            own = [replace(one, as_published=one.as_published and whole) for one in own]
        found += own
    return found


def _judge_in(results: Results, study: Study, claim: Claim, protocol: str) -> Iterator[Judgement]:
    pairs, tasks = claim.pairs[protocol], in_order(results.protocols(study.name).get(protocol, []))
    for together in _judged_together(results, study, claim, protocol, tasks):
        groups = {
            config: [results.group(study.name, protocol, config, task) for task in together]
            for pair in pairs
            for config in pair
        }
        done = [record for each in groups.values() for group in each for record in group.done]
        if not done:
            continue
        fair = all(as_published(record, overrides(study, record.spec)) for record in done)
        budgets = sorted({budget(group) for each in groups.values() for group in each if group.done})
        yield Judgement(
            claim,
            protocol,
            ", ".join(together),
            " / ".join(budgets),
            " / ".join(sorted({model_size(record) for record in done})),
            fair and protocol in claim.published,
            tuple(compare(groups[a], groups[b], claim.metric, claim.higher) for a, b in pairs),
        )


def _judged_together(
    results: Results, study: Study, claim: Claim, protocol: str, tasks: list[str]
) -> list[list[str]]:
    """Corpora are judged one by one; tasks by their mean, over those that every configuration was run on."""
    if study.reads == "corpus" or not tasks or claim.each_task:
        return [[task] for task in tasks]
    configs = {config for pair in claim.pairs[protocol] for config in pair}
    complete = [
        task
        for task in tasks
        if all(results.group(study.name, protocol, config, task).done for config in configs)
    ]
    return [complete or tasks]


def as_published(record: RunRecord, changed: dict[str, object]) -> bool:
    """Whether a run has the settings, and the corpus or task, that were published."""
    if record.spec.kind.reads == WINDOWS:
        return comparable(record, changed)
    return not changed and getattr(record.spec.data, "evaluate_on", "dev") == "dev"


def published_verdict(judgements: Sequence[Judgement]) -> str:
    """What can be said of the claim as it was published; where each task must hold, no task is left open."""
    found = [judgement for judgement in judgements if judgement.as_published]
    if found and found[0].claim.each_task:
        verdict = combine(judgement.verdict for judgement in found)
        return NOT_AS_PUBLISHED if verdict in (NOT_RUN, ONE_SEED) else verdict
    decided = [one.verdict for one in found if one.verdict not in (NOT_RUN, ONE_SEED)]
    return combine(decided) if decided else NOT_AS_PUBLISHED


def read_claims(path: Path, study: Study, root: Path) -> list[Claim]:
    """Read and check config/claims.yaml; raises ``ConfigError`` naming claim, key and what is allowed."""
    raw = read_yaml(path)
    check_schema(raw, "claims", root, str(path))
    claims: dict[str, Claim] = {}
    for entry in raw["claims"].get(study.name, []):
        name = entry["name"]
        if name in claims:
            raise ConfigError(f"{path}: claim {name!r} is given twice")
        part = study.name
        if "part" in entry:
            check_choice(f"{path}: claim {name}: part", entry["part"], study.parts)
            part = f"{study.name}_{entry['part']}"
        pairs = {}
        for protocol, comparisons in (entry.get("lower") or entry["higher"]).items():
            rows = study.protocol(protocol).rows
            listed = comparisons if isinstance(comparisons, list) else [comparisons]
            pairs[protocol] = tuple((one["config"], than) for one in listed for than in one["than"])
            for config in (config for pair in pairs[protocol] for config in pair):
                if config not in rows:
                    raise ConfigError(
                        f"{path}: claim {name}: protocol {protocol} has no configuration {config!r}"
                        + suggest(config, rows)
                    )
        claims[name] = Claim(
            name,
            entry["source"],
            entry["place"],
            entry["text"],
            entry.get("metric", "val_loss_last"),
            pairs,
            "higher" in entry,
            tuple(study.protocol(name).name for name in entry.get("published", list(pairs)[:1])),
            entry.get("each_task", False),
            part,
        )
    return list(claims.values())


def project_claims(study: Study) -> list[Claim]:
    """The claims of the project's config/claims.yaml, of all parts; none where there is no such file."""
    path = study.root / "config" / "claims.yaml"
    return read_claims(path, study, study.root) if path.exists() else []


def own_claims(study: Study) -> list[Claim]:
    """Those that a study's tables and figures judge, or a part's: the ones whose runs it has."""
    return [claim for claim in project_claims(study) if claim.part == (study.part or study.name)]


def raw_row(judgement: Judgement, comparison: Comparison, overall: str) -> dict[str, Any]:
    """A comparison for the csv file: every number, and the values behind them."""
    claim = judgement.claim
    differences = comparison.differences
    return {
        "claim": claim.name,
        "source": claim.source,
        "place": claim.place,
        "text": claim.text,
        "metric": claim.metric,
        "verdict_as_published": overall,
        "protocol": judgement.protocol,
        "task": judgement.task,
        "budget": judgement.budget,
        "model": judgement.model,
        "as_published": judgement.as_published,
        "verdict_at_this_scale": judgement.verdict,
        "config": comparison.config,
        "than": comparison.than,
        "n": comparison.interval.n,
        "difference": comparison.interval.mean,
        "low": comparison.interval.low,
        "high": comparison.interval.high,
        "bootstrap_low": comparison.bootstrap.low,
        "bootstrap_high": comparison.bootstrap.high,
        "probability_of_improvement": comparison.improvement,
        "verdict": comparison.verdict,
        "seeds": " ".join(map(str, differences)),
        "differences": " ".join(f"{value:.6f}" for value in differences.values()),
    }
