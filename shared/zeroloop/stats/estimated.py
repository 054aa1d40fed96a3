"""Accuracy before there are labels: named an estimate, because it is one."""

from collections.abc import Mapping
from math import sqrt

import numpy as np
from scipy.optimize import isotonic_regression

from zeroloop.stats.intervals import Interval, critical
from zeroloop.stats.undetermined import Undetermined

LEAST_LABELS = 100


def estimated_accuracy(
    scores: Mapping[int, int], labelled: Mapping[int, int], correct: Mapping[int, int], alpha: float = 0.05
) -> Interval | Undetermined:
    """Accuracy of a window whose answers had `scores` (bin of confidence -> answers), by the baseline's labelled rows.

    Confidence-based performance estimation: each bin's share of right answers in the baseline, made to rise with the
    score (isotonic regression), averaged over the window. It needs P(right | score) to have stayed: where the domain
    changes it sees a part of the loss only (3 of 13 points, measured), so it may raise doubts and never remove them.
    The interval is of chance in both samples, and knows nothing of that.
    """
    known = sorted(bin_ for bin_, n in labelled.items() if n)
    n_labelled, n = sum(labelled.values()), sum(scores.values())
    if n_labelled < LEAST_LABELS:
        return Undetermined(f"the baseline has {n_labelled} labelled rows, {LEAST_LABELS} are needed")
    if not n:
        return Undetermined("no answers with a score")
    weights = np.array([labelled[bin_] for bin_ in known], float)
    shares = np.array([correct.get(bin_, 0) for bin_ in known]) / weights
    right = np.asarray(isotonic_regression(shares, weights=weights).x)
    window = np.array(sorted(scores.items()), float)
    accuracy = float(np.interp(window[:, 0], known, right) @ window[:, 1]) / n
    # Every answer is right or not, in the window and among the baseline's rows that say how often.
    half = critical(alpha) * sqrt(accuracy * (1 - accuracy) * (1 / n + 1 / n_labelled))
    return Interval(accuracy, max(0.0, accuracy - half), min(1.0, accuracy + half), "cbpe")
