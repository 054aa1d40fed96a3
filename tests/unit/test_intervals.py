"""Wilson's and Newcombe's intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from zeroloop.stats.intervals import Interval, newcombe, wilson
from zeroloop.stats.undetermined import Undetermined


def known(interval: Interval | Undetermined) -> Interval:
    assert isinstance(interval, Interval)
    return interval


def test_wilson_is_that_worked_out_by_hand() -> None:
    # 7 of 20, z = 1.959964, z^2 = 3.841459: (7 + 1.920729 -+ 1.959964 * sqrt(7 * 13 / 20 + 0.960365)) / 23.841459
    interval = known(wilson(7, 20))
    assert (interval.lower, interval.upper) == pytest.approx((0.181192, 0.567146), abs=1e-6)


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (1, 1), (0, 10**9), (1, 10**9), (10**9, 10**9), (10**9 - 1, 10**9), (37, 50)]
)
@pytest.mark.parametrize("alpha", [0.05, 1e-9])
def test_wilson_is_scipys(successes: int, n: int, alpha: float) -> None:
    ours, theirs = known(wilson(successes, n, alpha)), binomtest(successes, n).proportion_ci(1 - alpha, "wilson")
    assert (ours.lower, ours.upper) == pytest.approx((theirs.low, theirs.high), rel=1e-6 if alpha < 1e-6 else 1e-9)


def test_one_success_in_a_billion_keeps_its_digits() -> None:
    # the limits' product is p^2 / (1 + z^2 / n), and both scale with 1 / n once n is large
    billion, more = known(wilson(1, 10**9)), known(wilson(1, 10**12))
    assert billion.lower * 1e9 == pytest.approx(more.lower * 1e12, rel=1e-8)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_estimate_within_0_and_1(trials: tuple[int, int]) -> None:
    interval = known(wilson(*trials))
    assert 0 <= interval.lower <= interval.value <= interval.upper <= 1


@pytest.mark.parametrize(
    ("treatment", "control", "limits"),
    [
        # Newcombe 1998, table II, method 10
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        # statsmodels 0.15.0
        ((0, 10), (0, 20), (-0.1611251580528194, 0.27753279986288926)),
        ((9, 1000), (5, 1000), (-0.00389716751361355, 0.01251158103138452)),
        ((1200, 10**9), (1000, 10**9), (1.0811288342626006e-07, 2.9213398552773473e-07)),
    ],
)
def test_newcombe_is_as_published(
    treatment: tuple[int, int], control: tuple[int, int], limits: tuple[float, float]
) -> None:
    interval = known(newcombe(control, treatment))
    published = len(str(limits[0])) < 8
    assert (interval.lower, interval.upper) == pytest.approx(limits, rel=0 if published else 1e-9, abs=6e-5 * published)


def test_no_trials_have_no_interval() -> None:
    assert isinstance(wilson(0, 0), Undetermined)
    assert isinstance(newcombe((0, 0), (1, 2)), Undetermined)
