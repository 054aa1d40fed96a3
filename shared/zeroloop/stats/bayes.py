"""For information only: decisions follow the tests."""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from scipy.special import ndtr

from zeroloop.stats.samples import Sample
from zeroloop.stats.undetermined import Undetermined

_REACH = np.linspace(-8, 8, 801)


def probability_best(arms: Sequence[Sample]) -> list[float] | Undetermined:
    """For each arm, the probability that its mean is the greatest: flat priors, normal posteriors, independent.

    The integral of an arm's density times all others' distribution functions, at nodes as fine as each arm needs.
    """
    errors = [sqrt(arm.variance / arm.n) for arm in arms]
    if min(errors) <= 0:
        return Undetermined("an arm doesn't vary")
    first = arms[0].mean  # subtracted exactly: the arms of a large mean differ in its last digits
    means = [float(arm.mean - first) for arm in arms]
    places = np.unique(np.concatenate([mean + error * _REACH for mean, error in zip(means, errors, strict=True)]))
    scores = [(places - mean) / error for mean, error in zip(means, errors, strict=True)]
    below = np.array([ndtr(score) for score in scores])
    best = []
    for i, (score, error) in enumerate(zip(scores, errors, strict=True)):
        density = np.exp(-(score**2) / 2) / (error * sqrt(2 * np.pi))
        best.append(float(np.trapezoid(density * np.delete(below, i, axis=0).prod(axis=0), places)))
    return [one / sum(best) for one in best]  # the nodes miss up to 1e-5 of them all together
