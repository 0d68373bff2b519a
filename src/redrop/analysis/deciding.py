"""The runs that would decide a claim: more seeds of its comparisons that are undecided."""

from __future__ import annotations

import dataclasses

from redrop.analysis.claims import Claim, counting, judge
from redrop.analysis.collect import Results
from redrop.analysis.decision.comparison import UNDECIDED
from redrop.analysis.decision.power import seeds_to_decide
from redrop.spec import RunSpec
from redrop.study import Study


def deciding_runs(results: Results, study: Study, claim: Claim) -> dict[str, RunSpec]:
    """Run id -> spec, settings as in the runs that are there; empty where nothing that was run is undecided.

    Comparisons without a common seed, or whose metric has no smallest difference that matters, ask for none.
    """
    found: dict[str, RunSpec] = {}
    for judgement in counting(judge(results, study, claim)):
        for one in judgement.run:
            needed = seeds_to_decide(one.result.matters, one.result.spread.sd) or 0
            if one.verdict != UNDECIDED:
                continue
            first = max(one.differences) + 1
            more = range(first, first + max(needed - one.result.n, 0))
            for config in (one.config, one.than):
                for task in judgement.task.split(", "):
                    group = results.group(study.name, judgement.protocol, config, task)
                    there = {record.spec.seed for record in group.records}
                    specs = [dataclasses.replace(group.spec, seed=seed) for seed in more if seed not in there]
                    found |= {spec.run: spec for spec in specs}
    return found
