"""Many tests together."""

from math import atan2, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from zeroloop.stats.multiple import cauchy, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=10)


def test_holm_is_that_worked_out_by_hand_and_statsmodels() -> None:
    # sorted: 4 * .005, 3 * .01, 2 * .03, 1 * .04, which may not be less than the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    # statsmodels 0.15.0
    adjusted = [0.04, 0.09, 0.09, 0.025, 0.5, 6e-310]
    assert holm([0.01, 0.04, 0.03, 0.005, 0.5, 1e-310]) == pytest.approx(adjusted, rel=1e-9, abs=0)


@given(P_VALUES)
def test_holm_is_between_the_plain_and_bonferronis_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= min(1, len(p_values) * p) + 1e-15 for p, q in zip(p_values, adjusted, strict=True))
    assert [q for _, q in sorted(zip(p_values, adjusted, strict=True))] == sorted(adjusted)


def test_cauchy_is_that_worked_out_by_hand() -> None:
    # cot(pi / 6) = sqrt(3) and cot(pi / 2) = 0: acot(sqrt(3) / 2) / pi
    assert cauchy([1 / 6, 0.5]) == pytest.approx(atan2(2, sqrt(3)) / pi)
    # scipy 1.17: cauchy.sf(mean(cauchy.isf([1e-9, .2, .7])))
    assert cauchy([1e-9, 0.2, 0.7]) == pytest.approx(
        float(stats.cauchy.sf(np.mean(stats.cauchy.isf([1e-9, 0.2, 0.7]))))
    )
    assert cauchy([1e-200, 0.5]) == pytest.approx(2e-200)


def test_one_that_is_certain_takes_little_from_one_that_is_small() -> None:
    assert cauchy([0.001, 1.0]) < 0.0025
    assert 0 < cauchy([0.0]) < 1e-200


@given(P_VALUES)
def test_cauchys_is_between_the_least_and_the_greatest(p_values: list[float]) -> None:
    assert min(0.99, *p_values, 0.99) * (1 - 1e-9) <= cauchy(p_values) <= max(p_values) * (1 + 1e-9) + 1e-300


def test_cauchys_errs_as_often_as_it_says_whether_tests_depend_or_not() -> None:
    rng = np.random.default_rng(16)
    for shared in (0.0, 0.5, 0.95):
        z = sqrt(shared) * rng.normal(size=(20_000, 1)) + sqrt(1 - shared) * rng.normal(size=(20_000, 6))
        found = np.array([cauchy(row) for row in stats.norm.sf(z).tolist()])
        for alpha in (0.05, 0.001):
            assert np.mean(found < alpha) <= alpha * 1.25 + 3.2 * sqrt(alpha / 20_000)
