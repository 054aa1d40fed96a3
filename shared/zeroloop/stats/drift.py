"""Whether a window of traffic differs from the baseline, from sums and counts alone.

One p-value of many tests: each numeric feature's mean (Welch), each binned feature's counts (chi-squared), and for text
the sums of hashed tokens. Real traffic comes in clusters and isn't i.i.d.: each statistic is divided by its
overdispersion phi, the mean of statistic / df over healthy windows, its degrees of freedom are cut to what those
windows show, and Fisher's F takes the place of chi-squared for what few windows can't know. A p-value alone says
nothing of size: `large` does.
"""

from collections.abc import Mapping, Sequence
from math import inf, sqrt

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray
from scipy.special import chdtrc, chdtri, fdtrc, rel_entr

from zeroloop.stats.comparison import difference
from zeroloop.stats.multiple import cauchy
from zeroloop.stats.samples import Moments, mean
from zeroloop.stats.undetermined import Undetermined

ALPHA = 0.001
"""Of one window. With `large`, and only when two windows running say so, it is an alert."""
LEAST_ROWS = 200
LEAST_WINDOWS = 20
LARGE_SHIFT = 0.2
"""Standard deviations of the baseline."""
LARGE_DISTANCE = 0.1
"""Jensen-Shannon distance above the 95th percentile of what chance gives."""
LARGE_EXCESS = 0.001
"""Squared standardised distance of token means beyond chance, as a share of the number of token buckets."""

_LEAST_EXPECTED = 5


class Dispersion(Struct, frozen=True):
    """Overdispersion `phi` >= 1, learned from `windows` healthy ones; the default is that of i.i.d. rows.

    `variation` is the squared coefficient of variation of their ratios: 2 / df for a chi-squared, more where clusters
    make the tail heavier than phi alone says.
    """

    phi: float = 1.0
    windows: float = inf
    variation: float = 0.0

    def degrees(self, df: float) -> float:
        """The degrees of freedom that are left of `df`."""
        return df / max(1.0, self.variation * df / 2)


class Evidence(Struct, frozen=True):
    """One test of a window.

    `ratio` is statistic / df before phi, from which phi is learned; `large` judges `effect`; `sizes` are others.
    """

    p_value: float
    ratio: float
    effect: float
    large: bool
    sizes: dict[str, float] = field(default_factory=dict)


class TokenBaseline(Struct, frozen=True):
    """Of the token vectors of `n` held-out rows: sums, variances, and the traces of R^2 and R^3, R their correlation.

    Buckets that are constant have variance 0 and are left out.
    """

    n: int
    sums: list[int]
    variances: list[float]
    trace_2: float
    trace_3: float


IID = Dispersion()


def dispersion(ratios: Sequence[float]) -> Dispersion | Undetermined:
    """What a test's `ratio` was in healthy windows of one length, as phi."""
    if len(ratios) < LEAST_WINDOWS:
        return Undetermined(f"{len(ratios)} healthy windows, {LEAST_WINDOWS} are needed")
    average = float(np.mean(ratios))
    return Dispersion(max(1.0, average), len(ratios), float(np.var(ratios, ddof=1)) / average**2)


def shift(current: Moments, baseline: Moments, spread: Dispersion = IID) -> Evidence | Undetermined:
    """Welch's test of a feature's mean; the effect is the shift in standard deviations of the baseline."""
    now, before = mean(current), mean(baseline)
    if isinstance(now, Undetermined) or isinstance(before, Undetermined):
        return Undetermined("fewer than 2 values")
    if not before.variance:
        return Undetermined("the feature is constant in the baseline")
    moved = difference(before, now)
    if isinstance(moved, Undetermined):
        return moved
    effect = moved.value / sqrt(before.variance)
    df = 1 / (1 / moved.df + 1 / spread.windows)
    p_value = float(fdtrc(spread.degrees(1), df, moved.z**2 / spread.phi))
    return Evidence(p_value, moved.z**2, effect, large=abs(effect) >= LARGE_SHIFT)


def distribution(
    current: Mapping[str, int], baseline: Mapping[str, int], spread: Dispersion = IID, *, ordered: bool
) -> Evidence | Undetermined:
    """Pearson's chi-squared test that counts are of one distribution; the effect is Jensen-Shannon's distance.

    Bins (`ordered` by the number that is their name, else by how rare they are) are merged with the next until both
    sides expect 5. Distance and divergences are in nats; a merged bin that is empty on one side counts as half a row.
    """
    names = current.keys() | baseline.keys()
    counts = np.array([(current.get(name, 0), baseline.get(name, 0)) for name in sorted(names)], float).reshape(-1, 2)
    if 0 in counts.sum(axis=0):
        return Undetermined("no values")
    order = [float(name) for name in sorted(names)] if ordered else counts.sum(axis=1)
    merged = _merged(counts[np.argsort(order, kind="stable")])
    df = len(merged) - 1
    if not df:
        return Undetermined("nearly all values are in one bin")
    totals = merged.sum(axis=0)
    expected = np.outer(merged.sum(axis=1), totals / totals.sum())
    ratio = float(((merged - expected) ** 2 / expected).sum()) / df
    q, p = (merged / totals).T
    distance = sqrt(float((rel_entr(p, (p + q) / 2) + rel_entr(q, (p + q) / 2)).sum()) / 2)
    chance = sqrt(float(chdtri(df, 0.05)) * spread.phi * (1 / totals).sum() / 8)
    return Evidence(
        _tail(ratio, df, spread), ratio, distance, large=distance > chance + LARGE_DISTANCE, sizes=_sizes(merged)
    )


