"""Quantiles from log buckets."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.stats.quantiles import GAMMA, LEAST, MOST, bucket, quantile
from zeroloop.stats.undetermined import Undetermined


def known(buckets: dict[int, int], q: float) -> float:
    value = quantile(buckets, q)
    assert isinstance(value, float)
    return value


def test_a_bucket_is_that_worked_out_by_hand() -> None:
    # log 100 / log (1.02 / 0.98) = 4.605170 / 0.040005 = 115.11, so 116; its value .98 * 1.0408163^116
    assert bucket(100) == 116
    assert known({116: 1}, 0.5) == pytest.approx(101.536, abs=0.001)


@given(st.floats(LEAST, MOST))
def test_every_value_comes_back_within_2_percent(value: float) -> None:
    assert known({bucket(value): 1}, 1.0) == pytest.approx(value, rel=0.02 + 1e-9)


@given(st.lists(st.floats(LEAST, MOST), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_quantile_is_within_2_percent_of_the_value_of_its_rank(values: list[float], q: float) -> None:
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    assert known(Counter(map(bucket, values)), q) == pytest.approx(exact, rel=0.02 + 1e-9)


@pytest.mark.parametrize(("alpha", "scale"), [(1.5, 1.0), (0.8, 0.01)])
def test_ten_thousand_merges_of_a_heavy_tail_stay_within_2_percent(alpha: float, scale: float) -> None:
    values = (1 + np.random.default_rng(10).pareto(alpha, (10_000, 5))) * scale
    merged: Counter[int] = Counter()
    for part in values.clip(LEAST, MOST):
        merged.update(map(bucket, part.tolist()))
    for q in (0.5, 0.95, 0.99):
        exact = np.quantile(values, q, method="inverted_cdf")
        assert known(merged, q) == pytest.approx(exact, rel=0.02 + 1e-9)


def test_what_lies_outside_is_counted_at_the_limits() -> None:
    assert bucket(0) == bucket(-1) == bucket(LEAST) == -172
    assert bucket(1e300) == bucket(MOST) == 343
    assert GAMMA**343 > MOST


def test_nothing_has_no_quantile() -> None:
    assert isinstance(quantile({}, 0.5), Undetermined)
