"""What an aggregate tells of a version's traffic: the metrics of the API, and what windows are judged by. Pure."""

from collections.abc import Mapping
from math import exp
from typing import Any

from msgspec import Struct

from zeroloop.inference.assignment import BUCKETS
from zeroloop.monitoring.aggregate import Aggregate
from zeroloop.monitoring.alerts import Judged, Settings
from zeroloop.monitoring.baseline import Baseline
from zeroloop.monitoring.frame import ANOTHER, OTHER
from zeroloop.stats.comparison import difference
from zeroloop.stats.estimated import estimated_accuracy
from zeroloop.stats.intervals import Interval, at_most, wilson
from zeroloop.stats.quantiles import GAMMA, quantile
from zeroloop.stats.samples import Sample, proportion
from zeroloop.stats.sequences import always_valid
from zeroloop.stats.undetermined import Undetermined

LEAST_REQUESTS, LEAST_LABELS = 100, 100
NO_BASELINE = "the version has no baseline"
_UNIT = 1000
_LEAST_TOLD = 20
_QUIET = 0.001
"""Chance of what is seen, below which it counts as silence, or as ingest that falls behind."""
_PLANNED = 10_000
_WORSE_ALPHA = 0.01


class Requests(Struct, frozen=True):
    """Requests by how they ended; `crashes` left no line, and are known of the function as a whole."""

    answered: float
    refused: float
    failed: float
    crashes: float = 0.0

    @property
    def total(self) -> float:
        """All that were counted."""
        return self.answered + self.refused + self.failed

    @property
    def error_rate(self) -> float | None:
        """(5xx + crashes) / (2xx + 5xx + crashes); callers' mistakes are nobody's errors here."""
        bad = self.failed + self.crashes
        return bad / (self.answered + bad) if self.answered + bad else None


def requests(of: Aggregate, crashes: float = 0.0) -> Requests:
    """Of thousandths by status."""
    kinds = {"2": 0.0, "4": 0.0, "5": 0.0}
    for status, n in of.requests.items():
        kinds[status[0]] = kinds.get(status[0], 0.0) + n / _UNIT
    return Requests(kinds["2"], kinds["4"], kinds["5"], crashes)


def metrics(of: Aggregate, baseline: Baseline | str, minutes: int, crashes: float = 0.0) -> dict[str, Any]:
    """All that is known; null where nothing is, and why beside it: in place of the baseline, why there is none."""
    seen = requests(of, crashes)
    latencies = {f"p{q}_ms": _number(quantile(of.latency, q / 100)) for q in (50, 95, 99)}
    outcome = outcomes(of)
    n_scores = sum(of.scores.values())
    return {
        "total": of.n,
        "requests": {
            "total": _short(seen.total),
            "2xx": _short(seen.answered),
            "4xx": _short(seen.refused),
            "5xx": _short(seen.failed),
            "crashes": _short(crashes),
            "by_code": dict(sorted(of.errors.items())),
        },
        "throughput_per_second": _short(seen.total / (60 * minutes)),
        "avg_latency_ms": mean_latency(of),
        **latencies,
        "error_rate": None if seen.error_rate is None else _short(seen.error_rate),
        "classes": _shares(of.labels),
        "scores": {"bins": {f"{bin_ / 50:.2f}": n for bin_, n in sorted(of.scores.items())}, "n": n_scores},
        **outcome,
        "label_coverage": _short(min(1.0, outcome["labelled"] / (of.n * _weight(of)))) if of.n else None,
        "estimated_accuracy": _estimate(of, baseline),
    }


def outcomes(of: Aggregate) -> dict[str, Any]:
    """Accuracy, and each label's precision, recall and F1, with Wilson's intervals, from what labels are known.

    F1's mean is of the labels that have names: one with a typo is a wrong answer, and no class. So is "?", unless
    it stands for more than the label of an answer without a name.
    """
    cells = {tuple(cell.split("\t")): n for cell, n in of.confusion.items()}
    n, right = sum(cells.values()), sum(n for (said, true), n in cells.items() if said == true)
    names = sorted({label for cell in cells for label in cell})
    labels = {name: _label(name, cells) for name in names}
    named = {label for cell in cells if cell != (OTHER, ANOTHER) for label in cell} - {OTHER}
    scored = [one["f1"] for name, one in labels.items() if one["f1"] is not None and name in named]
    return {
        "labelled": n,
        "accuracy": _short(right / n) if n else None,
        "accuracy_interval": _interval(wilson(right, n)),
        "f1_macro": _short(sum(scored) / len(scored)) if scored else None,
        "labels": labels,
    }


