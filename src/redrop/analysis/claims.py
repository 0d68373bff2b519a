"""Is a claim supported? Each is a set of comparisons between configurations, paired by seed.

It is judged protocol by protocol and corpus by corpus, at the budget that was run, and over all of these, by
the rule of docs/how-verdicts-are-made.md. The claim as published has a verdict only where the protocol that
was published was run with the settings that were published; anywhere else it is ``not run as published``,
with the verdict at other scales beside it. (Rankings are known to depend on the budget.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from redrop.analysis.collect import Results
from redrop.analysis.compared import ComparedPair, Measure, budget, model_size
from redrop.analysis.decision.claim import Across, ClaimVerdict, Part
from redrop.analysis.decision.claim import judge as decide
from redrop.analysis.decision.comparison import NOT_RUN, UNDECIDED, Comparison
from redrop.analysis.decision.power import detectable_by, seeds_to_decide
from redrop.analysis.reported import comparable
from redrop.analysis.scoring import TASK_ORDER, in_order
from redrop.analysis.settings import overrides
from redrop.checks import check_choice, suggest
from redrop.errors import ConfigError
from redrop.kinds import WINDOWS
from redrop.record import RunRecord
from redrop.study import Study
from redrop.yaml_files import check_schema, read_yaml

NOT_AS_PUBLISHED = "not run as published"


@dataclass(frozen=True)
class Claim:
    """One entry of config/claims.yaml."""

    name: str
    source: str
    """``paper``, or ``objection``: what the paper's comparison lacks or mixes up."""
    place: str
    text: str
    metric: str
    pairs: dict[str, tuple[tuple[str, ...], ...]]
    """Protocol -> (configuration expected to be better, the one that it is compared with); third, a name of
    the comparison, needed where protocols name configurations otherwise."""
    higher: bool = False
    """Whether better is higher."""
    published: tuple[str, ...] = ()
    """Protocols in which the claim was made; none where the paper's settings are not known."""
    each_task: bool = False
    """Whether it is made of every task, and not of their mean."""
    part: str = ""
    """The part of the study that runs its configurations, as a config calls it, or the study itself."""
    matters: float = 0.0
    """Smallest difference that matters; 0: none was fixed."""
    equal_passes: bool = False
    """Whether runs are compared that sent as many batches through the model, instead of equally long ones."""


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
    comparisons: tuple[ComparedPair, ...] = ()

    @property
    def run(self) -> list[ComparedPair]:
        """The comparisons that have a common seed."""
        return [one for one in self.comparisons if one.result.n]

    @property
    def parts(self) -> list[Part]:
        """The comparisons as the rule takes them; what is said of each task is a question of its own."""
        question, place = "", f"{self.protocol}, {self.budget}"
        if self.claim.each_task:
            question = f", {self.task}"
        else:
            place += f", {self.task}"
        return [Part(one.question + question, place, one.result) for one in self.comparisons]

    @cached_property
    def found(self) -> ClaimVerdict:
        """Of this place alone, with the reasons."""
        return decide(self.parts)

    @property
    def verdict(self) -> str:
        """Of all comparisons together."""
        return self.found.verdict

    def __str__(self) -> str:
        """The verdict with the scale at which it holds."""
        return f"{self.verdict} ({self.protocol}, {self.task}, {self.budget}, {self.found.evidence})"


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
    measure = Measure(claim.metric, claim.higher, claim.matters, claim.equal_passes)
    for together in _judged_together(results, study, claim, protocol, tasks):
        named = dict.fromkeys(config for pair in pairs for config in pair[:2])
        others = (config for task in together for config in results.configs(study.name, protocol, task))
        place = {
            config: [results.group(study.name, protocol, config, task) for task in together]
            for config in dict.fromkeys([*named, *others])
        }
        groups = {config: place[config] for config in named}
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
            tuple(
                measure.compare(results, place, a, b, name[0] if name else f"{a} over {b}")
                for a, b, *name in pairs
            ),
        )


def _judged_together(
    results: Results, study: Study, claim: Claim, protocol: str, tasks: list[str]
) -> list[list[str]]:
    """Corpora are judged one by one; tasks by their mean, over those that every configuration was run on."""
    if study.reads == "corpus" or not tasks or claim.each_task:
        return [[task] for task in tasks]
    configs = {config for pair in claim.pairs[protocol] for config in pair[:2]}
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


