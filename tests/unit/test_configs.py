"""Every configuration file that the project offers resolves, to the runs that it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from redrop.analysis.claims import own_claims, project_claims
from redrop.errors import ConfigError
from redrop.study import Plan, load_part, make_spec, resolve
from redrop.verbs.shared import read_config


def plan_of(project: Path, name: str) -> Plan:
    return resolve(read_config([str(project / "config" / name)], project), project)


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("demo.yaml", 104 + 12 + 6 + 6),
        ("notebook.yaml", 60),
        ("gradients.yaml", 12),
        ("short.yaml", 50 + 24),
        ("mechanisms.yaml", 5),
        ("minilm.yaml", 36 + 21 + 13),
        ("generation.yaml", 4 + 6 + 3),
        ("paper-a-more.yaml", 25 + 96 + 40 + 4 + 25 + 9),
        ("methods.yaml", 84 + 5 * 33 + 2 * (42 + 3 * 16)),
    ],
)
def test_it_resolves(project: Path, name: str, runs: int) -> None:
    plan = plan_of(project, name)
    assert sum(len(specs) for specs in plan.specs.values()) == runs


def test_only_the_demo_is_marked_and_it_keeps_to_itself(project: Path) -> None:
    demo = plan_of(project, "demo.yaml")
    assert "DEMO" in demo.label
    assert str(demo.results) == "results/demo"
    for path in sorted((project / "config").glob("*.yaml")):
        if path.name not in ("demo.yaml", "claims.yaml", "sentences.yaml"):
            plan = plan_of(project, path.name)
            assert (plan.label, str(plan.results)) == (None, "results")


def test_a_part_shares_the_runs_of_its_study(project: Path) -> None:
    """The ablation's full objective and its baseline are the study's own runs, trained once."""
    plan = plan_of(project, "minilm.yaml")
    shared = plan.specs["glue"].keys() & plan.specs["glue_ablation"].keys()
    assert {plan.specs["glue"][run].config for run in shared} == {"ce", "lrdrop"}
    assert len(plan.runs["glue"]) == 36 + 21 + 13 - len(shared) == 64
    assert {spec.study for specs in plan.specs.values() for spec in specs.values()} == {"glue"}


def test_an_unknown_part_or_study_is_refused(project: Path) -> None:
    for name, message in (("glue_ablations", "did you mean 'ablation'"), ("gleu", "did you mean 'glue'")):
        with pytest.raises(ConfigError, match=message):
            load_part(name, project)


def test_partial_configs_ask_for_runs_of_the_whole_one(project: Path) -> None:
    """What was trained with notebook.yaml is not trained again by config.yaml."""
    whole = plan_of(project, "config.yaml").specs["residual"]
    assert plan_of(project, "notebook.yaml").specs["residual"].keys() <= whole.keys()


@pytest.mark.parametrize(
    "name", ["config.yaml", "minilm.yaml", "short.yaml", "generation.yaml", "paper-a-more.yaml"]
)
def test_what_a_claim_compares_is_run_by_its_part(name: str, project: Path) -> None:
    """A part's tables see its own runs only: nothing that a claim needs may lie in another part."""
    plan = plan_of(project, name)
    for study in plan.studies.values():
        parts = [part for part, other in plan.studies.items() if other.name == study.name]
        for claim in own_claims(study):
            for protocol, pairs in claim.pairs.items():
                run = {
                    part: {spec.config for spec in plan.specs[part].values() if spec.protocol == protocol}
                    for part in parts
                }
                if own := run[study.part]:
                    compared = {config for pair in pairs for config in pair}
                    assert compared & set.union(*run.values()) <= own, f"{claim.name} in {protocol}"


@pytest.mark.parametrize("name", ["minilm.yaml", "generation.yaml", "paper-a-more.yaml"])
def test_parts_do_not_ask_for_a_seed_twice(name: str, project: Path) -> None:
    """Published runs of all parts lie in one folder, where two runs of a seed are refused."""
    for specs in plan_of(project, name).runs.values():
        places = [(spec.protocol, spec.config, spec.task, spec.seed) for spec in specs.values()]
        assert len(places) == len(set(places))


def test_rdrops_code_weighs_its_regression_otherwise(project: Path) -> None:
    """STS-B: squared error of both passes to the label; between the outputs 1.0 (BERT) and 0.8 (RoBERTa)."""
    study = load_part("glue", project)
    for size, gamma in (("bert", 1.0), ("roberta", 0.8)):
        objective = make_spec(study, "bert-base", f"rdrop-{size}-code-stsb", "stsb", 1, {}).objective
        assert (objective.gamma, objective.passes) == (gamma, "sum")


def test_a_claim_belongs_to_one_part(project: Path) -> None:
    names = ("glue", "glue_ablation", "glue_grid", "glue_size", "glue_tuning")
    studies = [load_part(name, project) for name in names]
    found = [[claim.name for claim in own_claims(study)] for study in studies]
    assert sorted(name for names in found for name in names) == sorted(
        claim.name for claim in project_claims(studies[0])
    )
    assert "lrdrop-over-ce" in found[0]
    assert "terms-inside-the-layers" in found[1]
    for study, claims in zip(studies, found, strict=True):
        assert bool(claims) == ("claims" in study.tables) == ("forest" in study.figures)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_every_method_has_three_trials_on_what_it_is_not_judged_on(project: Path) -> None:
    """But for controls and equal compute; each row has the settings of one of its trials."""
    plan = plan_of(project, "methods.yaml")
    without = {"plain-2x", "dropout-2x", "multi-sample-1", "gateskip-0", "data-dropout-random"}
    without |= {"epochs-6", "r3f-noise"}
    for part in ("methods", "methods_encoder"):
        specs = list(plan.specs[part].values())
        trials = {spec.config: spec for spec in specs if spec.protocol.endswith("-trials")}
        rows = {spec.config: spec for spec in specs if not spec.protocol.endswith("-trials")}
        assert len(trials) == 3 * len(rows.keys() - without)
        for config, row in rows.items():
            own = [spec for name, spec in trials.items() if is_number(name.removeprefix(f"{config}-"))]
            if config in without:
                assert not own
                continue
            assert len(own) == 3, config
            sections = ("model", "objective", "optimiser", "schedule")
            alike = [one for one in own if all(getattr(one, s) == getattr(row, s) for s in sections)]
            assert len(alike) == 1, config
            assert alike[0].data != row.data
