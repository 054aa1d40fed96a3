"""Accuracy without labels."""

import numpy as np
import pytest

from zeroloop.stats.estimated import estimated_accuracy
from zeroloop.stats.intervals import Interval
from zeroloop.stats.undetermined import Undetermined


def known(found: Interval | Undetermined) -> Interval:
    assert isinstance(found, Interval)
    return found


def test_an_estimate_is_that_worked_out_by_hand() -> None:
    # right: .6 and .9; the window has 30 and 10 of them: (18 + 9) / 40; half = 1.96 sqrt(.675 * .325 * (1/40 + 1/200))
    found = known(estimated_accuracy({30: 30, 45: 10}, {30: 100, 45: 100}, {30: 60, 45: 90}))
    assert found.value == pytest.approx(0.675)
    assert found.upper - found.value == pytest.approx(0.15900, abs=1e-4)
    assert found.method == "cbpe"


def test_bins_that_fall_are_made_level_and_those_between_are_interpolated() -> None:
    # .8 of 50 and .6 of 50 pool to .7
    assert known(estimated_accuracy({30: 5}, {30: 50, 40: 50}, {30: 40, 40: 30})).value == pytest.approx(0.7)
    assert known(estimated_accuracy({35: 5}, {30: 50, 40: 50}, {30: 20, 40: 30})).value == pytest.approx(0.5)
    assert known(estimated_accuracy({49: 5, 0: 5}, {30: 50, 40: 50}, {30: 20, 40: 30})).value == pytest.approx(0.5)


def test_without_drift_the_interval_holds_the_accuracy_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)

    def rows(n: int) -> tuple[dict[int, int], dict[int, int]]:
        bins = rng.integers(25, 50, n)
        right = rng.random(n) < (bins + 0.5) / 50
        return _counts(bins), _counts(bins[right])

    held = 0
    for _ in range(400):
        labelled, correct = rows(2000)
        window, right = rows(500)
        found = known(estimated_accuracy(window, labelled, correct))
        held += found.lower <= sum(right.values()) / 500 <= found.upper
    assert held >= 366  # 380 expected, 3.2 standard errors


def test_too_little_is_undetermined() -> None:
    assert isinstance(estimated_accuracy({30: 5}, {30: 99}, {30: 50}), Undetermined)
    assert isinstance(estimated_accuracy({}, {30: 100}, {30: 50}), Undetermined)


def _counts(bins: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(bins, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
