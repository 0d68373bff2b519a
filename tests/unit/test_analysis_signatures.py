"""Each rule just above and just below its threshold, and on the authors' own curves."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis_support import results_of, write_run
from redrop.analysis.failure_signatures import Signature, count, group_signatures, signature
from redrop.analysis.study_results import StudyResults
from redrop.record import DIVERGED, DONE
from support import STUDY, spec_of

BUDGET = 1000
NAN = math.nan


def judge(
    val: list[float], train: list[float] | None = None, status: str = DONE, reference: float = NAN
) -> Signature:
    """The verdicts on a curve whose evaluations are evenly spread over the budget."""
    train = [loss - 0.1 for loss in val] if train is None else train
    iterations = np.linspace(0, BUDGET, len(val))
    curve = pd.DataFrame({"iteration": iterations, "val_loss": val, "train_loss": train})
    return signature(curve, "a-run", status, BUDGET, reference)


@pytest.mark.parametrize(("last", "verdict"), [(2.041, True), (2.039, False)])
def test_overfitting_is_a_rise_of_over_2_percent(last: float, verdict: bool) -> None:
    assert judge([4.2, 2.0, last], [4.2, 1.9, 1.8]).overfitting is verdict


@pytest.mark.parametrize(("last", "verdict"), [(1.899, True), (1.9, False), (1.95, False)])
def test_overfitting_needs_a_falling_training_loss(last: float, verdict: bool) -> None:
    found = judge([4.2, 2.0, 2.2], [4.2, 1.9, last])
    assert found.overfitting is verdict
    assert found.rise == pytest.approx(0.1)
    assert found.train_change == pytest.approx(last - 1.9)


@pytest.mark.parametrize(("height", "verdict"), [(4.21, True), (4.2, False), (4.19, False)])
def test_divergence_is_a_return_above_the_untrained_loss(height: float, verdict: bool) -> None:
    assert judge([4.2, 2.0, height, 2.1]).divergence is verdict


def test_a_bump_before_the_minimum_is_no_divergence() -> None:
    assert judge([4.2, 4.6, 2.0, 2.0]).divergence is False


def test_a_run_that_became_nan_diverged_and_is_not_judged_further() -> None:
    found = judge([4.2, 2.0, NAN], [4.2, 1.9, NAN], DIVERGED)
    assert found.divergence is True
    assert found.overfitting is found.slow is None


def test_a_run_that_diverged_before_it_was_measured() -> None:
    found = judge([NAN], [NAN], DIVERGED)
    assert found.divergence is True
    assert math.isnan(found.rise)


@pytest.mark.parametrize(("last", "verdict"), [(1.979, True), (1.981, False), (2.1, False)])
def test_slow_is_a_fall_of_over_1_percent_in_the_last_tenth(last: float, verdict: bool) -> None:
    found = judge([4.0, *[2.0] * 9, last])  # evaluations at 0, 100, .., 900, 1000
    assert found.slow is verdict
    assert found.late_drop == pytest.approx((2.0 - last) / 2.0)


def test_the_last_tenth_is_interpolated() -> None:
    assert judge([4.0, 2.0]).late_drop == pytest.approx((2.2 - 2.0) / 2.2)


@pytest.mark.parametrize(("middle", "verdict"), [(2.21, True), (2.19, False)])
def test_slow_is_less_than_90_percent_of_the_best_drop_by_half(middle: float, verdict: bool) -> None:
    val = [4.0, *[3.0] * 9, middle, *[2.0] * 10]  # evaluations every 50, so the 11th is at half
    found = judge(val, reference=2.0)
    assert found.half_drop == pytest.approx(4.0 - middle)
    assert found.slow is verdict
    assert judge(val).slow is False  # without a best configuration there is nothing to compare with


def test_the_reference_is_the_best_mean_of_its_budget(tmp_path: Path) -> None:
    flat = [1.5] * 10
    for seed, middle in ((1, 1.8), (2, 2.0)):  # best mean last loss; drops by half 2.4 and 2.2: 2.3
        write_run(tmp_path, spec_of("skip1-0", "matched", seed), [4.2, *[middle] * 10, *flat])
    write_run(tmp_path, spec_of("skip1-0.5", "matched"), [4.2, *[2.2] * 10, *[1.6] * 10])  # 2.0 < 2.07
    write_run(tmp_path, spec_of("skip1-0.2", "matched"), [4.2, *[2.1] * 10, *[1.6] * 10])  # 2.1 > 2.07
    short = spec_of("skip1-0.1", "matched", schedule__iterations=300)
    write_run(tmp_path, short, [4.2, *[3.0] * 10, *[2.9] * 10])  # best, because alone, of its budget
    results = results_of(tmp_path)
    rows = StudyResults(results, STUDY).groups("matched", "tiny_shakespeare")
    found = group_signatures(results, rows)
    assert found["skip1-0.5"][0].half_reference == pytest.approx(2.3)
    assert found["skip1-0.5"][0].slow is True
    assert found["skip1-0.2"][0].slow is False
    assert found["skip1-0.1"][0].half_reference == pytest.approx(1.2)
    assert found["skip1-0.1"][0].slow is False
    assert found["skip2-0"] == []


def test_runs_that_are_not_judged_do_not_count() -> None:
    assert count([True, False, None, True]) == (2, 3)
    assert count([None]) == (0, 0)


@pytest.fixture(scope="module")
def authors(reference: Path) -> dict[str, Signature]:
    """The verdicts on the authors' recorded curves; the best of each budget is the reference."""
    table = pd.read_csv(reference / "residual" / "nanogpt_curves.csv")
    curves = {run: curve.reset_index(drop=True) for run, curve in table.groupby("run")}
    budgets = {run: int(curve["iteration"].iloc[-1]) for run, curve in curves.items()}
    found = {}
    for run, curve in curves.items():
        same = [other for other in curves if budgets[other] == budgets[run]]
        best = min(same, key=lambda other: curves[other]["val_loss"].iloc[-1])
        at_half = curves[best].set_index("iteration")["val_loss"][budgets[run] // 2]
        drop = curves[best]["val_loss"].iloc[0] - at_half
        found[run] = signature(curve, run, DONE, budgets[run], float(drop))
    return found


def test_of_the_authors_attention_runs_only_the_one_without_dropout_overfits(
    authors: dict[str, Signature],
) -> None:
    assert [authors[run].overfitting for run in ("a0r0", "a2r0", "a5r0")] == [True, False, False]
    assert authors["a0r0"].rise == pytest.approx(1.8295 / 1.5103 - 1, abs=1e-3)


def test_none_of_the_authors_runs_diverged_and_heavy_skip_dropout_is_slow(
    authors: dict[str, Signature],
) -> None:
    assert not any(found.divergence for found in authors.values())
    assert authors["a2r5"].slow is True
    assert authors["a2r025"].slow is authors["a2r100_2"].slow is False