def tokens(sums: Sequence[int], n: int, baseline: TokenBaseline, spread: Dispersion = IID) -> Evidence | Undetermined:
    """Test that the mean token vector of `n` rows, whose `sums` these are, is the baseline's (of m rows).

    T = sum over buckets of (difference of means)^2 / variance / (1/n + 1/m) is a weighted sum of chi-squareds, whose
    weights are the eigenvalues of R. By the traces r_i of R^i it is matched to a chi-squared with h = r_2^3 / r_3^2
    degrees of freedom, (T - r_1) sqrt(h / r_2) + h (Liu, Tang & Zhang 2009; Imhof 1961). Traces of a sample are a
    little too large, which makes the test a little too careful where the baseline is small.
    """
    if len(sums) != len(baseline.sums) or n < 2:
        return Undetermined("no token vectors")
    variances = np.asarray(baseline.variances)
    varying = variances > 0
    trace = int(varying.sum())
    if not trace:
        return Undetermined("the token vectors are constant in the baseline")
    moved = (np.asarray(sums) / n - np.asarray(baseline.sums) / baseline.n)[varying]
    chance = 1 / n + 1 / baseline.n
    ratio = float((moved**2 / variances[varying]).sum()) / chance / trace
    effective = trace**2 / baseline.trace_2
    h = spread.degrees(effective) / effective * baseline.trace_2**3 / baseline.trace_3**2
    matched = (ratio / spread.phi - 1) * sqrt(spread.degrees(effective) * h) + h
    effect = (ratio - 1) * chance
    p_value = _tail(max(0.0, matched) / h, h, Dispersion(1.0, spread.windows))
    return Evidence(p_value, ratio, effect, large=effect >= LARGE_EXCESS)


def token_baseline(vectors: NDArray[np.int64]) -> TokenBaseline:
    """Of the (rows, buckets) vectors of at least 2 held-out rows; never of rows that the vocabulary was made from."""
    variances = vectors.var(axis=0, ddof=1)
    varying = vectors[:, variances > 0]
    r = np.atleast_2d(np.corrcoef(varying, rowvar=False)) if varying.size else np.zeros((1, 1))
    return TokenBaseline(
        len(vectors),
        vectors.sum(axis=0).tolist(),
        variances.tolist(),
        float((r * r).sum()),
        float((r @ r * r).sum()),
    )


def family(*groups: Sequence[float]) -> float | Undetermined:
    """One p-value of all tests of a window, in groups that say the same in different ways: means, counts, tokens.

    Cauchy's combination within a group, and over the groups that have any, each with the same weight: a group of many
    features doesn't drown one of few.
    """
    held = [cauchy(group) for group in groups if group]
    return cauchy(held) if held else Undetermined("no test was possible")


def _tail(ratio: float, df: float, spread: Dispersion) -> float:
    """P(chi2_df / df > ratio / phi), phi being itself a mean of such ratios: Fisher's F."""
    df = spread.degrees(df)
    if spread.windows == inf:
        return float(chdtrc(df, df * ratio / spread.phi))
    return float(fdtrc(df, df * spread.windows, ratio / spread.phi))


def _merged(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """`counts`, (bins, 2), each joined with the next until both sides expect enough; what is left joins the last."""
    totals = counts.sum(axis=0)
    least = _LEAST_EXPECTED * totals.sum() / totals.min()
    groups = [np.zeros(2)]
    for row in counts:
        if groups[-1].sum() >= least:
            groups.append(np.zeros(2))
        groups[-1] = groups[-1] + row
    if len(groups) > 1 and groups[-1].sum() < least:
        last = groups.pop()
        groups[-1] = groups[-1] + last
    return np.array(groups)


def _sizes(merged: NDArray[np.float64]) -> dict[str, float]:
    """Divergences that dashboards show; never a verdict."""
    q, p = (np.maximum(merged, 0.5) / merged.sum(axis=0)).T
    return {"psi": float((rel_entr(p, q) + rel_entr(q, p)).sum()), "kl": float(rel_entr(q, p).sum())}
