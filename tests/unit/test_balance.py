"""Sample-ratio mismatch."""

import pytest
from scipy.stats import chisquare

from zeroloop.stats.balance import ALPHA, sample_ratio
from zeroloop.stats.undetermined import Undetermined


def test_a_ratio_is_that_worked_out_by_hand() -> None:
    # 1,000 of 2,100 in place of 1,050: 2 * 50^2 / 1,050 = 4.761905, whose root is z = 2.182179
    assert sample_ratio([1000, 1100], [1, 1]) == pytest.approx(0.029096, abs=1e-6)


@pytest.mark.parametrize(
    ("counts", "shares"),
    [([500, 520], [0.5, 0.5]), ([10**9, 10**9 + 10**5], [50, 50]), ([90, 5, 5], [0.9, 0.05, 0.05]), ([40, 60], [9, 1])],
)
def test_a_ratio_is_scipys(counts: list[int], shares: list[float]) -> None:
    expected = [sum(counts) * share / sum(shares) for share in shares]
    assert sample_ratio(counts, shares) == pytest.approx(chisquare(counts, expected).pvalue, rel=1e-9)


def test_one_percent_too_many_shows_at_a_million_and_not_at_ten_thousand() -> None:
    small, large = sample_ratio([4950, 5050], [1, 1]), sample_ratio([495_000, 505_000], [1, 1])
    assert not isinstance(small, Undetermined)
    assert not isinstance(large, Undetermined)
    assert large < ALPHA < small


@pytest.mark.parametrize(("counts", "shares"), [([0, 0], [1, 1]), ([9, 0], [1, 1]), ([1000, 0], [999, 1]), ([9], [1])])
def test_too_few_units_say_nothing(counts: list[int], shares: list[float]) -> None:
    assert isinstance(sample_ratio(counts, shares), Undetermined)