def _label(name: str, cells: Mapping[tuple[str, ...], int]) -> dict[str, Any]:
    hits = cells.get((name, name), 0)
    said = sum(n for (one, _), n in cells.items() if one == name)
    true = sum(n for (_, one), n in cells.items() if one == name)
    return {
        "precision": _interval(wilson(hits, said)),
        "recall": _interval(wilson(hits, true)),
        "f1": _short(2 * hits / (said + true)) if said + true else None,
        "answered": said,
        "actual": true,
    }


def accuracy(of: Aggregate) -> Sample | Undetermined:
    """The share of right answers among those whose label is known."""
    right = sum(n for cell, n in of.confusion.items() if len({*cell.split("\t")}) == 1)
    return proportion(right, sum(of.confusion.values()))


def mean_latency(of: Aggregate) -> float | None:
    """Within 2%, from the middles of the buckets."""
    n = sum(of.latency.values())
    return _short(sum(2 * GAMMA**i / (1 + GAMMA) * times for i, times in of.latency.items()) / n) if n else None


def latency(of: Aggregate, settings: Settings) -> Judged:
    """Whether p95 is above its limit."""
    n = sum(of.latency.values())
    p95 = quantile(of.latency, 0.95)
    if n < LEAST_REQUESTS or isinstance(p95, Undetermined):
        return Judged(None, n=n, why=f"{n} answers, {LEAST_REQUESTS} are needed")
    return Judged(p95 > settings.p95_ms, _short(p95), settings.p95_ms, n)


def enough(of: Aggregate) -> bool:
    """Whether the lines suffice for an error rate."""
    return _lines(of) >= LEAST_REQUESTS


def errors(of: Aggregate, crashes: float, settings: Settings) -> Judged:
    """Whether the error rate is above its limit."""
    seen = requests(of, crashes)
    n = round(seen.answered + seen.failed + crashes)
    told = _lines(of, crashes)
    if told < LEAST_REQUESTS or seen.error_rate is None:
        return Judged(None, n=n, why=f"{told} lines and crashes, {LEAST_REQUESTS} are needed")
    return Judged(seen.error_rate > settings.error_rate, _short(seen.error_rate), settings.error_rate, n)


def worse_accuracy(of: Aggregate, baseline: Baseline | None, settings: Settings) -> Judged:
    """Whether accuracy is below the baseline's by more than the limit."""
    now = accuracy(of)
    held = accuracy(baseline) if baseline else Undetermined("")
    n = sum(of.confusion.values())
    if n < LEAST_LABELS or isinstance(now, Undetermined):
        return Judged(None, n=n, why=f"{n} labels, {LEAST_LABELS} are needed")
    if isinstance(held, Undetermined):
        return Judged(None, n=n, why="the baseline has no labels")
    limit = float(held.mean) - settings.accuracy_drop
    return Judged(float(now.mean) < limit, _short(float(now.mean)), _short(limit), n)


def silence(of: Aggregate, before: Aggregate, share: float, *, silent: bool, told: int = 0) -> Judged:
    """Whether nothing came where something was due: `share` is the window's length over that of the time `before`.

    Nothing comes by chance with exp(-expected), were requests independent. Once `silent`, until something comes. What
    CloudWatch was `told` of came, though it isn't counted.
    """
    n = max(requests(of).total, told)
    expected = requests(before).total * share
    return Judged(not n and (silent or exp(-expected) < _QUIET), n, _short(expected), round(n))


