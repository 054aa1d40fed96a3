"""Prediction lines and their labels, as an aggregate. Pure, and plain Python: ingest has no NumPy."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from math import sqrt
from typing import Any, NamedTuple

from msgspec import Struct, field

from zeroloop.monitoring.aggregate import BUCKETS, SCORE_BINS, Aggregate, Feature
from zeroloop.monitoring.frame import OTHER, Frame, Scale, bin_of
from zeroloop.stats.quantiles import bucket

TOKEN_UNIT = 10_000

_NUMBERS = frozenset({int, float})


class Answered(Struct, frozen=True, gc=False):
    """Of a prediction, what is counted."""

    label: str | None = None
    score: float | None = None
    features: Any = None


class Line(Struct, frozen=True, kw_only=True, gc=False):
    """Of a prediction line, what is counted. Contract: log-record.schema.json."""

    status: int
    code: str | None = None
    latency_ms: float
    weight: float = 1.0
    slice: str | None = None
    predictions: list[Answered] = field(default_factory=list)
    continued: bool = False


class Outcome(NamedTuple):
    """An answer whose actual label is known."""

    label: str | None
    score: float | None
    slice: str | None
    actual: str


def count(lines: Iterable[Line], frame: Frame) -> Aggregate:
    """The aggregate of `lines`, which are all of one version."""
    requests: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    slices: Counter[str] = Counter()
    latencies: list[float] = []
    predictions: list[Answered] = []
    for line in lines:
        if not line.continued:
            requests[str(line.status)] += round(line.weight * 1000)
            if line.code is None:
                latencies.append(line.latency_ms)
            else:
                errors[line.code] += 1
        if line.slice is not None and line.predictions:
            slices[frame.slice(line.slice)] += len(line.predictions)
        predictions += line.predictions
    labels = Counter([one.label for one in predictions if one.label is not None])
    scores = [one.score for one in predictions if one.score is not None]
    rows = [one.features for one in predictions if type(one.features) is dict]
    texts = [words(one.features, frame) for one in predictions if type(one.features) is list]
    return Aggregate(
        n=len(predictions),
        requests=requests,
        errors=errors,
        latency=_places(bucket, latencies),
        labels=_named(labels, frame),
        scores={} if frame.answer else _places(score_bin, scores),
        slices=slices,
        features=_columns(rows, frame) | _texts(texts, frame) if rows or texts else {},
        tokens=_tokens(texts),
        answer=_numbers(scores, frame.answer) if frame.answer else Feature(n=0),
    )


def judge(outcomes: Iterable[Outcome], frame: Frame) -> Aggregate:
    """What `outcomes` add to the aggregates of their predictions, which are counted already: `n` stays 0."""
    labelled: Counter[int] = Counter()
    correct: Counter[int] = Counter()
    confusion: Counter[str] = Counter()
    slices: Counter[str] = Counter()
    for label, score, name, actual in outcomes:
        cell = f"{frame.label(label)}\t{frame.label(actual)}"
        confusion[cell] += 1
        if name is not None:
            slices[f"{frame.slice(name)}\t{cell}"] += 1
        if score is not None:
            labelled[score_bin(score)] += 1
            correct[score_bin(score)] += label == actual
    return Aggregate(n=0, labelled=labelled, correct=+correct, confusion=confusion, slices=slices)


def score_bin(score: float) -> int:
    """Which of 50 equal bins of [0, 1] holds `score`; 1 is in the last."""
    return max(0, min(SCORE_BINS - 1, int(score * SCORE_BINS)))


def _named(labels: Counter[str], frame: Frame) -> dict[str, int]:
    named = {label: n for label, n in labels.items() if label in frame.labels}
    other = labels.total() - sum(named.values())
    return named | {OTHER: other} if other else named


def words(ids: list[int], frame: Frame) -> list[int]:
    """A text's ids of words: they come first, and w of them make w - 1 pairs; of a row that was cut some are missed."""
    return ids if frame.ngrams == 1 else ids[: (len(ids) + 1) // 2]


def _columns(rows: Sequence[dict[str, Any]], frame: Frame) -> dict[str, Feature]:
    if not rows:
        return {}
    numbers = {name: _numbers([row.get(name) for row in rows], scale) for name, scale in frame.numbers.items()}
    return numbers | {
        name: _categories([row.get(name) for row in rows], known) for name, known in frame.categories.items()
    }


def _texts(texts: Sequence[list[int]], frame: Frame) -> dict[str, Feature]:
    lengths = [len(ids) for ids in texts]
    features = {"length": _numbers(lengths, frame.length)} if texts else {}
    if texts and frame.seen:
        usual = frame.unseen.centre
        seen = [_seen(ids, frame.seen) for ids in texts]
        shares = [usual + (1 - k / n - usual) * sqrt(n) for k, n in zip(seen, lengths, strict=True) if n]
        features["unseen"] = _numbers(shares, frame.unseen)
    return features


def _seen(ids: Sequence[int], seen: bytes) -> int:
    """How many of `ids` are seen; one that no id of the version's can be is not, and stops no batch."""
    try:
        return sum(map(seen.__getitem__, ids))
    except IndexError:
        return sum(seen[i] for i in ids if i < len(seen))


def _numbers(values: Sequence[Any], scale: Scale) -> Feature:
    scaled = _places(scale.thousandths, [value for value in values if type(value) in _NUMBERS])
    n = sum(scaled.values())
    bins: Counter[str] = Counter()
    for value, times in scaled.items():
        bins[str(bin_of(value))] += times
    return Feature(
        n=n,
        missing=len(values) - n,
        sum=sum(value * times for value, times in scaled.items()),
        sum_squares=sum(value * value * times for value, times in scaled.items()),
        bins=bins,
    )


def _places(place: Callable[[float], int], values: Iterable[float]) -> Counter[int]:
    """How many of `values` have each place, which is worked out once for each value: most are repeated."""
    places: Counter[int] = Counter()
    for value, n in Counter(values).items():
        places[place(value)] += n
    return places


def _categories(values: Sequence[Any], known: frozenset[str]) -> Feature:
    bins = Counter([value for value in values if value in known])
    return Feature(n=bins.total(), missing=len(values) - bins.total(), bins=bins)


def _tokens(texts: Sequence[list[int]]) -> list[int]:
    """Rows of one length weigh the same, so their ids are counted together."""
    if not texts:
        return []
    by_length: dict[int, list[list[int]]] = {}
    for ids in texts:
        by_length.setdefault(len(ids), []).append(ids)
    sums = [0] * BUCKETS
    for length, rows in by_length.items():
        weight = round(TOKEN_UNIT / max(1, length) ** 0.5)
        for place, n in Counter(map((BUCKETS - 1).__and__, chain.from_iterable(rows))).items():
            sums[place] += weight * n
    return sums
