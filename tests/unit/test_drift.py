"""Drift tests from sums and counts: values, false alarms, power."""

from collections import Counter
from math import inf, log, sqrt

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from zeroloop.stats import drift
from zeroloop.stats.drift import Dispersion, Evidence, TokenBaseline
from zeroloop.stats.samples import Moments
from zeroloop.stats.undetermined import Undetermined


def known(found: Evidence | Undetermined) -> Evidence:
    assert isinstance(found, Evidence)
    return found


def moments(values: NDArray[np.int64]) -> Moments:
    return Moments(len(values), int(values.sum()), int((values * values).sum()))


def counts(values: NDArray[np.int64]) -> dict[str, int]:
    return Counter(map(str, values.tolist()))


def test_a_shift_is_that_worked_out_by_hand_and_welchs() -> None:
    now, before = np.array([4, 6, 8, 10]), np.array([1, 2, 3])
    found = known(drift.shift(moments(now), moments(before)))
    # means 2 and 7, squared error 2: t^2 = 25 / 2; the baseline's standard deviation is 1
    assert (found.ratio, found.effect) == pytest.approx((12.5, 5))
    assert found.large
    assert found.p_value == pytest.approx(stats.ttest_ind(now, before, equal_var=False).pvalue, rel=1e-9)


def test_counts_are_compared_as_worked_out_by_hand() -> None:
    # 10 20 against 30 20: expected 15 15 and 25 25: 25 (1/15 + 1/15 + 1/25 + 1/25) = 16/3, as scipy's
    found = known(drift.distribution({"a": 10, "b": 20}, {"a": 30, "b": 20}, ordered=False))
    assert found.ratio == pytest.approx(16 / 3)
    assert found.p_value == pytest.approx(stats.chi2_contingency([[10, 20], [30, 20]], correction=False).pvalue)
    assert found.effect == pytest.approx(jensenshannon([10, 20], [30, 20]), rel=1e-9)
    # (1/3 - 3/5) log((1/3) / (3/5)) + (2/3 - 2/5) log((2/3) / (2/5))
    assert found.sizes["psi"] == pytest.approx(4 / 15 * log(9 / 5) + 4 / 15 * log(5 / 3))
    assert found.sizes["kl"] == pytest.approx(log(5 / 9) / 3 + 2 / 3 * log(5 / 3))


