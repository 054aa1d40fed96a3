"""Figures by slice, worked out by hand; fairlearn's are compared in tests/training."""

import pytest

from zeroloop.stats import fairness, paired
from zeroloop.stats.fairness import Disparity, Outcomes
from zeroloop.stats.intervals import Interval
from zeroloop.stats.undetermined import Undetermined

# 100 rows: 40 deserve it, 30 of them got it; of the other 60, 15 got it.
A = Outcomes(true_positive=30, false_negative=10, false_positive=15, true_negative=45, right=75)
# 50 rows: 25 deserve it, 15 of them got it; of the other 25, 5 got it.
B = Outcomes(true_positive=15, false_negative=10, false_positive=5, true_negative=20, right=35)


def test_disparities_by_hand() -> None:
    # selected: .45 and .40; true positives: .75 and .60; false positives: .25 and .20
    parity = fairness.demographic_parity({"a": A, "b": B})
    assert isinstance(parity, Disparity)
    assert (parity.difference, parity.ratio) == pytest.approx((0.05, 0.40 / 0.45))
    odds = fairness.equalised_odds({"a": A, "b": B})
    assert isinstance(odds, Disparity)
    assert (odds.difference, odds.ratio) == pytest.approx((0.15, 0.8))


def test_slices_of_fewer_than_30_rows_are_suppressed() -> None:
    few = Outcomes(true_positive=29, right=29)
    assert fairness.accuracy(few) == Undetermined("29 rows, 30 are needed")
    assert fairness.demographic_parity({"a": A, "few": few}) == Undetermined("fewer than 2 slices of 30 rows")
    assert fairness.demographic_parity({"a": A, "b": B, "few": few}) == fairness.demographic_parity({"a": A, "b": B})
    share = fairness.accuracy(Outcomes(true_positive=30, right=30))
    assert isinstance(share, Interval)
    assert share.lower == pytest.approx(0.8865, abs=1e-4)  # 30 / (30 + 1.96^2)


def test_odds_of_a_slice_in_which_nobody_deserves_it_are_undetermined() -> None:
    none = Outcomes(true_negative=40, right=40)
    assert isinstance(fairness.equalised_odds({"a": A, "none": none}), Undetermined)
    assert fairness.demographic_parity({"a": A, "none": none}) == Disparity(0.45, 0.0)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1.0),
        (0, 5, 1.0),
        (1, 0, 0.5),
        (5, 0, 1 / 32),
        (8, 2, 56 / 1024),  # (45 + 10 + 1) / 2^10
        (5, 5, (252 + 210 + 120 + 45 + 10 + 1) / 1024),
    ],
)
def test_mcnemars_exact_tail_by_hand(only_first: int, only_second: int, p: float) -> None:
    assert paired.p_worse(only_first, only_second) == pytest.approx(p)
