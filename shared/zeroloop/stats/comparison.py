"""Two arms compared once, at the planned horizon: who looks more often uses `spending` or `sequences`."""

from fractions import Fraction
from math import sqrt

from msgspec import Struct
from msgspec.structs import replace
from scipy.special import ndtr, stdtr, stdtrit

from zeroloop.stats.intervals import Interval, newcombe
from zeroloop.stats.samples import Sample
from zeroloop.stats.undetermined import Undetermined


class Effect(Struct, frozen=True):
    """An estimated `value` with its standard `error`, the error's degrees of freedom, and the units of both arms."""

    value: float
    error: float
    df: float
    n: int

    @property
    def z(self) -> float:
        """Standard errors from 0."""
        return self.value / self.error


class Verdict(Struct, frozen=True):
    """An interval of 1 - alpha, and the two-sided p-value of no effect."""

    interval: Interval
    p_value: float


def difference(control: Sample, treatment: Sample) -> Effect | Undetermined:
    """The treatment's mean less the control's; Welch-Satterthwaite degrees of freedom (Welch 1947)."""
    parts = [(arm.variance / arm.n, arm.n) for arm in (control, treatment)]
    return _effect(treatment.mean - control.mean, parts)


def lift(control: Sample, treatment: Sample) -> Effect | Undetermined:
    """Treatment over control, less 1, by the delta method; positive where the treatment's mean is the greater.

    With means c and t: var = (var_t + (t / c)^2 var_c) / c^2. A control near 0 has no useful lift: within three of its
    standard errors of 0 it is undetermined, because the ratio is then far from normal.
    """
    own = control.variance / control.n
    if control.mean**2 <= 9 * own:
        return Undetermined("the control's mean is too close to 0 for a relative lift")
    share = treatment.mean / control.mean
    parts = [
        (share**2 * own / control.mean**2, control.n),
        (treatment.variance / treatment.n / control.mean**2, treatment.n),
    ]
    sign = 1 if control.mean > 0 else -1
    return _effect(sign * (share - 1), parts)


def wary(effect: Effect, control: Sample, treatment: Sample, factor: Fraction = Fraction(1)) -> Effect:
    """The `effect`, treatment - `factor` control: at least with the error of the pooled variance.

    A small arm that has seen nothing of a rare event has no variance of its own, and by that alone would be sure of it.
    Arms of one size have the same error either way; with units it is Welch's again.
    """
    n, m = control.n, treatment.n
    pooled = ((n - 1) * control.variance + (m - 1) * treatment.variance) / (n + m - 2)
    return replace(effect, error=max(effect.error, sqrt(pooled * (factor**2 / n + Fraction(1, m)))))


def welch(effect: Effect, alpha: float = 0.05) -> Verdict:
    """Welch's t test and interval."""
    p_value = 2 * float(stdtr(effect.df, -abs(effect.z)))
    half = -float(stdtrit(effect.df, alpha / 2)) * effect.error
    return Verdict(Interval(effect.value, effect.value - half, effect.value + half, "welch"), p_value)


def two_proportions(
    control: tuple[int, int], treatment: tuple[int, int], alpha: float = 0.05
) -> Verdict | Undetermined:
    """The pooled z test of equal shares, each (successes, n), with Newcombe's interval of the difference."""
    interval = newcombe(control, treatment, alpha)
    if isinstance(interval, Undetermined):
        return interval
    (a, n), (b, m) = control, treatment
    if not 0 < a + b < n + m:
        return Undetermined("every unit had the same outcome")
    # One fraction of integers: shares subtracted as floats would lose what tells 1e9 trials apart.
    z = (b * n - a * m) / sqrt((a + b) * (n + m - a - b)) * sqrt((n + m) / (n * m))
    return Verdict(interval, 2 * float(ndtr(-abs(z))))


def _effect(value: Fraction, parts: list[tuple[Fraction, int]]) -> Effect | Undetermined:
    """`parts` are the variances of the two estimates, with their numbers of units."""
    total = sum(variance for variance, _ in parts)
    if total <= 0:
        return Undetermined("neither arm varies")
    if any(n < 2 for _, n in parts):
        return Undetermined("an arm has fewer than 2 units")
    df = total**2 / sum(variance**2 / (n - 1) for variance, n in parts)
    return Effect(float(value), sqrt(total), float(df), sum(n for _, n in parts))
