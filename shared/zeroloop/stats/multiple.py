"""Many tests of one question: p-values that hold for all of them together."""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given (Holm 1979): rejecting those below alpha errs at most that often."""
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def weighted(tests: Sequence[tuple[float, float]]) -> float:
    """One p-value of several (p-value, weight), with weights that add up to 1: the least p / weight (Bonferroni)."""
    return min(1.0, *(p / weight for p, weight in tests))
