"""Intervals for shares that hold at 0, at 1 and for few trials, where p +- 2 standard errors doesn't."""

from math import hypot, sqrt

from msgspec import Struct
from scipy.special import bdtr, ndtri

from zeroloop.stats.undetermined import Undetermined


class Interval(Struct, frozen=True):
    """From `lower` to `upper` around the estimate `value`, and the `method` that made it."""

    value: float
    lower: float
    upper: float
    method: str


def critical(alpha: float) -> float:
    """The normal quantile that leaves alpha / 2, of 0 < alpha < 1, on either side."""
    return -float(ndtri(alpha / 2))


def at_most(successes: int, n: int, share: float) -> float:
    """The chance of so many successes or fewer, 0 <= successes <= n, in n trials that each succeed with `share`."""
    return float(bdtr(successes, n, share))


def wilson(successes: int, n: int, alpha: float = 0.05) -> Interval | Undetermined:
    """Wilson's score interval of the share successes / n, 0 <= successes <= n (Wilson 1927)."""
    if n < 1:
        return Undetermined("no trials")
    z2 = critical(alpha) ** 2
    lower = _wilson_lower(successes, n, z2)
    return Interval(successes / n, lower, 1 - _wilson_lower(n - successes, n, z2), "wilson")


def newcombe(control: tuple[int, int], treatment: tuple[int, int], alpha: float = 0.05) -> Interval | Undetermined:
    """Interval of the treatment's share less the control's, each (successes, n) (Newcombe 1998, method 10).

    Wilson's limits of both, combined as root of sum of squares.
    """
    a, b = wilson(*control, alpha), wilson(*treatment, alpha)
    if isinstance(a, Undetermined) or isinstance(b, Undetermined):
        return Undetermined("an arm has no trials")
    value = b.value - a.value
    return Interval(
        value,
        value - hypot(b.value - b.lower, a.upper - a.value),
        value + hypot(b.upper - b.value, a.value - a.lower),
        "newcombe",
    )


def _wilson_lower(successes: int, n: int, z2: float) -> float:
    """The smaller root of (p - successes / n)^2 = z2 p (1 - p) / n, as their product over the larger one.

    Centre less half width would lose every digit for one success in 1e9 trials.
    """
    larger = successes + z2 / 2 + sqrt(z2) * sqrt(successes * (n - successes) / n + z2 / 4)
    return successes / n * successes / larger
