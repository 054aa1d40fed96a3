"""Intervals that may be watched all the time: they hold at every number of units at once."""

from math import exp, log, sqrt

from zeroloop.stats.comparison import Effect, Verdict
from zeroloop.stats.intervals import Interval


def always_valid(effect: Effect, planned: int, alpha: float = 0.05) -> Verdict:
    """The asymptotic confidence sequence and its p-value, which never need a plan of looks.

    Half width: error * sqrt(2 (n r + 1) / (n r) * log(sqrt(n r + 1) / alpha)) with
    r = (-2 log alpha + log(1 - 2 log alpha)) / planned, which makes it narrowest at about `planned` units of both arms
    (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, theorem 2.2 and appendix B.2). Over 28 to 1,000 looks its false
    alarms are .01 to .03 at alpha .05, from 100 units on: the guarantee is asymptotic. Its power
    at an effect that a single look finds with .8 is about .5.
    """
    spread = effect.n * (-2 * log(alpha) + log(1 - 2 * log(alpha))) / planned
    half = effect.error * sqrt(2 * (spread + 1) / spread * log(sqrt(spread + 1) / alpha))
    p_value = min(1.0, sqrt(spread + 1) * exp(-(effect.z**2) * spread / (2 * (spread + 1))))
    interval = Interval(effect.value, effect.value - half, effect.value + half, "confidence sequence")
    return Verdict(interval, p_value)
