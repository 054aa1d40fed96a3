"""Our figures by slice beside fairlearn's, over made-up answers."""

import math
from collections import Counter

import numpy as np
import pytest
from fairlearn import metrics

from zeroloop.stats import fairness
from zeroloop.stats.fairness import Disparity, Outcomes

N = 600


def outcomes(truth: np.ndarray, answers: np.ndarray, slices: np.ndarray) -> dict[str, Outcomes]:
    cells: dict[str, Counter[str]] = {}
    for true, answered, name in zip(truth, answers, slices, strict=True):
        cell = ("true" if true == answered else "false") + ("_positive" if answered else "_negative")
        cells.setdefault(name, Counter()).update([cell, *(["right"] if true == answered else [])])
    return {name: Outcomes(**counts) for name, counts in cells.items()}


@pytest.mark.parametrize("seed", range(20))
def test_disparities_are_fairlearns(seed: int) -> None:
    random = np.random.default_rng(seed)
    slices = random.choice(["a", "b", "c"], N, p=[0.6, 0.3, 0.1])
    truth = random.random(N) < random.uniform(0.2, 0.8)
    answers = np.where(random.random(N) < 0.75, truth, random.random(N) < 0.3 + 0.4 * (slices == "b"))
    ours = outcomes(truth, answers, slices)
    parity, odds = fairness.demographic_parity(ours), fairness.equalised_odds(ours)
    assert isinstance(parity, Disparity)
    assert isinstance(odds, Disparity)
    named = {"sensitive_features": slices}
    assert parity.difference == pytest.approx(metrics.demographic_parity_difference(truth, answers, **named))
    assert parity.ratio == pytest.approx(metrics.demographic_parity_ratio(truth, answers, **named))
    assert odds.difference == pytest.approx(metrics.equalized_odds_difference(truth, answers, **named))
    assert odds.ratio == pytest.approx(metrics.equalized_odds_ratio(truth, answers, **named))


def test_where_nobody_is_selected_neither_has_a_ratio() -> None:
    truth, answers = np.tile([0, 1], 40), np.zeros(80, int)
    slices = np.repeat(["a", "b"], 40)
    found = fairness.demographic_parity(outcomes(truth, answers, slices))
    assert found == Disparity(0.0, None)
    assert math.isnan(metrics.demographic_parity_ratio(truth, answers, sensitive_features=slices))
