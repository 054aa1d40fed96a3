"""Probability to be best."""

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from zeroloop.stats.bayes import probability_best
from zeroloop.stats.samples import Sample
from zeroloop.stats.undetermined import Undetermined


def arm(mean: float, error: float) -> Sample:
    return Sample(100, Fraction(mean), Fraction(error) ** 2 * 100)


def best(*arms: Sample) -> list[float]:
    found = probability_best(arms)
    assert not isinstance(found, Undetermined)
    return found


def test_two_arms_are_worked_out_by_hand() -> None:
    # 1 apart with errors 3/5 and 4/5, together 1: Phi(1) = .841345
    assert best(arm(1, 0.6), arm(2, 0.8)) == pytest.approx([0.158655, 0.841345], abs=1e-5)


@pytest.mark.parametrize("offset", [0, 10**12])
@pytest.mark.parametrize("errors", [(1e-6, 1.0), (1.0, 1.0), (1e3, 1.0)])
def test_two_arms_are_a_normal_probability(offset: int, errors: tuple[float, float]) -> None:
    gap = 0.5 * sqrt(errors[0] ** 2 + errors[1] ** 2)
    found = best(arm(offset, errors[0]), Sample(100, offset + Fraction(gap), Fraction(errors[1]) ** 2 * 100))
    assert found[1] == pytest.approx(norm.cdf(0.5), abs=1e-4)


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 3)), min_size=2, max_size=5))
def test_probabilities_add_up_to_1(arms: list[tuple[float, float]]) -> None:
    assert sum(best(*(arm(*one) for one in arms))) == pytest.approx(1, abs=1e-3)


def test_three_arms_are_as_drawing_says() -> None:
    means, errors = np.array([0.0, 0.5, 0.2]), np.array([1.0, 0.4, 2.0])
    drawn = np.random.default_rng(9).normal(means, errors, (100_000, 3)).argmax(axis=1)
    found = best(*(arm(m, e) for m, e in zip(means.tolist(), errors.tolist(), strict=True)))
    assert found == pytest.approx((np.bincount(drawn) / 100_000).tolist(), abs=0.006)


def test_an_arm_without_variance_has_no_posterior() -> None:
    assert isinstance(probability_best([arm(1, 0), arm(2, 1)]), Undetermined)
