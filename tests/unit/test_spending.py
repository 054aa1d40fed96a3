"""Boundaries of planned looks."""

import tracemalloc
from math import inf, isinf, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm

from zeroloop.stats.comparison import Effect
from zeroloop.stats.spending import at_look, boundaries, in_total, per_side
from zeroloop.stats.undetermined import Undetermined


def limits(times: list[float], alpha: float = 0.05, **how: Any) -> list[float]:
    found = boundaries(times, alpha, **how)
    assert not isinstance(found, Undetermined)
    return found


def test_five_looks_need_what_the_literature_says() -> None:
    # ldbounds and gsDesign, at one-sided .025
    assert limits([0.2, 0.4, 0.6, 0.8, 1.0]) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=5e-4)


def test_the_first_looks_are_worked_out_by_hand() -> None:
    assert limits([1.0]) == pytest.approx([1.959964])
    # at half: 2.241403 / sqrt(.5) = 3.169823, of which both sides of the normal are one side's alpha
    assert per_side(0.5, 0.05) == pytest.approx(0.0015253, abs=1e-6)
    assert limits([0.5, 1.0])[0] == pytest.approx(2.9626, abs=1e-4)
    # 1.959964 / sqrt(.5) = 2.771808, of which half of both sides is one side's alpha
    assert limits([0.5, 1.0], spent=in_total)[0] == pytest.approx(2.771808, abs=1e-6)


@given(st.floats(0.1, 1), st.floats(0.02, 0.98), st.sampled_from([per_side, in_total]))
def test_a_second_look_spends_what_scipys_bivariate_normal_says(last: float, part: float, spent: Any) -> None:
    first = last * part
    a, b = limits([first, last], spent=spent)
    both = multivariate_normal([0, 0], [[1, sqrt(part)], [sqrt(part), 1]])
    within = both.cdf([a, b], lower_limit=[-a, -b])
    assert (norm.cdf(a) - norm.cdf(-a) - within) / 2 == pytest.approx(spent(last, 0.05) - spent(first, 0.05), abs=2e-5)


@pytest.mark.parametrize("looks", [28, 100])
def test_daily_looks_err_as_often_as_they_say(looks: int) -> None:
    needed = np.array(limits([k / looks for k in range(1, looks + 1)]))
    steps = np.random.default_rng(3).standard_normal((20_000, looks), dtype=np.float32).cumsum(axis=1)
    crossed = (np.abs(steps) / np.sqrt(np.arange(1, looks + 1)) >= needed).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.005)  # 3.2 standard errors


@pytest.mark.parametrize(("spent", "horizon"), [(in_total, 0.74), (per_side, 0.76)])
def test_power_is_nearly_that_of_one_look_and_less_than_the_horizon_is_used(spent: Any, horizon: float) -> None:
    needed = np.array(limits([k / 28 for k in range(1, 29)], spent=spent))
    steps = np.random.default_rng(4).standard_normal((20_000, 28)) + (1.959964 + 0.841621) / np.sqrt(28)
    crossed = np.abs(steps.cumsum(axis=1)) / np.sqrt(np.arange(1, 29)) >= needed
    assert crossed.any(axis=1).mean() >= 0.75
    assert np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, 28).mean() / 28 <= horizon


def test_an_early_end_spends_what_is_left_and_an_overrun_has_nothing_left() -> None:
    early = limits([0.5, 0.7], last=True)
    assert early[0] == limits([0.5, 0.7])[0]
    assert 1.959964 < early[1] < limits([0.5, 1.0])[1] + 1e-9 < limits([0.5, 0.7])[1]
    assert isinf(limits([0.5, 1.0, 1.2])[2])
    assert limits([0.5, 1.2])[1] > 1.96


def test_a_look_too_early_for_any_alpha_needs_infinity() -> None:
    assert limits([1e-4, 1.0]) == [inf, pytest.approx(1.959964)]


@pytest.mark.parametrize("times", [[], [0.0, 1.0], [-0.1], [0.5, 0.5], [0.7, 0.5]])
def test_looks_out_of_order_have_no_boundaries(times: list[float]) -> None:
    assert isinstance(boundaries(times), Undetermined)


def test_a_step_of_nearly_nothing_is_the_look_before_and_costs_no_more() -> None:
    """A last look one unit after another, of a billion: nothing is allocated by it."""
    tracemalloc.start()
    found = limits([0.5, 0.75, 0.75 + 1e-9], last=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found[-1] == pytest.approx(limits([0.5, 0.75], last=True)[-1], abs=5e-3)
    assert peak < 200e6


def test_the_interval_excludes_0_exactly_where_the_boundary_is_reached() -> None:
    reached, missed = at_look(Effect(2.0, 1.0, 98, 100), 1.999), at_look(Effect(2.0, 1.0, 98, 100), 2.001)
    assert reached.interval.lower > 0 > missed.interval.lower
    assert reached.interval.method == "obrien-fleming"
