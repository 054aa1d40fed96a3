"""Whether the arms got the shares that they were to get."""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from zeroloop.stats.undetermined import Undetermined

ALPHA = 0.001
"""Below it assignment or counting is broken, and no verdict may stand (Fabijan et al. 2019)."""

_PRIOR_UNITS = 100
"""How strongly other shares are expected near the right ones: within some points of half."""


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> float | Undetermined:
    """The p-value of `counts` under `shares` > 0, in any unit; it may be watched at every unit.

    One over the Bayes factor of a Dirichlet-multinomial, centred at `shares`, against the multinomial of just these:
    under the right shares that factor is a martingale and ever exceeds 1 / p in p of tests (Lindon & Malek 2022).
    """
    seen, right = np.asarray(counts, float), np.asarray(shares, float) / np.sum(shares)
    total = seen.sum()
    if len(counts) < 2 or total * right.min() < 5:
        return Undetermined("an arm expects fewer than 5 units")
    prior = _PRIOR_UNITS * right
    mixed = gammaln(_PRIOR_UNITS) - gammaln(_PRIOR_UNITS + total) + (gammaln(prior + seen) - gammaln(prior)).sum()
    return float(np.exp(min(0.0, (seen * np.log(right)).sum() - mixed)))
