"""Integer sums of an arm, and what the tests need to know of it: n, mean and variance, exact until the square root.

Values are integers (a number times a scale): float sums near 1e9 lose the variance altogether. Sums are merged by `+`.
"""

from fractions import Fraction

from msgspec import Struct

from zeroloop.stats.undetermined import Undetermined


class Moments(Struct, frozen=True):
    """Of n integers y: sum and sum of squares."""

    n: int = 0
    y: int = 0
    yy: int = 0

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.n + other.n, self.y + other.y, self.yy + other.yy)


class Pairs(Struct, frozen=True):
    """Of n units with two integers each: a metric y, and its denominator or a covariate from before the test, x."""

    n: int = 0
    y: int = 0
    yy: int = 0
    x: int = 0
    xx: int = 0
    xy: int = 0

    def __add__(self, other: "Pairs") -> "Pairs":
        return Pairs(
            self.n + other.n,
            self.y + other.y,
            self.yy + other.yy,
            self.x + other.x,
            self.xx + other.xx,
            self.xy + other.xy,
        )


class Sample(Struct, frozen=True):
    """`n` units, the estimate of their `mean`, and the `variance` of one unit: the estimate's own is variance / n."""

    n: int
    mean: Fraction
    variance: Fraction


def mean(moments: Moments, scale: int = 1) -> Sample | Undetermined:
    """Mean and unbiased variance (n yy - y^2) / (n (n - 1)) of values that were multiplied by `scale`."""
    if moments.n < 2:
        return _few(moments.n)
    return Sample(
        moments.n,
        Fraction(moments.y, moments.n * scale),
        _covariance(moments.n, moments.y, moments.y, moments.yy) / scale**2,
    )


def proportion(successes: int, n: int) -> Sample | Undetermined:
    """Share p of `n` units, with variance p (1 - p)."""
    if n < 1:
        return _few(n)
    p = Fraction(successes, n)
    return Sample(n, p, p * (1 - p))


def ratio(pairs: Pairs) -> Sample | Undetermined:
    """Sum of y over sum of x, R: clicks per request where the unit is the user.

    Delta method: the variance of y - R x over the squared mean of x (Deng, Knoblich & Lu 2018, section 2.2).
    """
    if pairs.n < 2:
        return _few(pairs.n)
    if pairs.x == 0:
        return Undetermined("the denominators add up to 0")
    value = Fraction(pairs.y, pairs.x)
    return Sample(pairs.n, value, _residual(pairs, value) / Fraction(pairs.x, pairs.n) ** 2)


def cuped(arms: list[Pairs], scale: int = 1) -> list[Sample] | Undetermined:
    """The arms' means of y / `scale`, freed of what the covariate x explains; x must be from before the test.

    y - theta (x - mean of x over all arms), theta = sum of the arms' covariances / sum of their variances of x
    (Deng, Xu, Kohavi & Walker 2013). Where x says nothing (theta = 0) these are the plain means.
    """
    if any(arm.n < 2 for arm in arms):
        return _few(min(arm.n for arm in arms))
    within = [(arm.n - 1) * _covariance(arm.n, arm.x, arm.x, arm.xx) for arm in arms]
    if not sum(within):
        return Undetermined("the covariate is constant")
    shared = [(arm.n - 1) * _covariance(arm.n, arm.x, arm.y, arm.xy) for arm in arms]
    theta = sum(shared, Fraction()) / sum(within, Fraction())
    centre = Fraction(sum(arm.x for arm in arms), sum(arm.n for arm in arms))
    return [
        Sample(
            arm.n,
            (Fraction(arm.y, arm.n) - theta * (Fraction(arm.x, arm.n) - centre)) / scale,
            _residual(arm, theta) / scale**2,
        )
        for arm in arms
    ]


def _covariance(n: int, x: int, y: int, xy: int) -> Fraction:
    return Fraction(n * xy - x * y, n * (n - 1))


def _residual(pairs: Pairs, slope: Fraction) -> Fraction:
    """Variance of y - slope x."""
    n = pairs.n
    return (
        _covariance(n, pairs.y, pairs.y, pairs.yy)
        - 2 * slope * _covariance(n, pairs.x, pairs.y, pairs.xy)
        + slope**2 * _covariance(n, pairs.x, pairs.x, pairs.xx)
    )


def _few(n: int) -> Undetermined:
    return Undetermined(f"{n} units are too few")
