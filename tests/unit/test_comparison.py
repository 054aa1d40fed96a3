"""Welch, two proportions and relative lift."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy import stats

from zeroloop.stats import samples
from zeroloop.stats.comparison import Effect, Verdict, difference, lift, two_proportions, welch
from zeroloop.stats.samples import Moments, Sample
from zeroloop.stats.undetermined import Undetermined


def effect(found: Effect | Undetermined) -> Effect:
    assert isinstance(found, Effect)
    return found


def verdict(found: Verdict | Undetermined) -> Verdict:
    assert isinstance(found, Verdict)
    return found


def sample(values: list[int]) -> Sample:
    made = samples.mean(Moments(len(values), sum(values), sum(y * y for y in values)))
    assert isinstance(made, Sample)
    return made


def test_welch_is_that_worked_out_by_hand() -> None:
    # 1 2 3 against 4 6 8 10: means 2 and 7, variances 1 and 20/3; error^2 = 1/3 + 5/3 = 2; df = 4 / (1/18 + 25/27)
    found = effect(difference(sample([1, 2, 3]), sample([4, 6, 8, 10])))
    assert (found.value, found.error, found.df, found.n) == pytest.approx((5, 2**0.5, 216 / 53, 7))


@pytest.mark.parametrize("offset", [0, 10**9, 10**15])
def test_welch_is_scipys_wherever_the_values_lie(offset: int) -> None:
    control, treatment = [3, 4, 1, 7, 9, 2], [10, 4, 8, 12, 7]
    found = welch(effect(difference(*(sample([y + offset for y in arm]) for arm in (control, treatment)))))
    theirs = stats.ttest_ind(treatment, control, equal_var=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    limits = theirs.confidence_interval()
    assert (found.interval.lower, found.interval.upper) == pytest.approx((limits.low, limits.high), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "m", "shift", "deviation"), list(product((2, 100, 10**9), (2, 10**9), (0.0, 1e-6, 3.0), (1e-3, 2.0)))
)
def test_welch_is_scipys_on_a_grid(n: int, m: int, shift: float, deviation: float) -> None:
    control = Sample(n, Fraction(7), Fraction(deviation) ** 2)
    treatment = Sample(m, Fraction(7) + Fraction(shift), Fraction(4))
    found = welch(effect(difference(control, treatment)))
    theirs = stats.ttest_ind_from_stats(shift, 2.0, m, 0.0, deviation, n, equal_var=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("control", "treatment", "z", "p_value"),  # statsmodels 0.15.0
    [
        ((56, 70), (48, 80), -2.6501719512585336, 0.00804508136819656),
        ((5, 1000), (9, 1000), 1.0728063840323125, 0.2833579958537572),
        ((1000, 10**9), (1200, 10**9), 4.264016672322023, 2.00784452673056e-05),
        ((100_000, 10**9), (90_000, 10**9), -22.94266318944109, 1.7441951972992332e-116),
    ],
)
def test_two_proportions_are_statsmodels(
    control: tuple[int, int], treatment: tuple[int, int], z: float, p_value: float
) -> None:
    found = verdict(two_proportions(control, treatment))
    assert found.p_value == pytest.approx(p_value, rel=1e-9)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-9)


def test_two_proportions_are_a_chi_squared_of_two_by_two() -> None:
    # by hand: 10/40 against 20/40, pooled 3/8; z = .25 / sqrt(15/64 / 20) = 2.309401
    found = verdict(two_proportions((10, 40), (20, 40)))
    assert found.p_value == pytest.approx(2 * stats.norm.sf(2.309401), rel=1e-5)
    assert found.p_value == pytest.approx(stats.chi2_contingency([[10, 30], [20, 20]], correction=False).pvalue)


def test_a_p_value_below_1e_300_is_still_one() -> None:
    found = verdict(two_proportions((500_000, 1_000_000), (526_300, 1_000_000)))
    assert 0 < found.p_value < 1e-300
    theirs = stats.chi2_contingency([[500_000] * 2, [526_300, 473_700]], correction=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_a_lift_is_that_worked_out_by_hand() -> None:
    # 10 -> 12, variances of the means 1/25 each: lift .2, variance (1/25 + 1.44 / 25) / 100
    found = effect(lift(Sample(100, Fraction(10), Fraction(4)), Sample(100, Fraction(12), Fraction(4))))
    assert (found.value, found.error) == pytest.approx((0.2, (2.44 / 2500) ** 0.5))


def test_a_lift_is_positive_where_the_treatment_is_greater() -> None:
    found = effect(lift(Sample(100, Fraction(-10), Fraction(4)), Sample(100, Fraction(-8), Fraction(4))))
    assert found.value == pytest.approx(0.2)


def test_the_interval_of_a_lift_holds_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(1000):
        control, treatment = rng.poisson(5, 300).tolist(), rng.poisson(6, 300).tolist()
        limits = welch(effect(lift(sample(control), sample(treatment)))).interval
        held += limits.lower <= 0.2 <= limits.upper
    assert 928 <= held <= 970  # 950 +- 3.2 standard errors


ONES = Sample(100, Fraction(1), Fraction(0))


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (difference(ONES, ONES), "varies"),
        (difference(Sample(1, Fraction(1), Fraction(1)), ONES), "fewer than 2"),
        (lift(Sample(100, Fraction(0), Fraction(1)), ONES), "close to 0"),
        (lift(Sample(100, Fraction(1, 4), Fraction(1)), ONES), "close to 0"),
        (two_proportions((0, 10), (0, 20)), "same outcome"),
        (two_proportions((10, 10), (20, 20)), "same outcome"),
        (two_proportions((0, 0), (1, 20)), "no trials"),
    ],
)
def test_what_cannot_be_compared_says_why(found: object, reason: str) -> None:
    assert isinstance(found, Undetermined)
    assert reason in found.reason
