"""What a cell says: mean, sample standard deviation, n."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from analysis_support import results_of, write_config, write_run
from redrop.analysis.summary import summarise
from redrop.record import DIVERGED
from support import spec_of


def test_a_hand_worked_cell() -> None:
    summary = summarise([2.0, 4.0, 4.0, 6.0])  # squares about the mean 4: 4 + 0 + 0 + 4 = 8; 8 / 3
    assert (summary.mean, summary.n) == (4.0, 4)
    assert summary.sd == pytest.approx(math.sqrt(8 / 3))
    assert summary.show() == "4.0000 ± 1.6330"


def test_it_agrees_with_scipy() -> None:
    values = np.random.default_rng(0).normal(1.55, 0.002, size=5)
    summary = summarise(values)
    assert summary.mean == pytest.approx(stats.tmean(values), rel=1e-14)
    assert summary.sd == pytest.approx(stats.tstd(values), rel=1e-12)


def test_one_value_has_no_deviation() -> None:
    summary = summarise([1.5])
    assert math.isnan(summary.sd)
    assert summary.show() == "1.5000"


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf]])
def test_nothing_to_average_is_a_dash(values: list[float]) -> None:
    summary = summarise(values)
    assert summary.n == 0
    assert math.isnan(summary.mean)
    assert summary.show() == "—"


def test_a_negative_mean_has_a_real_minus() -> None:
    assert summarise([-1.0, -2.0]).show(".2f") == "−1.50 ± 0.71"


def test_diverged_runs_are_in_no_mean(tmp_path: Path) -> None:
    write_config(tmp_path, "a2r5", {1: 1.0, 2: 2.0})
    write_run(tmp_path, spec_of("a2r5", seed=3), [4.2, 0.5, None], [4.2, 0.5, None], DIVERGED)
    group = results_of(tmp_path).group("residual", "authors", "a2r5", "tiny_shakespeare")
    assert (group.summary("val_loss_best").mean, group.summary("val_loss_best").n) == (1.5, 2)
    assert [record.spec.seed for record in group.diverged] == [3]
