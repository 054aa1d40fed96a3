"""A window beside the baseline: every test that their aggregates allow, and one verdict of all. Pure.

See `stats.drift` for the tests, docs/monitoring.md for what they find. Its cost doesn't depend on traffic.
"""

from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Literal

from msgspec import Struct

from zeroloop.monitoring.aggregate import SCORE_BINS, Aggregate, Feature
from zeroloop.monitoring.baseline import Baseline
from zeroloop.stats import drift
from zeroloop.stats.drift import Dispersion, Evidence, TokenBaseline
from zeroloop.stats.samples import Moments
from zeroloop.stats.undetermined import Undetermined

Found = Evidence | Undetermined
Status = Literal["healthy", "drifted", "undetermined"]

TOKENS = "tokens"
SCORE, LABEL, ANSWER = "score", "label", "answer"
_MISSING = "inf"
"""A bin of its own, behind all others."""


class Unheld(Undetermined, frozen=True):
    """A test of which nobody knows yet what it is without drift: its `ratio` is learned from, and not judged."""

    ratio: float


class Verdict(Struct, frozen=True):
    """Whether a window drifted, the p-value of all tests together, whether any effect is large, and what each found."""

    status: Status
    p_value: float | Undetermined
    large: bool
    found: dict[str, Found]


def compare(window: Aggregate, baseline: Baseline, spread: Mapping[str, Dispersion]) -> dict[str, Found]:
    """Each test by name: `tokens`, `<feature>:mean`, `<feature>:distribution`; `spread` by the same names.

    Where nothing is known of any test's spread, all are held against i.i.d. rows; what is known of others but not of
    one leaves that one `Unheld`, since rows that come in clusters would make it cry wolf.
    """
    found = dict(_features(window, baseline, spread))
    if baseline.token_spread:
        held = baseline.features["length"].n if "length" in baseline.features else 0
        facts = baseline.token_spread
        reference = TokenBaseline(held, baseline.tokens, facts.variances, facts.trace_2, facts.trace_3)
        n = window.features["length"].n if "length" in window.features else 0
        found[TOKENS] = drift.tokens(window.tokens, n, reference, spread.get(TOKENS, drift.IID))
    return {
        name: Unheld("its spread isn't known yet", one.ratio)
        if spread and name not in spread and isinstance(one, Evidence)
        else one
        for name, one in found.items()
    }


def judge(found: Mapping[str, Found], n: int) -> Verdict:
    """The verdict of a window of `n` rows: drifted at alpha .001, if what differs is also large."""
    if n < drift.LEAST_ROWS:
        few = Undetermined(f"{n} predictions, {drift.LEAST_ROWS} are needed")
        return Verdict("undetermined", few, large=False, found=dict(found))
    evidence = {name: one for name, one in found.items() if isinstance(one, Evidence)}
    groups: dict[str, list[float]] = {}
    for name, one in evidence.items():
        groups.setdefault(name.rpartition(":")[2], []).append(one.p_value)
    p_value = drift.family(*groups.values())
    large = any(one.large for one in evidence.values())
    if isinstance(p_value, Undetermined):
        return Verdict("undetermined", p_value, large, dict(found))
    return Verdict("drifted" if p_value < drift.ALPHA and large else "healthy", p_value, large, dict(found))


def dispersions(baseline: Baseline) -> dict[str, Dispersion]:
    """What is known of a version before it had traffic."""
    return {name: Dispersion(one.phi, one.windows, one.variation) for name, one in baseline.spread.items()}


def z_score(window: Feature, baseline: Feature) -> float | None:
    """(mean - mean) / standard deviation of the baseline, the first version's drift score: shown, and never judged."""
    if min(window.n, baseline.n) < 1:
        return None
    variance = baseline.sum_squares / baseline.n - (baseline.sum / baseline.n) ** 2
    return (window.sum / window.n - baseline.sum / baseline.n) / sqrt(variance) if variance > 0 else None


def _features(window: Aggregate, baseline: Baseline, spread: Mapping[str, Dispersion]) -> Iterator[tuple[str, Found]]:
    """A feature's mean where it has one, and its counts; scores and answers are features, too."""
    named = {name: (window.features.get(name, Feature(n=0)), one) for name, one in baseline.features.items()}
    if baseline.scores:
        named[SCORE] = _scores(window), _scores(baseline)
    if baseline.answer.n:
        named[ANSWER] = window.answer, baseline.answer
    for name, (now, before) in named.items():
        ordered = name not in baseline.frame.categories
        if ordered:
            key = f"{name}:mean"
            yield key, drift.shift(_moments(now), _moments(before), spread.get(key, drift.IID))
        key = f"{name}:distribution"
        yield key, drift.distribution(_bins(now), _bins(before), spread.get(key, drift.IID), ordered=ordered)
    if baseline.labels:
        key = f"{LABEL}:distribution"
        yield (
            key,
            drift.distribution(window.labels, baseline.labels, spread.get(key, drift.IID), ordered=False),
        )


def _scores(of: Aggregate) -> Feature:
    """Scores as a feature, counted by the middles of their bins in thousandths."""
    middles = {bin_: (2 * bin_ + 1) * 1000 // (2 * SCORE_BINS) for bin_ in of.scores}
    return Feature(
        n=sum(of.scores.values()),
        sum=sum(middles[bin_] * n for bin_, n in of.scores.items()),
        sum_squares=sum(middles[bin_] ** 2 * n for bin_, n in of.scores.items()),
        bins={str(bin_): n for bin_, n in of.scores.items()},
    )


def _moments(feature: Feature) -> Moments:
    return Moments(feature.n, feature.sum, feature.sum_squares)


def _bins(feature: Feature) -> dict[str, int]:
    return {**feature.bins, _MISSING: feature.missing} if feature.missing else feature.bins
