"""Planned looks at a test: how far apart the arms must be at each, if the test may end there.

By the share t of the planned information (units seen over units planned) a part of alpha is spent, by a function of
O'Brien-Fleming type (Lan & DeMets 1983): hardly any early, so that the last look is nearly a plain test. Boundaries
follow by recursive integration of the path's density (Armitage, McPherson & Rowe 1969).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import ceil, inf, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from zeroloop.stats.comparison import Effect, Verdict
from zeroloop.stats.intervals import Interval
from zeroloop.stats.undetermined import Undetermined

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_FAR = 8.5  # standard deviations; beyond lies 1e-17
_TINY = 1e-14
_MOST_PANELS = 256  # a step that needs more is integrated as one of (_FAR / 256)^2: tens of MB, whatever the steps

Density = tuple[NDArray[Any], NDArray[Any]]
"""Places, and the mass at each: a path that hasn't ended is there."""


def per_side(t: float, alpha: float) -> float:
    """What one side has spent at `t` > 0: 2 - 2 Phi(z_{alpha/4} / sqrt(t)), alpha / 2 from 1 on. The usual form."""
    return 2 * float(ndtr(ndtri(alpha / 4) / sqrt(t))) if t < 1 else alpha / 2


def in_total(t: float, alpha: float) -> float:
    """As `per_side`, with half of 2 - 2 Phi(z_{alpha/2} / sqrt(t)): a little more early, a little less at the end.

    At 28 looks and an effect that one look finds with .8: .735 of the horizon on average and power .772; .754 and .778.
    """
    return float(ndtr(ndtri(alpha / 2) / sqrt(t))) if t < 1 else alpha / 2


def boundaries(
    times: Sequence[float],
    alpha: float = 0.05,
    *,
    spent: Callable[[float, float], float] = per_side,
    last: bool = False,
) -> list[float] | Undetermined:
    """|z| that each look needs, at increasing shares of the planned information (above 1 when there is more).

    With `last` the test ends at its last look, however early, and all that is left is spent. A look with nothing left
    to spend needs infinity. Costs (1 / smallest step) for every look: hundreds of looks, not thousands.
    """
    if not times or times[0] <= 0 or any(b <= a for a, b in pairwise(times)):
        return Undetermined("looks need increasing shares of the planned information")
    steps = [b - a for a, b in pairwise([0.0, *times])]
    spends = [spent(t, alpha) for t in times]
    if last:
        spends[-1] = alpha / 2
    density: Density = (np.zeros(1), np.ones(1))
    limits: list[float] = []
    for k, (t, step, spend) in enumerate(zip(times, steps, pairwise([0.0, *spends]), strict=True)):
        limits.append(_limit(density, t, step, spend[1] - spend[0]))
        finest = sqrt(min(steps[k : k + 2]))
        density = _survivors(density, step, min(limits[-1], _FAR) * sqrt(t), finest)
    return limits


def at_look(effect: Effect, limit: float) -> Verdict:
    """`effect` at a look that needs |z| of `limit`: the repeated confidence interval holds over all looks together.

    The p-value is nominal: it counts as significant where |z| reaches the limit, not where it is below alpha.
    """
    half = limit * effect.error
    interval = Interval(effect.value, effect.value - half, effect.value + half, "obrien-fleming")
    return Verdict(interval, 2 * float(ndtr(-abs(effect.z))))


def _limit(density: Density, t: float, step: float, spend: float) -> float:
    """The z whose crossing, for the first time and upwards, has probability `spend`."""
    if spend <= 0:
        return inf
    alone = -float(ndtri(spend))  # as if no path had ended before: an upper limit, and exact for a spend that is tiny
    if spend < _TINY:
        return alone
    places, mass = density

    def excess(z: float) -> float:
        return float(mass @ ndtr((places - z * sqrt(t)) / sqrt(step))) - spend

    return alone if excess(alone) >= 0 else float(brentq(excess, -_FAR, alone, xtol=1e-12))


def _survivors(density: Density, step: float, end: float, finest: float) -> Density:
    """The density after another `step`, of paths within -end..end, at nodes as close as the next step needs."""
    places, mass = density
    panels = min(ceil(end / finest), _MOST_PANELS)
    edges = np.linspace(-end, end, panels + 1)
    half = end / panels
    nodes = (edges[:-1, None] + half * (1 + _NODES)).ravel()
    kernel = np.exp(-((nodes[:, None] - places) ** 2) / (2 * step)) / sqrt(2 * np.pi * step)
    return nodes, np.tile(half * _WEIGHTS, panels) * (kernel @ mass)