def behind(of: Aggregate, told: int, share: float = 1.0) -> Judged:
    """Whether fewer than 9 of 10 requests are counted of those that CloudWatch was `told` of, beyond chance.

    A `share` of the answered ones has a line that can be counted, each other one has one; `of` is of requests that
    CloudWatch has by the model's name. Were 9 of 10 counted, the lines would be binomial: so few come with a chance
    below .001. With a share of 1 nothing is left to chance.
    """
    share = round(share * BUCKETS) / BUCKETS
    due = -(-9 * told // 10)
    if told < _LEAST_TOLD or at_most(0, due, share) >= _QUIET:
        return Judged(None, n=told, why=f"CloudWatch knows of {told} requests, too few with a LogShare of {share:g}")
    seen = requests(of)
    answers = max(0, due - round(seen.refused + seen.failed))
    lines = min(answers, round(seen.answered * share))
    return Judged(at_most(lines, answers, share) < _QUIET, _short(seen.total / told), 0.9, told)


def significantly_worse(
    now: Aggregate, before: Aggregate, crashes: float = 0.0, crashes_before: float = 0.0
) -> dict[str, Any] | None:
    """In what a version is worse than the one before it, beyond chance and by more than a trifle; the first that is.

    Errors by a percentage point, answers slower than the predecessor's p95 by five, accuracy by two. A confidence
    sequence at alpha .01 holds however often it is looked at.
    """
    p95 = quantile(before.latency, 0.95)
    right, then = accuracy(now), accuracy(before)
    shares = {
        "errors": (_bad(before, crashes_before), _bad(now, crashes), 0.01),
        "latency": None if isinstance(p95, Undetermined) else (_slow(before, p95), _slow(now, p95), 0.05),
        "accuracy": None
        if isinstance(right, Undetermined) or isinstance(then, Undetermined)
        else (_wrong(then), _wrong(right), 0.02),
    }
    for what, compared in shares.items():
        found = _worse(*compared) if compared else None
        if found:
            return {"guardrail": what, **found}
    return None


def _lines(of: Aggregate, crashes: float = 0.0) -> int:
    """Lines of requests that were answered or failed, and crashes: a sampled line stands for many, and knows one."""
    return round(sum(of.latency.values()) + requests(of).failed + crashes)


def _weight(of: Aggregate) -> float:
    """Requests that an answered line stands for; labels come for all of them."""
    lines = sum(of.latency.values())
    return requests(of).answered / lines if lines else 1.0


def _bad(of: Aggregate, crashes: float) -> tuple[int, int]:
    n = _lines(of, crashes)
    return round((requests(of, crashes).error_rate or 0.0) * n), n


def _slow(of: Aggregate, limit: float) -> tuple[int, int]:
    return sum(n for i, n in of.latency.items() if GAMMA ** (i - 1) >= limit), sum(of.latency.values())


def _wrong(of: Sample) -> tuple[int, int]:
    return round((1 - of.mean) * of.n), of.n


def _worse(before: tuple[int, int], now: tuple[int, int], least: float) -> dict[str, Any] | None:
    """Shares of bad ones, (bad, n) each; None unless the second is greater beyond chance, and by `least`."""
    if min(before[1], now[1]) < LEAST_REQUESTS:
        return None
    # Two bad and two good ones are added to the predecessor (Agresti and Caffo 2000), whose requests may be few, and
    # half a one of each to the other: without any bad one the variance would be 0, and the interval nothing.
    control = proportion(2 * before[0] + 4, 2 * before[1] + 8)
    treatment = proportion(2 * now[0] + 1, 2 * now[1] + 2)
    if isinstance(control, Undetermined) or isinstance(treatment, Undetermined):
        return None
    arms = Sample(before[1], control.mean, control.variance), Sample(now[1], treatment.mean, treatment.variance)
    effect = difference(*arms)
    if isinstance(effect, Undetermined):
        return None
    interval = always_valid(effect, _PLANNED, _WORSE_ALPHA).interval
    if interval.lower <= 0 or interval.value < least:
        return None
    return {
        "before": {"bad": before[0], "n": before[1]},
        "now": {"bad": now[0], "n": now[1]},
        "difference": _short(interval.value),
        "interval": [_short(interval.lower), _short(interval.upper)],
        "method": interval.method,
    }


def _estimate(of: Aggregate, baseline: Baseline | str) -> dict[str, Any]:
    if isinstance(baseline, str):
        return {"value": None, "why": baseline}
    if baseline.frame.answer:
        return {"value": None, "why": "the model answers numbers"}
    return _interval(estimated_accuracy(of.scores, baseline.labelled, baseline.correct))


def _interval(found: Interval | Undetermined) -> dict[str, Any]:
    if isinstance(found, Undetermined):
        return {"value": None, "why": found.reason}
    return {
        "value": _short(found.value),
        "lower": _short(found.lower),
        "upper": _short(found.upper),
        "method": found.method,
    }


def _shares(counts: Mapping[str, int]) -> dict[str, Any]:
    n = sum(counts.values())
    return {name: {"count": times, "share": _short(times / n)} for name, times in sorted(counts.items())}


def _number(found: float | Undetermined) -> float | None:
    return None if isinstance(found, Undetermined) else _short(found)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
