"""Metrics that claims work out from a run's other files, by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from analysis_support import results_of, write_run
from redrop import record
from redrop.analysis.claims import Claim, judge
from redrop.analysis.collect import Results
from redrop.analysis.compared import Measure, passes
from redrop.analysis.derived import DERIVED, derived
from redrop.analysis.flatness import rise
from redrop.record import DIVERGED, RunRecord
from redrop.study import Study, load_part, make_spec
from support import spec_of


def only(
    folder: Path, val: list[float | None], train: list[float | None] | None = None, **more: Any
) -> tuple:
    """A run with these losses, its budget 3,000 iterations."""
    write_run(folder, spec_of("res1-0", "notebook", 1, schedule__iterations=3000), val, train, **more)
    results = results_of(folder)
    return results, results.records[0]


def value(metric: str, run: tuple[Results, RunRecord]) -> float:
    of = derived(metric)
    assert of is not None
    return of(*run)


def test_iterations_to_a_loss_are_between_two_evaluations(tmp_path: Path) -> None:
    """At 0, 1,000, 2,000, 3,000: 4.0, 2.5, 2.1, 2.2. 2.3 lies halfway between the second and the third."""
    run = only(tmp_path, [4.0, 2.5, 2.1, 2.2])
    assert value("iterations_to_2.3", run) == pytest.approx(1500)
    assert value("iterations_to_2.5", run) == 1000
    assert value("iterations_to_4.5", run) == 0
    assert math.isnan(value("iterations_to_2.05", run))  # never: it has no value, and not the budget's


def test_recorded_metrics_are_not_worked_out() -> None:
    assert derived("val_loss_last") is None
    assert derived("iterations_to_") is None


@pytest.mark.parametrize(
    ("val", "train", "expected"),
    [
        ([4.0, 2.0, 2.3], [4.0, 1.9, 1.5], 0.3),
        ([4.0, 2.0, 2.3], [4.0, 1.9, 2.4], 0.0),  # both rise: that is no overfitting
        ([4.0, 2.0, 1.9], [4.0, 1.9, 1.5], 0.0),  # a gap alone is none
    ],
)
def test_overfitting_needs_a_validation_loss_that_rises(
    val: list[float], train: list[float], expected: float, tmp_path: Path
) -> None:
    assert value("overfitting", only(tmp_path, val, train)) == pytest.approx(expected)


def test_the_largest_spike_is_above_the_lowest_before_it(tmp_path: Path) -> None:
    assert value("largest_rise", only(tmp_path, [4.0, 2.5, 2.9, 2.6, 2.4, 2.7])) == pytest.approx(0.4)
    assert value("largest_rise", only(tmp_path / "falls", [4.0, 3.0, 2.0])) == 0.0


def test_a_share_of_the_evaluations_is_stuck(tmp_path: Path) -> None:
    """0.7 log 65 = 2.92; the untrained model is left out. A run that diverged has nothing else."""
    assert value("share_stuck", only(tmp_path, [4.2, 3.3, 3.0, 2.9, 2.5])) == 0.5
    diverged = only(tmp_path / "diverged", [4.2, 2.5, None], [4.2, 2.4, None], status=DIVERGED)
    assert value("share_stuck", diverged) == 1.0


def test_runs_that_diverged_count_where_that_is_the_question(residual: Study, tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        fine, bad = (
            make_spec(residual, "notebook", f"res1-{rate}", "tiny_shakespeare", seed, {}) for rate in (0, 0.5)
        )
        write_run(tmp_path, fine, [4.2, 2.5, 2.0, 1.9])
        write_run(tmp_path, bad, [4.2, 2.5, None, None], [4.2, 2.4, None, None], status=DIVERGED)
    pairs = {"notebook": (("res1-0", "res1-0.5"),)}
    for metric, differences in (("share_stuck", {0: 1.0, 1: 1.0, 2: 1.0}), ("val_loss_last", {})):
        (found,) = judge(results_of(tmp_path), residual, Claim("c", "paper", "p", "t", metric, pairs))
        assert found.comparisons[0].differences == differences


def test_the_flow_of_gradients_is_a_mean_of_logarithms(tmp_path: Path) -> None:
    """A tenth of the last layer's norm, then a thousandth: -2. The untrained model's is left out."""
    write_run(tmp_path, spec_of("res1-0", "notebook", 1), [4.0, 3.0, 2.0])
    place = results_of(tmp_path).records[0].folder
    norms = [(9.0, 1.0), (0.1, 1.0), (0.002, 2.0)]
    rows = record.read_curve(place)
    rows = [
        row | {"grad_norm_layer_1": first, "grad_norm_layer_2": 5.0, "grad_norm_layer_3": last}
        for row, (first, last) in zip(rows, norms, strict=True)
    ]
    (place / "curve.jsonl").write_text(record.curve_text(rows))
    document = json.loads((place / "metrics.json").read_text())
    document["files"] = {}
    document["sha256"] = record.checksum(document)
    record.write_json(place / "metrics.json", document)
    results = results_of(tmp_path)
    assert value("gradient_flow", (results, results.records[0])) == pytest.approx(-2.0)
    assert math.isnan(value("gradient_flow", only(tmp_path / "none", [4.0, 3.0])))


def write_glue(
    folder: Path, study: Study, config: str, seed: int, device: str = "a CPU", **more: Any
) -> Path:
    """A fine-tuning run on CoLA; plain training takes 10 ms an update, two passes 21."""
    spec = make_spec(study, "minilm", config, "cola", seed, {})
    values = {"score": 0.5, "val_loss_last": 0.9} | more
    metrics = {
        name: record.Metric(value=own, n=9, split="dev", higher_is_better=False, signature="test")
        for name, own in values.items()
    }
    place = folder / "glue" / spec.run
    record.write_json(
        place / record.METRICS, record.metrics_document(spec, "done", None, {"name": "cola"}, metrics)
    )
    rows = [
        {"iteration": i, "epoch": i, "train_loss": loss, "val_loss": 1.0} for i, loss in enumerate((1.0, 0.4))
    ]
    record.write_text(place / record.CURVE, record.curve_text(rows))
    cost = 10.0 if config.startswith("ce") else 21.0
    provenance = {
        "milliseconds_an_iteration": cost,
        "device": device,
        "peak_memory_bytes": {"host": 1e8 * cost},
    }
    record.write_json(place / record.PROVENANCE, provenance)
    return place


@pytest.fixture
def glue(project: Path) -> Study:
    return load_part("glue", project)


def of_glue(folder: Path) -> Results:
    return Results.load(folder)


def test_agreement_is_a_mean_over_layers_and_gaps_are_of_losses(glue: Study, tmp_path: Path) -> None:
    layers = {"inconsistency_hidden_1": 0.2, "inconsistency_hidden_2": 0.4, "inconsistency_attention_1": 0.03}
    write_glue(tmp_path, glue, "ce", 1, inconsistency=7.0, **layers)
    run = of_glue(tmp_path), of_glue(tmp_path).records[0]
    assert value("inconsistency_hidden", run) == pytest.approx(0.3)
    assert value("inconsistency_attention", run) == pytest.approx(0.03)
    assert value("training_loss", run) == 0.4
    assert value("training_gap", run) == pytest.approx(0.5)
    assert math.isnan(value("landscape_rise", run))


def test_costs_are_compared_on_one_device(glue: Study, tmp_path: Path) -> None:
    for seed, other in ((1, "a CPU"), (2, "a CPU"), (3, "another CPU")):
        write_glue(tmp_path, glue, "ce", seed)
        write_glue(tmp_path, glue, "lrdrop", seed, other)
    results = of_glue(tmp_path)
    for metric, difference in (("milliseconds_an_update", 11.0), ("peak_megabytes", 1100.0)):
        place = {name: [results.group("glue", "minilm", name, "cola")] for name in ("ce", "lrdrop")}
        found = Measure(metric).compare(results, place, "ce", "lrdrop", "q")
        assert found.differences == pytest.approx({1: difference, 2: difference})


def test_equal_passes_are_compared_instead_of_equal_epochs(glue: Study, tmp_path: Path) -> None:
    for seed, gain in ((1, 0.01), (2, 0.02), (3, 0.03)):
        write_glue(tmp_path, glue, "ce", seed, score=0.5)
        write_glue(tmp_path, glue, "ce-twice", seed, score=0.5 + gain)
        write_glue(tmp_path, glue, "lrdrop", seed, score=0.6)
    results = of_glue(tmp_path)
    names = ("ce", "ce-twice", "lrdrop")
    place = {name: [results.group("glue", "minilm", name, "cola")] for name in names}
    assert {name: passes(place[name][0]) for name in names} == {"ce": 3.0, "ce-twice": 6.0, "lrdrop": 6.0}
    for equal, than, expected in (
        (True, "ce-twice", {1: 9.0, 2: 8.0, 3: 7.0}),
        (True, "ce", {}),
        (False, "ce-twice", {}),
        (False, "ce", {1: 10.0, 2: 10.0, 3: 10.0}),
    ):
        found = Measure("score", higher=True, equal_passes=equal).compare(results, place, "lrdrop", than, "q")
        assert found.differences == pytest.approx(expected)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, (1.3 + 1.1 + 1.0 + 1.1 + 1.5) / 5 - 1.0),
        ({"split": "dev"}, math.nan),
        ({"directions": 4}, math.nan),
        ({"slice": [[-0.1, None], [0, 1.0], [0.1, 1.0]]}, math.nan),
        ({"slice": [[-1, 2.0], [0, 1.0], [1, 2.0]]}, math.nan),  # nothing near the solution
    ],
)
def test_flatness_is_of_the_training_loss_near_the_solution(
    change: dict[str, Any], expected: float, glue: Study, tmp_path: Path
) -> None:
    place = write_glue(tmp_path, glue, "ce", 1)
    near = [[-0.4, 9.0], [-0.2, 1.3], [-0.1, 1.1], [0, 1.0], [0.1, 1.1], [0.2, 1.5], [0.4, 9.0]]
    document = {"split": "train", "directions": 5, "slice": near} | change
    (place / "landscape.json").write_text(json.dumps(document))
    assert rise(of_glue(tmp_path).records[0]) == pytest.approx(expected, nan_ok=True)


def test_every_metric_of_a_claim_can_be_judged(project: Path) -> None:
    """The schema lets through what is worked out here, and nothing else that is not recorded."""
    text = (project / "workflow/schemas/claims.schema.yaml").read_text()
    assert all(name in text for name in DERIVED)
