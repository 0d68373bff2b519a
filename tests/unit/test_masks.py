"""Dropout masks as samples: the right rate, and no correlation with anything. The seed is fixed.

A correlation of n independent pairs scatters by 1/sqrt(n) around 0; the bound is 4.5 times that.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from redrop.models.residual_gpt import build
from redrop.models.residual_pack import PackMasks, ResidualPack
from redrop.streams import BLOCK, MaskStream
from support import small_spec

CPU = torch.device("cpu")
RATES = (0.025, 0.2, 0.5, 0.99)
SHAPE = (64, 64, 64)
BOUND = 4.5 / math.sqrt(math.prod(SHAPE))


def draw(rates: tuple[float, ...], steps: int = 1, sites: int = 1) -> np.ndarray:
    """Masks of a pack, (steps, sites, models, *SHAPE), 0 or 1."""
    masks = PackMasks([MaskStream(seed, CPU) for seed in range(len(rates))])
    drawn = [
        masks.draw(SHAPE, rates, inverted=False, device=CPU).numpy().copy() for _ in range(steps * sites)
    ]
    return np.stack(drawn).reshape(steps, sites, len(rates), *SHAPE)


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("rate", RATES)
def test_masks_keep_what_the_rate_says(rate: float) -> None:
    mask = draw((rate,))
    n = mask.size
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert mask.mean() == pytest.approx(1 - rate, abs=4.5 * math.sqrt(rate * (1 - rate) / n) + 1 / 65536)


@pytest.mark.parametrize("rate", RATES)
def test_inverted_masks_keep_the_expectation(rate: float) -> None:
    mask = PackMasks([MaskStream(0, CPU)]).draw(SHAPE, (rate,), inverted=True, device=CPU)
    assert sorted(set(mask.unique().tolist())) == pytest.approx([0.0, 1 / (1 - rate)])


@pytest.mark.parametrize("rate", RATES)
def test_neighbours_are_uncorrelated(rate: float) -> None:
    mask = draw((rate,))[0, 0, 0]
    for axis, lag in itertools.product(range(3), (1, 2, 3, 4, 8)):
        a, b = np.delete(mask, range(lag), axis), np.delete(mask, range(64 - lag, 64), axis)
        assert abs(correlation(a, b)) < 1.05 * BOUND


def test_steps_sites_and_models_are_uncorrelated() -> None:
    """Models of the same rate and of different rates."""
    masks = draw((0.2, 0.2, 0.5, 0.025), steps=3, sites=2)
    flat = masks.reshape(-1, *SHAPE)
    for one, other in itertools.combinations(flat, 2):
        assert abs(correlation(one, other)) < BOUND


def test_rates_0_and_1_are_exact_and_draw_nothing() -> None:
    streams = [MaskStream(seed, CPU) for seed in range(3)]
    before = [stream.state() for stream in streams]
    masks = PackMasks(streams).draw((8, 8), (0.0, 1.0, 0.5), inverted=True, device=CPU)
    assert masks[0].eq(1.0).all()
    assert masks[1].eq(0.0).all()
    after = [stream.state() for stream in streams]
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, False]


def test_a_stream_repeated_would_be_found() -> None:
    """The test above can fail: two models on one stream correlate fully."""
    masks = PackMasks([MaskStream(1, CPU), MaskStream(1, CPU)]).draw(
        SHAPE, (0.2, 0.5), inverted=False, device=CPU
    )
    assert correlation(masks[0].numpy(), masks[1].numpy()) > 0.4


def accelerator_like(seed: int) -> MaskStream:
    """Draws as on an accelerator, from a generator of the CPU."""
    stream = MaskStream(seed, CPU)
    stream._numpy, stream.generator = None, torch.Generator().manual_seed(seed)
    return stream


def position(stream: MaskStream) -> list[int]:
    return stream.state()["torch"].tolist()


def test_bulk_masks_are_those_of_each_stream() -> None:
    """An accelerator draws a pack's masks in few kernels, with the numbers that each model alone draws."""
    rates = (0.0, 0.025, 0.5, 1.0, 0.2)
    pack = PackMasks([accelerator_like(seed) for seed in range(5)])
    alone = [accelerator_like(seed) for seed in range(5)]
    for inverted in (True, False):
        masks = pack.draw((7, 9), rates, inverted=inverted, device=CPU)
        for mask, stream, rate in zip(masks, alone, rates, strict=True):
            if 0.0 < rate < 1.0:
                assert mask.equal(stream.mask((7, 9), rate, 1 / (1 - rate) if inverted else 1.0))
            else:
                assert mask.eq(1.0 - rate).all()
    assert [*map(position, pack.streams)] == [*map(position, alone)]


def test_an_accelerator_draws_for_many_sites_at_once() -> None:
    stream, once = accelerator_like(0), accelerator_like(0)
    stream.begin()
    (numbers,) = once.uniform(BLOCK).split(BLOCK)
    sizes = [BLOCK // 4 - 3, 7, BLOCK // 2]
    for size, expected in zip(sizes, numbers.split([*sizes, BLOCK - sum(sizes)]), strict=False):
        assert stream.mask((size,), 0.3, 2.0).equal(expected.ge(0.3) * 2.0)
    assert position(stream) == position(once)  # one draw
    stream.uniform(BLOCK)  # more than is left: a second one
    assert position(stream) != position(once)
    assert len(stream.uniform(BLOCK + 5)) == BLOCK + 5


def test_a_pass_on_an_accelerator_begins_at_the_generators_position() -> None:
    """So a checkpoint needs no more than that position: what a pass has left over is dropped."""
    spec, ids = small_spec("a2r2_4").model, torch.zeros(2, 16, dtype=torch.int64)
    model, stream = build(spec, 5, 1).train(), accelerator_like(0)
    model(ids, stream)
    stored = stream.state()
    expected = model(ids, stream)
    resumed = accelerator_like(9)
    resumed.begin()
    resumed.uniform(3)
    resumed.restore(stored)
    assert model(ids, resumed).equal(expected)


def test_an_accelerators_pack_draws_what_its_models_draw() -> None:
    specs = [small_spec("a2r025").model, small_spec("a2r5").model, small_spec("skip1-1", "matched").model]
    specs = [replace(spec, initialisation_seed="stream") for spec in specs]
    pack, ids = ResidualPack(specs, 5, [1, 2, 3], CPU), torch.arange(96).view(3, 2, 16) % 5
    streams = [accelerator_like(seed) for seed in range(3)]
    for _ in range(2):
        logits = pack(ids, PackMasks(streams))
    for lane, spec in enumerate(specs):
        model, stream = build(spec, 5, lane + 1).train(), accelerator_like(lane)
        for _ in range(2):
            expected = model(ids[lane], stream).flatten(0, 1)
        torch.testing.assert_close(logits[lane], expected, rtol=1e-4, atol=1e-5)
        assert position(stream) == position(streams[lane])
