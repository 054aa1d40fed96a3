"""How many units a test needs."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import ndtr

from zeroloop.stats.planning import units_for_means, units_for_proportions


def test_units_for_means_are_those_worked_out_by_hand() -> None:
    # (1.959964 + 0.841621)^2 * 4 / 0.1^2 = 7.848880 * 400 = 3139.55
    assert units_for_means(0.1, 1.0) == 3140
    assert units_for_means(1.0, 10.0) == 3140


@pytest.mark.parametrize(
    ("effect", "share", "power", "alpha", "units"),  # statsmodels 0.15.0, NormalIndPower
    [(0.02, 0.5, 0.9, 0.05, 105074.19409690755), (0.05, 0.1, 0.8, 0.01, 51906.525104759196)],
)
def test_units_for_means_are_statsmodels(effect: float, share: float, power: float, alpha: float, units: float) -> None:
    assert units_for_means(effect, 1.0, share=share, alpha=alpha, power=power) == pytest.approx(units, abs=1)


@pytest.mark.parametrize(
    ("control", "treatment", "share", "power", "alpha", "units"),  # samplesize_proportions_2indep_onetail
    [
        (0.05, 0.06, 0.5, 0.8, 0.05, 16315.462895698567),
        (0.5, 0.52, 0.5, 0.9, 0.05, 26253.895809881826),
        (0.01, 0.012, 0.5, 0.8, 0.01, 127052.6185126446),
    ],
)
def test_units_for_proportions_are_statsmodels(
    control: float, treatment: float, share: float, power: float, alpha: float, units: float
) -> None:
    found = units_for_proportions(control, treatment, share=share, alpha=alpha, power=power)
    assert found == pytest.approx(units, abs=1)


def test_the_units_planned_for_proportions_give_the_power_promised() -> None:
    units = units_for_proportions(0.1, 0.12, share=0.2)
    rng = np.random.default_rng(8)
    n, m = round(0.8 * units), round(0.2 * units)
    a, b = rng.binomial(n, 0.1, 20_000), rng.binomial(m, 0.12, 20_000)
    pooled = (a + b) / (n + m)
    z = (b / m - a / n) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    assert (z > 1.959964).mean() == pytest.approx(0.8, abs=0.01)


@given(st.floats(0.01, 1), st.floats(0.1, 10), st.floats(0.1, 0.9), st.floats(0.3, 0.99))
def test_the_units_planned_for_means_have_the_power_asked_for(
    effect: float, deviation: float, share: float, power: float
) -> None:
    units = units_for_means(effect, deviation, share=share, power=power)
    assume(units > 50)
    assert power_for_means(effect / deviation, units, share) >= power - 1e-9
    assert power_for_means(effect / deviation, units - 1, share) <= power + 1e-3


def power_for_means(effect: float, units: int, share: float) -> float:
    """The chance that `units` find a difference of `effect` deviations, two-sided at .05."""
    z = effect * sqrt(units * share * (1 - share))
    return float(ndtr(z - 1.959963984540054) + ndtr(-z - 1.959963984540054))
