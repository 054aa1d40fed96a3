"""Whether the arms got the shares that they were to get."""

from collections.abc import Sequence

import numpy as np
from scipy.special import chdtrc

from zeroloop.stats.undetermined import Undetermined

ALPHA = 0.001
"""Below it assignment or counting is broken, and no verdict may stand (Fabijan et al. 2019)."""


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> float | Undetermined:
    """The p-value of `counts` under `shares` > 0, in any unit: Pearson's chi-squared, arms - 1 degrees."""
    seen = np.asarray(counts, float)
    expected = seen.sum() * np.asarray(shares, float) / np.sum(shares)
    if len(counts) < 2 or expected.min() < 5:
        return Undetermined("an arm expects fewer than 5 units")
    return float(chdtrc(len(counts) - 1, float(((seen - expected) ** 2 / expected).sum())))
