"""Sample-ratio mismatch."""

import numpy as np
import pytest
from scipy.stats import dirichlet_multinomial, multinomial

from zeroloop.stats.balance import ALPHA, sample_ratio
from zeroloop.stats.undetermined import Undetermined


def test_a_ratio_is_that_worked_out_by_hand() -> None:
    # 10 of 10 where half were to be: 2^-10 against the product over i < 10 of (50 + i) / (100 + i)
    by_hand = 0.5**10 / np.prod([(50 + i) / (100 + i) for i in range(10)])
    assert sample_ratio([10, 0], [1, 1]) == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ([500, 620], [0.5, 0.5]),
        ([10**6, 10**6 + 10**4], [50, 50]),
        ([80, 5, 15], [0.9, 0.05, 0.05]),
        ([40, 60], [9, 1]),
    ],
)
def test_a_ratio_is_that_of_scipys_distributions(counts: list[int], shares: list[float]) -> None:
    right = np.array(shares) / sum(shares)
    log = multinomial(sum(counts), right).logpmf(counts) - dirichlet_multinomial(100 * right, sum(counts)).logpmf(
        counts
    )
    assert sample_ratio(counts, shares) == pytest.approx(min(1.0, np.exp(log)), rel=1e-6)


def test_a_billion_units_in_the_right_shares_are_in_the_right_shares() -> None:
    assert sample_ratio([10**9, 10**9 + 10**4], [50, 50]) == 1.0


def test_right_shares_that_are_watched_all_the_time_are_found_broken_as_seldom_as_is_said() -> None:
    """Pearson's chi-squared, watched like this, calls 2.5% of right tests broken."""
    ever = 0
    for steps in np.random.default_rng(5).binomial(14, 0.5, (2000, 1000)).cumsum(axis=1):
        units = 14 * np.arange(1, 1001)
        far = np.abs(2 * steps - units) / np.sqrt(units) > 3.2  # p < .0014 at once: others can't be below .001
        ever += any(
            isinstance(p_value := sample_ratio([int(steps[k]), int(units[k] - steps[k])], [1, 1]), float)
            and p_value < ALPHA
            for k in np.flatnonzero(far)
        )
    assert ever <= 6  # of 2,000; at .001 more than 6 have a probability of .0045


def test_one_percent_too_many_shows_at_a_million_and_not_at_ten_thousand() -> None:
    small, large = sample_ratio([4950, 5050], [1, 1]), sample_ratio([495_000, 505_000], [1, 1])
    assert not isinstance(small, Undetermined)
    assert not isinstance(large, Undetermined)
    assert large < ALPHA < small


@pytest.mark.parametrize(("counts", "shares"), [([0, 0], [1, 1]), ([9, 0], [1, 1]), ([1000, 0], [999, 1]), ([9], [1])])
def test_too_few_units_say_nothing(counts: list[int], shares: list[float]) -> None:
    assert isinstance(sample_ratio(counts, shares), Undetermined)