def test_bins_are_merged_with_their_neighbours_until_both_sides_expect_five() -> None:
    now, before = {"-2": 1, "0": 50, "1": 47, "10": 2}, {"-1": 4, "0": 500, "1": 460, "2": 36}
    found = known(drift.distribution(now, before, ordered=True))
    # both sides expect 5 from 55 rows on, so -2..0 are one bin, and 2 and 10 (38 rows) join 1
    theirs = stats.chi2_contingency([[51, 49], [504, 496]], correction=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_rare_categories_are_merged_with_each_other() -> None:
    now, before = {"a": 60, "b": 38, "c": 1, "d": 1}, {"a": 600, "b": 320, "c": 40, "e": 40}
    found = known(drift.distribution(now, before, ordered=False))
    theirs = stats.chi2_contingency([[2, 38, 60], [80, 320, 600]], correction=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9)


def test_an_empty_bin_gives_no_infinite_divergence() -> None:
    found = known(drift.distribution({"a": 100}, {"a": 50, "b": 50}, ordered=False))
    assert 0 < found.sizes["psi"] < 10
    assert found.large


def test_tokens_that_do_not_correlate_are_a_chi_squared() -> None:
    # four buckets with variance 4; means 1 apart in one of them: 1 / 4 / (1/100 + 1/100) = 12.5 of 4 degrees
    baseline = TokenBaseline(100, [500] * 4, [4.0] * 4, 4.0, 4.0)
    found = known(drift.tokens([600, 500, 500, 500], 100, baseline))
    assert found.ratio == pytest.approx(12.5 / 4)
    assert found.p_value == pytest.approx(stats.chi2.sf(12.5, 4), rel=1e-9)
    assert found.effect == pytest.approx((12.5 / 4 - 1) / 50)


def test_tokens_that_go_together_count_once() -> None:
    # two buckets that are the same: R all ones, so one degree of freedom, T = 2 z^2
    baseline = TokenBaseline(100, [500] * 2, [4.0] * 2, 4.0, 8.0)
    found = known(drift.tokens([600, 600], 100, baseline))
    assert found.p_value == pytest.approx(stats.chi2.sf(12.5, 1), rel=1e-9)


def test_the_baselines_traces_are_those_of_the_correlations_powers() -> None:
    vectors = np.random.default_rng(12).integers(0, 9, (50, 6))
    vectors[:, 3] = 7
    baseline = drift.token_baseline(vectors)
    r = np.asarray(np.corrcoef(np.delete(vectors, 3, axis=1), rowvar=False))
    assert (baseline.trace_2, baseline.trace_3) == pytest.approx((np.trace(r @ r), np.trace(r @ r @ r)))
    assert baseline.variances == pytest.approx(vectors.var(axis=0, ddof=1))
    assert known(drift.tokens([100] * 6, 20, baseline)).p_value < 1


RNG_ROWS, RUNS = 3000, 400


def token_rows(rng: np.random.Generator, n: int, tilt: float = 0.0) -> NDArray[np.int64]:
    """Rows of 20 words, of which the commonest of 400 is forty times as common as the rarest; in 64 places."""
    rank = np.arange(400)
    weights = 1 / (10 + rank) * np.exp(tilt * np.sin(rank))
    words = rng.choice(400, (n, 20), p=weights / weights.sum()) * 29 % 64
    rows = np.zeros((n, 64), np.int64)
    np.add.at(rows, (np.arange(n)[:, None], words), round(10_000 / sqrt(20)))
    return rows


def test_all_tests_together_err_as_often_as_they_say_and_find_what_is_there() -> None:
    rng = np.random.default_rng(13)
    base_rows, base_numbers = token_rows(rng, RNG_ROWS), rng.gamma(2, 500, RNG_ROWS).astype(np.int64)
    baseline, base_moments = drift.token_baseline(base_rows), moments(base_numbers)
    base_bins = counts(base_numbers // 250)

    def p_value(tokens: NDArray[np.int64], numbers: NDArray[np.int64]) -> float:
        text = known(drift.tokens(tokens.sum(axis=0).tolist(), len(tokens), baseline))
        shifted = known(drift.shift(moments(numbers), base_moments))
        counted = known(drift.distribution(counts(numbers // 250), base_bins, ordered=True))
        together = drift.family([text.p_value], [shifted.p_value], [counted.p_value])
        assert isinstance(together, float)
        return together

    pool, drifted = token_rows(rng, 20_000), token_rows(rng, 4_000, tilt=0.35)
    quiet, moved = [], []
    for _ in range(RUNS):
        numbers = rng.gamma(2, 500, 200).astype(np.int64)
        rows = pool[rng.integers(0, len(pool), 200)]
        quiet.append(p_value(rows, numbers))
        moved.append(p_value(drifted[rng.integers(0, len(drifted), 200)], numbers))
    assert np.mean(np.array(quiet) < 0.05) <= 0.05 + 3.2 * sqrt(0.05 * 0.95 / RUNS)
    assert np.mean(np.array(quiet) < 0.001) <= 0.001 + 3.2 * sqrt(0.001 / RUNS)
    assert np.mean(np.array(moved) < 0.05) >= 0.9


def test_clustered_traffic_errs_often_until_its_dispersion_is_known() -> None:
    rng = np.random.default_rng(14)

    def window(clusters: int) -> Moments:
        return moments((rng.normal(0, 700, clusters).repeat(10) + rng.normal(0, 700, clusters * 10)).astype(np.int64))

    baseline = window(1000)
    learned = [known(drift.shift(window(50), baseline)).ratio for _ in range(20)]
    spread = drift.dispersion(learned)
    assert isinstance(spread, Dispersion)
    windows = [window(50) for _ in range(RUNS)]
    naive = [known(drift.shift(one, baseline)).p_value < 0.001 for one in windows]
    calibrated = [known(drift.shift(one, baseline, spread)).p_value < 0.001 for one in windows]
    assert np.mean(naive) > 0.05
    assert np.mean(calibrated) <= 0.01


def test_dispersion_is_a_mean_never_below_one_and_needs_twenty_windows() -> None:
    # squares of 1 around the mean of 3: 20 / 19 / 9
    learned = drift.dispersion([2.0, 4.0] * 10)
    assert isinstance(learned, Dispersion)
    assert (learned.phi, learned.windows, learned.variation) == pytest.approx((3.0, 20, 20 / 171))
    assert drift.dispersion([0.5] * 20) == Dispersion(1.0, 20, 0.0)
    assert isinstance(drift.dispersion([2.0] * 19), Undetermined)


@pytest.mark.parametrize("windows", [20, 1000, inf])
def test_dispersion_divides_and_few_windows_make_careful(windows: float) -> None:
    spread = Dispersion(2.0, windows)
    shifted = known(drift.shift(Moments(10**6, 4000, 10**6), Moments(10**9, 0, 10**9), spread))
    # t^2 = 16 / (1 + 1/1000), over 2
    assert shifted.p_value == pytest.approx(stats.f.sf(8 / 1.001, 1, min(windows, 1e9)), rel=0.05)
    fitted = known(drift.distribution({"a": 10, "b": 20}, {"a": 30, "b": 20}, spread, ordered=False))
    assert fitted.p_value == pytest.approx(stats.f.sf(8 / 3, 1, min(windows, 1e9)), rel=1e-4)


def test_a_heavier_tail_leaves_fewer_degrees_of_freedom() -> None:
    assert Dispersion(variation=0.5).degrees(2) == 2
    assert Dispersion(variation=0.5).degrees(16) == 4
    # four buckets, T = 12.5: 12.5 / 4 of a chi-squared that has two degrees left
    baseline = TokenBaseline(100, [500] * 4, [4.0] * 4, 4.0, 4.0)
    found = known(drift.tokens([600, 500, 500, 500], 100, baseline, Dispersion(variation=1.0)))
    assert found.p_value == pytest.approx(stats.chi2.sf(12.5 / 2, 2), rel=1e-9)


def test_groups_share_alpha_and_alone_each_has_all() -> None:
    # cot(.004 pi) = 79.573, and half of that and cot(.5 pi) = 0 is cot(.0079995 pi); then with cot(.01 pi) = 31.821
    assert drift.family([0.004, 0.5]) == pytest.approx(0.0079992, rel=1e-3)
    assert drift.family([0.01], [0.004, 0.5]) == pytest.approx(0.0088879, rel=1e-3)
    assert drift.family([0.01], [], []) == pytest.approx(0.01)
    assert drift.family([0.03], [0.03, 0.03]) == pytest.approx(0.03)
    assert isinstance(drift.family([], []), Undetermined)


CONSTANT, VARYING = Moments(10, 50, 250), Moments(10, 50, 350)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (drift.shift(VARYING, CONSTANT), "constant"),
        (drift.shift(Moments(1, 5, 25), VARYING), "fewer than 2"),
        (drift.distribution({}, {"a": 5}, ordered=False), "no values"),
        (drift.distribution({"a": 5}, {}, ordered=False), "no values"),
        (drift.distribution({"a": 500}, {"a": 500, "b": 1}, ordered=False), "one bin"),
        (drift.tokens([], 9, TokenBaseline(9, [1], [1.0], 1.0, 1.0)), "no token"),
        (drift.tokens([1], 9, TokenBaseline(9, [1], [0.0], 0.0, 0.0)), "constant"),
    ],
)
def test_what_cannot_be_judged_says_why(found: Evidence | Undetermined, reason: str) -> None:
    assert isinstance(found, Undetermined)
    assert reason in found.reason
