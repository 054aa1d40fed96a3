"""Many tests together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.stats.multiple import holm, weighted

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


def test_weights_share_alpha() -> None:
    assert weighted([(0.02, 0.5), (0.001, 0.25), (0.9, 0.25)]) == pytest.approx(0.004)
    assert weighted([(0.8, 0.5), (0.9, 0.5)]) == 1
