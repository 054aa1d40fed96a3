"""Many tests of one question: p-values that hold for all of them together."""

from collections.abc import Sequence
from math import atan2, pi, tan

_LEAST, _MOST = 1e-300, 0.99


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given (Holm 1979): rejecting those below alpha errs at most that often."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def cauchy(p_values: Sequence[float]) -> float:
    """One p-value of several that may depend on each other in any way (Liu & Xie 2020): mean of cot(pi p), back again.

    Exact in the tail, where it is the smallest that counts. Those above .99 count as .99, so that one which is 1 by
    chance takes nothing from those that are small (Fang, Chang, Park & Tseng 2023).
    """
    mean = sum(1 / tan(pi * min(max(p, _LEAST), _MOST)) for p in p_values) / len(p_values)
    return atan2(1.0, mean) / pi
