"""How many units a test needs, before it starts."""

from math import ceil, sqrt

from scipy.special import ndtri

from zeroloop.stats.intervals import critical


def units_for_means(
    effect: float, deviation: float, *, share: float = 0.5, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Units of both arms that find the difference `effect` of means, of which `share` get the treatment, two-sided.

    (z_{alpha/2} + z_{1-power})^2 deviation^2 (1 / share + 1 / (1 - share)) / effect^2, the deviation being one unit's.
    """
    reach = critical(alpha) + float(ndtri(power))
    return ceil((reach * deviation / effect) ** 2 / (share * (1 - share)))


def units_for_proportions(
    control: float, treatment: float, *, share: float = 0.5, alpha: float = 0.05, power: float = 0.8
) -> int:
    """Units of both arms that tell the shares `control` and `treatment` apart, in (0, 1), by the pooled z test.

    The threshold is of the pooled variance, the power of each arm's own (Fleiss, Levin & Paik 2003, section 4.2).
    """
    pooled = (1 - share) * control + share * treatment
    null = critical(alpha) * sqrt(pooled * (1 - pooled) / (share * (1 - share)))
    own = sqrt(control * (1 - control) / (1 - share) + treatment * (1 - treatment) / share)
    return ceil(((null + float(ndtri(power)) * own) / (treatment - control)) ** 2)
