"""The invented runs that the analysis is tested with are runs as training leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis_support import decay, write_run
from redrop import record
from support import spec_of


def test_a_synthetic_run_reads_back(tmp_path: Path) -> None:
    spec = spec_of("a2r025")
    place = write_run(tmp_path, spec, decay(1.5))
    read = record.read_record(place)
    assert read.spec == spec
    assert read.value("val_loss_last") == pytest.approx(1.5)
    assert record.read_curve(place)[-1]["iteration"] == 50_000
