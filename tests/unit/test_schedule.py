"""The learning rate, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from redrop.schedules import learning_rate
from support import spec_of


def test_cosine_by_hand() -> None:
    schedule = replace(spec_of().schedule, iterations=1100, warmup=100)
    by_hand = {
        0: 0.0,
        50: 5e-4,
        99: 9.9e-4,
        100: 1e-3,
        350: 1e-4 + 0.5 * (1 + 0.70710678118) * 9e-4,
        600: 5.5e-4,
        850: 1e-4 + 0.5 * (1 - 0.70710678118) * 9e-4,
        1100: 1e-4,
        2000: 1e-4,
    }
    for iteration, expected in by_hand.items():
        assert learning_rate(schedule, iteration, schedule.iterations) == pytest.approx(expected, rel=1e-9)


def test_constant_and_no_warm_up() -> None:
    schedule = spec_of("res1-0", "notebook").schedule
    assert {learning_rate(schedule, i, schedule.iterations) for i in (0, 1, 2500, 4999)} == {1e-3}


def test_a_head_has_the_rates_of_the_whole() -> None:
    whole = spec_of().schedule
    head = replace(whole, stop_at=2000)
    assert head.last_iteration == 2000
    assert all(learning_rate(head, i, 5000) == learning_rate(whole, i, 5000) for i in range(0, 2001, 50))


def test_warm_up_longer_than_the_run_ends_while_rising() -> None:
    schedule = replace(spec_of().schedule, iterations=50, warmup=100)
    assert learning_rate(schedule, 50, 50) == pytest.approx(5e-4)
