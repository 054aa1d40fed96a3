"""Boundaries of planned looks."""

from math import inf, isinf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.stats.comparison import Effect
from zeroloop.stats.spending import at_look, boundaries, spent
from zeroloop.stats.undetermined import Undetermined


def limits(times: list[float], alpha: float = 0.05, *, last: bool = False) -> list[float]:
    found = boundaries(times, alpha, last=last)
    assert not isinstance(found, Undetermined)
    return found


def test_five_looks_need_what_the_literature_says() -> None:
    # gsDesign, sfLDOF at one-sided .025; Reboussin, DeMets, Kim & Lan 2000
    assert limits([0.2, 0.4, 0.6, 0.8, 1.0]) == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=1e-4)


def test_one_look_is_a_plain_test_and_the_first_look_is_worked_out_by_hand() -> None:
    assert limits([1.0]) == pytest.approx([1.959964])
    # a look at half: z_.0125 / sqrt(.5) = 2.241403 * 1.414214 = 3.169823, of which 2 (1 - Phi) is one side's alpha
    assert spent(0.5) == pytest.approx(0.0015253, abs=1e-6)
    assert limits([0.5, 1.0])[0] == pytest.approx(2.9626, abs=1e-4)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6, unique_by=lambda t: round(t, 2)))
def test_later_looks_need_less_and_the_last_more_than_a_plain_test(times: list[float]) -> None:
    found = limits(sorted(times), last=True)
    assert found[-1] >= 1.959963
    assert all(a > b for a, b in zip(found[:-1], limits(sorted(times))[1:-1], strict=False))


@pytest.mark.parametrize("looks", [28, 100])
def test_daily_looks_err_as_often_as_they_say(looks: int) -> None:
    needed = np.array(limits([k / looks for k in range(1, looks + 1)]))
    steps = np.random.default_rng(3).standard_normal((20_000, looks), dtype=np.float32).cumsum(axis=1)
    crossed = (np.abs(steps) / np.sqrt(np.arange(1, looks + 1)) >= needed).any(axis=1).mean()
    assert crossed == pytest.approx(0.05, abs=0.005)  # 3.2 standard errors


def test_power_is_nearly_that_of_one_look_and_less_than_the_horizon_is_used() -> None:
    needed = np.array(limits([k / 28 for k in range(1, 29)]))
    steps = np.random.default_rng(4).standard_normal((20_000, 28)) + (1.959964 + 0.841621) / np.sqrt(28)
    crossed = np.abs(steps.cumsum(axis=1)) / np.sqrt(np.arange(1, 29)) >= needed
    assert crossed.any(axis=1).mean() >= 0.75
    assert np.where(crossed.any(axis=1), crossed.argmax(axis=1) + 1, 28).mean() / 28 <= 0.75


def test_an_early_end_spends_what_is_left_and_an_overrun_has_nothing_left() -> None:
    assert limits([0.5, 0.7], last=True)[1] == pytest.approx(limits([0.5, 0.7])[1] - 0.4821, abs=1e-3)
    assert isinf(limits([0.5, 1.0, 1.2])[2])
    assert limits([0.5, 1.2])[1] > 1.96


def test_a_look_too_early_for_any_alpha_needs_infinity() -> None:
    assert limits([1e-4, 1.0]) == [inf, pytest.approx(1.959964)]


@pytest.mark.parametrize("times", [[], [0.0, 1.0], [-0.1], [0.5, 0.5], [0.7, 0.5]])
def test_looks_out_of_order_have_no_boundaries(times: list[float]) -> None:
    assert isinstance(boundaries(times), Undetermined)


def test_the_interval_excludes_0_exactly_where_the_boundary_is_reached() -> None:
    reached, missed = at_look(Effect(2.0, 1.0, 98, 100), 1.999), at_look(Effect(2.0, 1.0, 98, 100), 2.001)
    assert reached.interval.lower > 0 > missed.interval.lower
    assert reached.interval.method == "obrien-fleming"
