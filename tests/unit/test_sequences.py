"""Confidence sequences."""

from math import log, sqrt

import numpy as np
import pytest

from zeroloop.stats.comparison import Effect
from zeroloop.stats.intervals import critical
from zeroloop.stats.sequences import always_valid


def test_the_half_width_is_that_worked_out_by_hand() -> None:
    # n = planned, alpha .05: n r = 5.991465 + log(6.991465) = 7.936145... with log(1 - 2 log .05) = 1.944690
    spread = 5.991465 + log(6.991465)
    half = sqrt(2 * (spread + 1) / spread * log(sqrt(spread + 1) / 0.05))
    found = always_valid(Effect(5.0, 2.0, 998, 1000), 1000)
    assert found.interval.upper - 5 == pytest.approx(2 * half, rel=1e-6)
    assert half == pytest.approx(3.0354, abs=1e-3)


@pytest.mark.parametrize("n", [100, 1000, 10**9])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_the_p_value_is_alpha_where_the_interval_touches_0(n: int, alpha: float) -> None:
    half = always_valid(Effect(0.0, 1.0, n - 2, n), 5000, alpha).interval.upper
    assert always_valid(Effect(half, 1.0, n - 2, n), 5000, alpha).p_value == pytest.approx(alpha, rel=1e-6)
    assert half > critical(alpha)


def test_no_effect_has_p_1() -> None:
    assert always_valid(Effect(0.0, 1.0, 98, 100), 1000).p_value == 1


def test_a_thousand_looks_err_less_often_than_alpha_where_peeking_errs_half_the_time() -> None:
    looks, runs = 1000, 2000
    paths = np.random.default_rng(6).standard_normal((runs, looks), dtype=np.float32).cumsum(axis=1)
    z = np.abs(paths) / np.sqrt(np.arange(1, looks + 1))
    halves = [always_valid(Effect(0.0, 1.0, 10 * k, 10 * k), 10_000).interval.upper for k in range(1, looks + 1)]
    assert (z[:, 10:] > np.array(halves)[10:]).any(axis=1).mean() <= 0.05
    assert (z[:, 10:] > 1.96).any(axis=1).mean() >= 0.28


def test_large_effects_are_found() -> None:
    looks = np.arange(1, 101)
    paths = np.random.default_rng(7).standard_normal((1000, 100)).cumsum(axis=1) + looks * 5 / 10
    z = paths / np.sqrt(looks)
    halves = [always_valid(Effect(0.0, 1.0, 100 * k, 100 * k), 10_000).interval.upper for k in looks.tolist()]
    assert (z > np.array(halves)).any(axis=1).mean() >= 0.95
