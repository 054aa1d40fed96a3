"""What a training's data is like, as counts that the next training's data is compared with."""

from collections.abc import Sequence
from statistics import fmean, pstdev
from typing import Any

import numpy as np
from msgspec import Struct, field

from zeroloop.inference import preprocessing
from zeroloop.monitoring import counting
from zeroloop.monitoring.aggregate import BUCKETS, Aggregate, Feature
from zeroloop.monitoring.counting import TOKEN_UNIT, Answered, Line
from zeroloop.monitoring.frame import Frame, Scale
from zeroloop.stats import drift
from zeroloop.stats.drift import Evidence, TokenBaseline
from zeroloop.stats.samples import Moments
from zeroloop.stats.undetermined import Undetermined
from zeroloop_training.hashed import Hashed
from zeroloop_training.project import Labelled

_WORDS = {"buckets": 65_536, "length": 256, "ngrams": 1}


class Profile(Struct, frozen=True, kw_only=True):
    """Counts of rows, and the scales and categories that they were counted by; `tokens` of texts alone."""

    scales: dict[str, Scale]
    categories: dict[str, list[str]]
    labels: list[str]
    counts: Aggregate
    tokens: TokenBaseline | None = None


class Drift(Struct, frozen=True):
    """One p-value of all tests, the tests by name, and whether data differs by chance no more and by enough."""

    p_value: float
    tests: dict[str, Evidence]
    found: bool
    undetermined: dict[str, str] = field(default_factory=dict)


def profile(rows: Sequence[Labelled]) -> Profile:
    """Of at least 2 rows, all texts or all of the same columns; hashed texts are left out: by what, they don't say."""
    rows = _told(rows)
    read = _features(rows)
    texts = [one for one in read if isinstance(one, list)]
    columns = [one for one in read if isinstance(one, dict)]
    numbers = {"length": [len(ids) for ids in texts]} if texts else _numbers(columns)
    names = {name for row in columns for name, value in row.items() if isinstance(value, str)}
    categories = {name: sorted({row[name] for row in columns if isinstance(row.get(name), str)}) for name in names}
    scales = {name: Scale(fmean(values), pstdev(values) or 1.0) for name, values in numbers.items()}
    labels = sorted({row.label for row in rows})
    tokens = drift.token_baseline(_vectors(texts)) if texts else None
    empty = Profile(scales=scales, categories=categories, labels=labels, counts=Aggregate(n=0), tokens=tokens)
    return Profile(scales=scales, categories=categories, labels=labels, counts=count(rows, read, empty), tokens=tokens)


def count(rows: Sequence[Labelled], read: Sequence[Any], by: Profile) -> Aggregate:
    """The counts of `rows`, whose features are `read`, on the scales of `by`."""
    frame = Frame(
        labels=frozenset(by.labels),
        numbers={name: scale for name, scale in by.scales.items() if by.tokens is None},
        categories={name: frozenset(values) for name, values in by.categories.items()},
        length=by.scales.get("length", Scale()),
    )
    answered = [Answered(row.label, None, features) for row, features in zip(rows, read, strict=True)]
    return counting.count([Line(status=200, latency_ms=0.0, predictions=answered)], frame)


def compare(last: Profile, rows: Sequence[Labelled]) -> Drift | Undetermined:
    """Whether `rows` are as those that `last` was made of. Rows are taken as independent: clusters look like drift."""
    rows = _told(rows)
    now = count(rows, _features(rows), last)
    tests = {"labels": drift.distribution(now.labels, last.counts.labels, ordered=False)}
    for name, before in last.counts.features.items():
        after = now.features.get(name, Feature(n=0))
        if name in last.scales:
            tests[f"{name} mean"] = drift.shift(_moments(after), _moments(before))
        tests[f"{name} values"] = drift.distribution(after.bins, before.bins, ordered=name in last.scales)
    words = drift.tokens(now.tokens, now.n, last.tokens) if last.tokens else None
    evidence = {name: test for name, test in tests.items() if isinstance(test, Evidence)}
    told = words if isinstance(words, Evidence) else None
    means = [test.p_value for name, test in evidence.items() if name.endswith(" mean")]
    counts = [test.p_value for name, test in evidence.items() if not name.endswith(" mean")]
    p_value = drift.family(means, counts, [told.p_value] if told else [])
    if isinstance(p_value, Undetermined):
        return p_value
    found = {**evidence, **({"words": told} if told else {})}
    reasons = {name: test.reason for name, test in tests.items() if isinstance(test, Undetermined)}
    large = any(test.large for test in found.values())
    return Drift(p_value, found, found=p_value < drift.ALPHA and large, undetermined=reasons)


def _told(rows: Sequence[Labelled]) -> list[Labelled]:
    return [row for row in rows if not isinstance(row.value, Hashed)]


def _features(rows: Sequence[Labelled]) -> list[Any]:
    """What the log would keep of each row: of a text its hashed words, of a table's row its columns."""
    if not all(isinstance(row.value, str) for row in rows):
        return [row.value for row in rows]
    encoder = preprocessing.encoder("hashed_ngrams", _WORDS)
    encoded = encoder.encode([row.value for row in rows], [row.id for row in rows])
    return [[int(i) for i in ids[ids != 0]] for ids in encoded]


def _numbers(columns: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    names = sorted({name for row in columns for name, value in row.items() if isinstance(value, int | float)})
    return {name: [float(row[name]) for row in columns if isinstance(row.get(name), int | float)] for name in names}


def _vectors(texts: Sequence[list[int]]) -> Any:
    """(rows, 256) token vectors, as `counting` adds them up."""
    vectors = np.zeros((len(texts), BUCKETS), np.int64)
    for vector, ids in zip(vectors, texts, strict=True):
        np.add.at(vector, np.asarray(ids, np.int64) % BUCKETS, round(TOKEN_UNIT / max(1, len(ids)) ** 0.5))
    return vectors


def _moments(feature: Feature) -> Moments:
    return Moments(feature.n, feature.sum, feature.sum_squares)