def counting(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Those that a verdict over all of them rests on: where there are runs.

    A place with too few seeds to decide anything counts only if all are so, or if the claim is made of each
    task.
    """
    run = [one for one in judgements if one.run]
    enough = [one for one in run if any(part.comparison.enough for part in one.parts)]
    return run if not enough or run[0].claim.each_task else enough


def verdict_here(judgements: Sequence[Judgement]) -> ClaimVerdict:
    """Of all scales that were run together."""
    return decide([part for one in counting(judgements) or judgements for part in one.parts])


def published_verdict(judgements: Sequence[Judgement]) -> str:
    """What can be said of the claim as it was published."""
    found = decide([part for one in judgements if one.as_published for part in one.parts])
    return NOT_AS_PUBLISHED if found.verdict == NOT_RUN else found.verdict


def unclear(found: ClaimVerdict) -> Comparison | None:
    """What keeps a claim undecided, of that which was run: with the widest spread, or too few seeds."""
    if found.verdict != UNDECIDED:
        return None
    open_ = [each.pooled for each in found.across if each.pooled.verdict == UNDECIDED]
    few = [part.comparison for part in found.parts if part.comparison.n and not part.comparison.enough]
    return max(open_ or few, key=lambda one: one.spread.sd, default=None)


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
            pairs[protocol] = tuple(pair for one in listed for pair in _pairs(one))
            for config in (config for pair in pairs[protocol] for config in pair[:2]):
                if config not in rows:
                    raise ConfigError(
                        f"{path}: claim {name}: protocol {protocol} has no configuration {config!r}"
                        + suggest(config, rows)
                    )
        metric = entry.get("metric", "val_loss_last")
        claims[name] = Claim(
            name,
            entry["source"],
            entry["place"],
            entry["text"],
            metric,
            pairs,
            "higher" in entry,
            tuple(study.protocol(name).name for name in entry.get("published", list(pairs)[:1])),
            entry.get("each_task", False),
            part,
            raw.get("matters", {}).get(metric, 0.0),
            entry.get("equal_passes", False),
        )
    return list(claims.values())


def _pairs(entry: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """What a configuration is compared with: a list, or names of the comparisons."""
    than = entry["than"]
    for name in than:
        yield (entry["config"], than[name], name) if isinstance(than, dict) else (entry["config"], name)


def project_claims(study: Study) -> list[Claim]:
    """The claims of the project's config/claims.yaml, of all parts; none where there is no such file."""
    path = study.root / "config" / "claims.yaml"
    return read_claims(path, study, study.root) if path.exists() else []


def own_claims(study: Study) -> list[Claim]:
    """Those that a study's tables and figures judge, or a part's: the ones whose runs it has."""
    return [claim for claim in project_claims(study) if claim.part == (study.part or study.name)]


def raw_row(
    judgement: Judgement, number: int, as_published: str, here: ClaimVerdict, across: Across | None
) -> dict[str, Any]:
    """A comparison for the csv file: every number, and the values behind them.

    ``number``: which of the judgement's; ``across``: the same question over all places.
    """
    claim, comparison = judgement.claim, judgement.comparisons[number]
    found, part = comparison.result, judgement.found.parts[number]
    (low, high), (low90, high90) = found.interval(), found.interval(0.9)
    improvement, pooled = found.improvement, across.pooled if across else None
    ends = pooled.interval() if pooled else (math.nan, math.nan)
    return {
        "claim": claim.name,
        "source": claim.source,
        "place": claim.place,
        "text": claim.text,
        "metric": claim.metric,
        "matters": claim.matters,
        "verdict_as_published": as_published,
        "verdict_here": here.verdict,
        "evidence_here": here.evidence,
        "protocol": judgement.protocol,
        "task": judgement.task,
        "budget": judgement.budget,
        "model": judgement.model,
        "as_published": judgement.as_published,
        "verdict_at_this_scale": judgement.verdict,
        "evidence_at_this_scale": judgement.found.evidence,
        "config": comparison.config,
        "than": comparison.than,
        "question": comparison.question,
        "n": found.n,
        "difference": found.mean,
        "low": low,
        "high": high,
        "low90": low90,
        "high90": high90,
        "median": found.median,
        "sd": found.spread.sd,
        "df": found.spread.df,
        "pooled": found.pooled,
        "p": found.p,
        "p_holm": part.p_holm,
        "p_equivalent": found.p_equivalent if found.matters else math.nan,
        "p_sign_flip": math.nan if found.p_sign_flip is None else found.p_sign_flip,
        "improvement": improvement.share,
        "improvement_low": improvement.low,
        "improvement_high": improvement.high,
        "verdict": comparison.verdict,
        "detectable": detectable_by(found) if found.n else math.nan,
        "seeds_to_decide": seeds_to_decide(found.matters, found.spread.sd),
        "stuck": " ".join(found.stuck),
        "places": across.places if across else 0,
        "difference_here": pooled.mean if pooled else math.nan,
        "low_here": ends[0],
        "high_here": ends[1],
        "p_places": across.p if across else math.nan,
        "seeds": " ".join(map(str, comparison.differences)),
        "differences": " ".join(f"{value:.6f}" for value in comparison.differences.values()),
    }
