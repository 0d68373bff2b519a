"""Streams that do not touch each other, and what a mask holds; ``test_masks`` looks at them as samples."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from redrop.streams import MaskStream, NumpyStream, derive_seed

CPU = torch.device("cpu")


def test_seeds_differ_by_run_and_by_purpose() -> None:
    purposes = ("initialisation", "data order", "dropout", "evaluation")
    seeds = {derive_seed(seed, purpose) for seed in range(500) for purpose in purposes}
    assert len(seeds) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_kept_elements_have_the_value_asked_for() -> None:
    mask = MaskStream(0, CPU).mask((3, 5, 7), 0.2, 1.25)
    assert mask.shape == (3, 5, 7)
    assert mask.dtype == torch.float32
    assert set(mask.unique().tolist()) == {0.0, 1.25}


def test_a_rate_near_zero_still_drops_and_near_one_still_keeps() -> None:
    assert MaskStream(0, CPU).mask((3_000_000,), 1e-9, 1.0).min() == 0.0
    assert MaskStream(0, CPU).mask((100,), 1 - 1e-9, 1.0).max() == 0.0


def test_a_stored_position_continues_the_stream() -> None:
    stream, order = MaskStream(1, CPU), NumpyStream(1, "data order")
    stream.mask((17,), 0.5, 1.0)
    order.generator.integers(0, 100, 3)
    positions = stream.state(), order.state()
    expected = stream.mask((33,), 0.5, 1.0), order.generator.integers(0, 100, 9)
    fresh, fresh_order = MaskStream(2, CPU), NumpyStream(2, "data order")
    fresh.restore(positions[0])
    fresh_order.restore(positions[1])
    assert torch.equal(fresh.mask((33,), 0.5, 1.0), expected[0])
    assert np.array_equal(fresh_order.generator.integers(0, 100, 9), expected[1])


def test_a_position_of_another_device_is_refused() -> None:
    with pytest.raises(ValueError, match="another kind of device"):
        MaskStream(1, CPU).restore({"torch": torch.zeros(16, dtype=torch.uint8)})
