"""What monitoring concludes for a window of a version, and how it learns what healthy windows are like. Pure."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

from zeroloop.monitoring import drifting
from zeroloop.monitoring.aggregate import Aggregate, Feature
from zeroloop.monitoring.baseline import Baseline
from zeroloop.monitoring.drifting import Status, Unheld, Verdict
from zeroloop.stats import drift
from zeroloop.stats.drift import Dispersion, Evidence
from zeroloop.stats.undetermined import Undetermined

Every = Literal["hour", "day", "demand"]

MOST_FEATURES = 50
MOST_WINDOWS = 100
"""Healthy windows from which a test's phi is learned: then it is fixed, or a slow drift would teach it."""
_DIGITS = 6


class Report(Struct, frozen=True, kw_only=True):
    """Contract: docs/contracts/report.schema.json. Times in ms since 1970."""

    schema_version: Literal[1] = 1
    model_id: str
    model: str
    model_version: int
    every: Every
    window_start: int
    window_end: int
    at: int
    n: int
    status: Status
    p_value: float | None
    effect: dict[str, Any] | None
    reason: str | None = None
    spread_from: str = "i.i.d."
    features: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)


class Learned(Struct, frozen=True):
    """Of the healthy windows of a version and one length: of each test in how many it was possible, sum and squares.

    A test that isn't possible in some of them, as where a category is rare, is learned from the others.
    """

    tests: dict[str, tuple[int, float, float]] = field(default_factory=dict)

    @property
    def windows(self) -> int:
        """In how many the test was possible that most often was."""
        return max((n for n, _, _ in self.tests.values()), default=0)


def judge(window: Aggregate, baseline: Baseline | None, learned: Learned) -> Verdict:
    """The verdict of a window."""
    if baseline is None:
        return Verdict("undetermined", Undetermined("the version has no baseline"), large=False, found={})
    return drifting.judge(drifting.compare(window, baseline, spreads(baseline, learned)), window.n)


def spreads(baseline: Baseline, learned: Learned) -> dict[str, Dispersion]:
    """What each test is held against: 20 healthy windows of its own, until then blocks of the baseline's rows."""
    known = {name: _dispersion(*held) for name, held in learned.tests.items() if held[0] >= drift.LEAST_WINDOWS}
    return {**drifting.dispersions(baseline), **known}


def learn(learned: Learned, verdict: Verdict) -> Learned:
    """`learned`, and what a healthy window adds; any other adds nothing."""
    if verdict.status != "healthy":
        return learned
    tests = dict(learned.tests)
    for name, one in verdict.found.items():
        n, total, squares = tests.get(name, (0, 0.0, 0.0))
        if isinstance(one, Evidence | Unheld) and n < MOST_WINDOWS:
            tests[name] = (n + 1, total + one.ratio, squares + one.ratio**2)
    return Learned(tests)


def told(verdict: Verdict, baseline: Baseline | None, learned: Learned) -> dict[str, Any]:
    """The fields of a report that a verdict gives."""
    unknown = isinstance(verdict.p_value, Undetermined)
    blocks = "baseline" if baseline and baseline.spread else "i.i.d."
    return {
        "status": verdict.status,
        "p_value": None if unknown else verdict.p_value,
        "reason": verdict.p_value.reason if isinstance(verdict.p_value, Undetermined) else None,
        "effect": _largest(verdict.found),
        "spread_from": f"{learned.windows} windows" if learned.windows >= drift.LEAST_WINDOWS else blocks,
    }


def features(window: Aggregate, baseline: Baseline | None, verdict: Verdict) -> list[dict[str, Any]]:
    """What each feature shows, the most surprising first."""
    if baseline is None:
        return []
    rows: dict[str, dict[str, Any]] = {}
    for name, found in verdict.found.items():
        feature, _, test = name.partition(":")
        rows.setdefault(feature, {"feature": feature})[test or "mean"] = _finding(found)
    for name, row in rows.items():
        row["p_value"] = min((one["p_value"] for one in row.values() if _has_p(one)), default=None)
        if name in baseline.features:
            now, before = window.features.get(name, Feature(n=0)), baseline.features[name]
            if name not in baseline.frame.categories:
                row["z_score"] = _rounded(drifting.z_score(now, before))
            row["missing"] = {"now": now.missing, "baseline": before.missing}
    ordered = sorted(rows.values(), key=lambda row: 2.0 if row["p_value"] is None else row["p_value"])
    return ordered[:MOST_FEATURES]


def _has_p(one: Any) -> bool:
    return isinstance(one, dict) and one.get("p_value") is not None


def _finding(found: Evidence | Undetermined) -> dict[str, Any]:
    if isinstance(found, Undetermined):
        return {"p_value": None, "why": found.reason}
    sizes = {name: _rounded(size) for name, size in found.sizes.items()}
    return {"p_value": found.p_value, "effect": _rounded(found.effect), "large": found.large, **sizes}


def _largest(found: Mapping[str, Evidence | Undetermined]) -> dict[str, Any] | None:
    """The most surprising effect among those that are large, or if none is, among all."""
    known = [(not one.large, one.p_value, name, one) for name, one in found.items() if isinstance(one, Evidence)]
    if not known:
        return None
    _, _, name, one = min(known, key=lambda row: row[:3])
    feature, _, test = name.partition(":")
    return {"feature": feature, "test": test or "mean", "value": _rounded(one.effect), "large": one.large}


def _dispersion(windows: int, total: float, squares: float) -> Dispersion:
    average = total / windows
    variance = max(0.0, (squares - total * average) / (windows - 1))
    return Dispersion(max(1.0, average), windows, variance / average**2 if average else 0.0)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")
