"""Verdicts from invented runs of known effect; a claim as published is judged at the published size only."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis_support import decay, results_of, write_run
from redrop.analysis.claims import (
    Claim,
    judge,
    project_claims,
    published_verdict,
    read_claims,
)
from redrop.analysis.deciding import deciding_runs
from redrop.analysis.decision.power import seeds_to_decide
from redrop.analysis.decision.spread import pooled_spread
from redrop.analysis.study_results import StudyResults
from redrop.analysis.tables import claims
from redrop.errors import ConfigError
from redrop.study import Study, make_spec

CLAIM = Claim(
    "low-is-best",
    "paper",
    "somewhere",
    "0.025 is better than 0.05",
    "val_loss_last",
    {"authors": (("a2r025", "a2r05"),), "notebook": (("res1-0", "res1-0.025"),)},
    published=("authors",),
)


def runs(
    folder: Path, study: Study, losses: dict[str, list[float]], protocol: str = "authors", **settings: Any
) -> None:
    """One run a loss, seeds from 0."""
    override = {key.replace("__", "."): value for key, value in settings.items()}
    for config, values in losses.items():
        for seed, loss in enumerate(values):
            spec = make_spec(study, protocol, config, "tiny_shakespeare", seed, override)
            write_run(folder, spec, decay(loss))


@pytest.mark.parametrize(
    ("better", "worse", "expected"),
    [
        ([1.50, 1.51, 1.49], [1.60, 1.62, 1.58], "supported"),
        ([1.60, 1.62, 1.58], [1.50, 1.51, 1.49], "contradicted"),
        ([1.50, 1.60, 1.55], [1.55, 1.50, 1.60], "undecided"),
        ([1.50], [1.60, 1.61], "undecided"),
        ([1.50, 1.51], [1.60, 1.61], "undecided"),
        ([1.50, 1.51], [], "not run as published"),
    ],
)
def test_the_verdict_follows_the_interval(
    better: list[float], worse: list[float], expected: str, residual: Study, tmp_path: Path
) -> None:
    runs(tmp_path, residual, {"a2r025": better, "a2r05": worse})
    judgements = list(judge(results_of(tmp_path), residual, CLAIM))
    assert published_verdict(judgements) == expected
    (judgement,) = judgements
    assert judgement.as_published
    assert judgement.comparisons[0].result.n == min(len(better), len(worse))


def test_a_shorter_run_judges_its_own_scale_only(residual: Study, tmp_path: Path) -> None:
    losses = {"a2r025": [1.50, 1.51, 1.49], "a2r05": [1.60, 1.62, 1.58]}
    runs(tmp_path, residual, losses, schedule__iterations=3000)
    (judgement,) = judge(results_of(tmp_path), residual, CLAIM)
    assert (judgement.verdict, judgement.as_published) == ("supported", False)
    assert judgement.budget == "3,000 iterations"
    assert published_verdict([judgement]) == "not run as published"


def test_runs_of_different_budgets_are_not_compared(residual: Study, tmp_path: Path) -> None:
    runs(tmp_path, residual, {"a2r025": [1.50, 1.51, 1.49]}, schedule__iterations=3000)
    runs(tmp_path, residual, {"a2r05": [1.60, 1.62, 1.58]})
    (judgement,) = judge(results_of(tmp_path), residual, CLAIM)
    assert judgement.verdict == "not run"
    assert judgement.budget == "3,000 iterations / 50,000 iterations"


def test_another_protocol_is_not_what_was_published(residual: Study, tmp_path: Path) -> None:
    losses = {"res1-0": [1.90, 1.91, 1.89], "res1-0.025": [1.94, 1.95, 1.93]}
    runs(tmp_path, residual, losses, protocol="notebook")
    (judgement,) = judge(results_of(tmp_path), residual, CLAIM)
    assert judgement.verdict == "supported"
    assert published_verdict([judgement]) == "not run as published"


def test_the_table_shows_every_comparison_and_the_raw_values(residual: Study, tmp_path: Path) -> None:
    losses = {"res1-0": [1.90, 1.91], "res1-0.025": [1.94, 1.96], "res1-0.2": [2.1, 2.2]}
    runs(tmp_path, residual, losses, protocol="notebook")
    table = claims.build(StudyResults(results_of(tmp_path), residual))
    raw = table.raw.set_index(["claim", "config", "than"])
    found = raw.loc[("skip1-control", "res1-0", "res1-0.025")]
    assert found["differences"] == "0.040000 0.050000"
    assert found["seeds"] == "0 1"
    assert found["difference"] == pytest.approx(0.045)
    half = 12.7062 * 0.005  # t(0.975, 1) times the standard error of 0.04 and 0.05
    assert found["low"] == pytest.approx(0.045 - half, abs=1e-5)
    assert found["verdict_as_published"] == "not run as published"
    assert set(table.raw["claim"]) == {claim.name for claim in project_claims(residual)}


def test_the_projects_claims_are_enough_and_whole(residual: Study) -> None:
    found = project_claims(residual)
    assert sum(claim.source == "paper" for claim in found) >= 10
    assert sum(claim.source == "objection" for claim in found) >= 5


def test_a_claim_given_twice_is_refused(residual: Study, project: Path, tmp_path: Path) -> None:
    entry = {"name": "one", "source": "paper", "place": "p", "text": "t"}
    entry |= {"lower": {"authors": {"config": "a2r025", "than": ["a2r05"]}}}
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": {"residual": [entry, entry | {"text": "other"}]}}))
    with pytest.raises(ConfigError, match="'one' is given twice"):
        read_claims(path, residual, project)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Bad Name"}, "name"),
        ({"metric": "bleu"}, "bleu"),
        ({"lower": {"authors": {"config": "a2r0025", "than": ["a2r05"]}}}, "did you mean 'a2r025'"),
        ({"lower": {"author": {"config": "a2r025", "than": ["a2r05"]}}}, "did you mean 'authors'"),
        ({"lower": {"authors": {"config": "a2r025"}}}, "lower"),
        ({"part": "ablation"}, "part: 'ablation' is not one of"),
    ],
)
def test_a_mistake_is_named(
    change: dict[str, Any], message: str, residual: Study, project: Path, tmp_path: Path
) -> None:
    entry = {"name": "one", "source": "paper", "place": "p", "text": "t"}
    entry |= {"lower": {"authors": {"config": "a2r025", "than": ["a2r05"]}}} | change
    path = tmp_path / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": {"residual": [entry]}}))
    with pytest.raises(ConfigError, match=message):
        read_claims(path, residual, project)


def test_few_seeds_are_judged_by_the_spread_of_all_configurations(residual: Study, tmp_path: Path) -> None:
    """One that is far noisier than the others is left out."""
    losses = {"res1-0": [1.90, 1.91, 1.90], "res1-0.025": [2.00, 1.99, 2.00], "res1-0.2": [2.1, 2.9, 2.5]}
    runs(tmp_path, residual, losses, protocol="notebook")
    claim = dataclasses.replace(CLAIM, matters=0.01)
    (judgement,) = judge(results_of(tmp_path), residual, claim)
    (one,) = judgement.comparisons
    assert one.result.n == 3
    rest = pooled_spread({name: dict(enumerate(losses[name])) for name in ("res1-0", "res1-0.025")})
    assert (one.result.spread.sd, one.result.spread.df) == (pytest.approx(rest.sd), rest.df)


def test_a_stuck_run_is_named_and_the_median_stands_beside(residual: Study, tmp_path: Path) -> None:
    runs(tmp_path, residual, {"res1-0": [1.9, 1.9, 1.9], "res1-0.025": [2.0, 2.0]}, protocol="notebook")
    spec = make_spec(residual, "notebook", "res1-0.025", "tiny_shakespeare", 2, {})
    write_run(tmp_path, spec, [4.2, 3.3, 3.3, 3.3])
    (judgement,) = judge(results_of(tmp_path), residual, CLAIM)
    (one,) = judgement.comparisons
    assert [name.partition("-s2-")[0] for name in one.result.stuck] == [
        "notebook-res1-0.025-tiny_shakespeare"
    ]
    table = claims.build(StudyResults(results_of(tmp_path), residual))
    assert any(
        "Stuck for long: notebook-res1-0.025" in note and "+0.1000" in note for note in table.footnotes
    )


def test_comparisons_that_were_not_run_are_one_line_and_stay_in_the_csv(
    residual: Study, tmp_path: Path
) -> None:
    losses = {"res2-0.99": [1.90, 1.91, 1.89], "res2-0": [1.94, 1.95, 1.93]}
    runs(tmp_path, residual, losses, protocol="notebook")
    table = claims.build(StudyResults(results_of(tmp_path), residual))
    rows = {heading.partition(" ")[0]: [row[0].text for row in own] for heading, own in table.by_section()}
    assert rows["skip2-0.99-best"] == ["notebook, tiny_shakespeare", "2 more comparisons"]
    raw = table.raw[table.raw["claim"] == "skip2-0.99-best"]
    assert sorted(raw["n"].tolist()) == [0, 0, 3]


def test_the_same_question_in_two_protocols_is_one(residual: Study) -> None:
    (claim,) = (claim for claim in project_claims(residual) if claim.name == "skip1-control")
    assert {pair[2] for pairs in claim.pairs.values() for pair in pairs} == {"skip-1, 0 and 0.025"}
    assert claim.matters == 0.01


def test_the_seeds_that_would_decide_are_new_ones_of_both_configurations(
    residual: Study, tmp_path: Path
) -> None:
    """Three of five seeds are common; the last of one side need not run again, whatever its number."""
    losses = {"res1-0": [1.90, 1.93, 1.88, 1.9], "res1-0.025": [1.91, 1.89, 1.90]}
    runs(tmp_path, residual, losses, protocol="notebook")
    claim, results = dataclasses.replace(CLAIM, matters=0.02), results_of(tmp_path)
    (judgement,) = judge(results, residual, claim)
    needed = seeds_to_decide(0.02, judgement.comparisons[0].result.spread.sd)
    found = deciding_runs(results, residual, claim)
    seeds = {name: {spec.seed for spec in found.values() if spec.config == name} for name in losses}
    assert seeds == {"res1-0": set(range(4, needed)), "res1-0.025": set(range(3, needed))}
    assert all(run == spec.run for run, spec in found.items())
    assert deciding_runs(results, residual, CLAIM) == {}  # nothing is said to matter
