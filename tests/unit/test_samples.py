"""Sums of arms, and what the tests need of them."""

from fractions import Fraction
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.stats import samples
from zeroloop.stats.samples import Moments, Pairs, Sample
from zeroloop.stats.undetermined import Undetermined

INTEGERS = st.lists(st.tuples(st.integers(-(10**12), 10**12), st.integers(-1000, 1000)), min_size=2, max_size=20)


def moments(values: list[int]) -> Moments:
    return reduce(add, [Moments(1, y, y * y) for y in values], Moments())


def pairs(rows: list[tuple[int, int]]) -> Pairs:
    return reduce(add, [Pairs(1, y, y * y, x, x * x, x * y) for y, x in rows], Pairs())


def known(sample: Sample | Undetermined) -> Sample:
    assert isinstance(sample, Sample)
    return sample


def test_mean_and_variance_are_those_worked_out_by_hand() -> None:
    # 4, 7, 13, 16: mean 10, squares of the distances 36 + 9 + 9 + 36 = 90, over 3
    assert samples.mean(moments([4, 7, 13, 16])) == Sample(4, Fraction(10), Fraction(30))
    assert samples.mean(moments([400, 700, 1300, 1600]), 100) == Sample(4, Fraction(10), Fraction(30))


@pytest.mark.parametrize("offset", [10**9, 10**15])
def test_a_large_offset_costs_no_digit(offset: int) -> None:
    assert known(samples.mean(moments([offset + y for y in (4, 7, 13, 16)]))).variance == 30


def test_a_billion_units_cost_no_digit() -> None:
    half = 5 * 10**8
    sample = known(samples.mean(Moments(2 * half, half * (2 * 10**9 + 1), half * (10**18 + (10**9 + 1) ** 2))))
    assert sample.mean == 10**9 + Fraction(1, 2)
    assert sample.variance == Fraction(2 * half, 4 * (2 * half - 1))


@given(INTEGERS, st.integers(0, 20))
def test_parts_add_up_to_the_whole(rows: list[tuple[int, int]], cut: int) -> None:
    assert pairs(rows[:cut]) + pairs(rows[cut:]) == pairs(rows) == pairs(rows[cut:]) + pairs(rows[:cut])
    values = [y for y, _ in rows]
    assert moments(values[:cut]) + moments(values[cut:]) == moments(values)


def test_a_ratio_is_that_worked_out_by_hand() -> None:
    # (y, x) = (1, 2), (3, 4), (2, 6): R = 6/12; y - R x = 0, 1, -1, variance 1, over the squared mean of x, 16
    assert samples.ratio(pairs([(1, 2), (3, 4), (2, 6)])) == Sample(3, Fraction(1, 2), Fraction(1, 16))


def test_the_error_of_a_ratio_is_what_repetition_shows() -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(1, 20, (2000, 200))
    y = rng.binomial(x, 0.3)
    estimates = y.sum(axis=1) / x.sum(axis=1)
    errors = [
        float(known(samples.ratio(pairs(list(zip(a.tolist(), b.tolist(), strict=True))))).variance / 200) ** 0.5
        for a, b in zip(y[:50], x[:50], strict=True)
    ]
    assert np.mean(errors) == pytest.approx(estimates.std(), rel=0.05)


def test_cuped_is_that_worked_out_by_hand() -> None:
    # y = 2 x in both arms, plus 1 in the treatment: theta 2, so all that is left is that 1, without any variance
    adjusted = samples.cuped([pairs([(2, 1), (4, 2), (6, 3)]), pairs([(5, 2), (7, 3), (9, 4)])])
    assert adjusted == [Sample(3, Fraction(5), Fraction(0)), Sample(3, Fraction(6), Fraction(0))]


def test_cuped_is_a_regression_on_the_covariate() -> None:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 100, 400)
    treated = np.arange(400) % 2
    y = 3 * x + 10 * treated + rng.integers(-20, 20, 400)
    arms = [pairs(list(zip(y[treated == t].tolist(), x[treated == t].tolist(), strict=True))) for t in (0, 1)]
    adjusted = samples.cuped(arms)
    assert not isinstance(adjusted, Undetermined)
    design = np.column_stack([np.ones(400), treated, x])
    slope = np.linalg.lstsq(design, y.astype(float))[0]
    assert float(adjusted[1].mean - adjusted[0].mean) == pytest.approx(slope[1], rel=1e-9)
    assert adjusted[0].variance < known(samples.mean(Moments(arms[0].n, arms[0].y, arms[0].yy))).variance / 10


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (samples.mean(moments([])), "0 units"),
        (samples.mean(moments([5])), "1 units"),
        (samples.proportion(0, 0), "0 units"),
        (samples.ratio(pairs([(1, 1)])), "1 units"),
        (samples.ratio(pairs([(1, 0), (2, 0)])), "denominators"),
        (samples.cuped([pairs([(1, 3), (2, 3)]), pairs([(1, 4), (4, 4)])]), "constant"),
        (samples.cuped([pairs([(1, 3), (2, 4)]), pairs([(1, 4)])]), "1 units"),
    ],
)
def test_what_has_no_estimate_says_why(sample: Sample | Undetermined, reason: str) -> None:
    assert isinstance(sample, Undetermined)
    assert reason in sample.reason
