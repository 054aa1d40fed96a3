"""Prediction lines and their labels, as an aggregate. Pure, and plain Python: ingest has no NumPy."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from math import sqrt
from operator import itemgetter
from sys import byteorder
from typing import Any, NamedTuple

from msgspec import Struct, field

from zeroloop.monitoring.aggregate import BUCKETS, SCORE_BINS, Aggregate, Feature
from zeroloop.monitoring.frame import OTHER, Frame, Scale, bin_of
from zeroloop.stats.quantiles import bucket

TOKEN_UNIT = 10_000

_NUMBERS = frozenset({int, float})


class Shadowed(Struct, frozen=True, gc=False):
    """What another version said of the same instance."""

    version: int
    label: str | None = None
    code: str | None = None


class Answered(Struct, frozen=True, gc=False):
    """Of a prediction, what is counted."""

    label: str | None = None
    score: float | None = None
    features: Any = None
    shadow: Shadowed | None = None


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
    lines = list(lines)
    begun = [line for line in lines if not line.continued]
    requests: Counter[str] = Counter()
    for (status, weight), n in Counter([(line.status, line.weight) for line in begun]).items():
        requests[str(status)] += n * round(weight * 1000)
    slices: Counter[str] = Counter()
    for line in lines:
        if line.slice is not None and line.predictions:
            slices[frame.slice(line.slice)] += len(line.predictions)
    predictions = list(chain.from_iterable([line.predictions for line in lines]))
    labels = Counter([one.label for one in predictions if one.label is not None])
    scores = [one.score for one in predictions if one.score is not None]
    seen = [one.features for one in predictions]
    rows = [row for row in seen if type(row) is dict]
    texts = [row if frame.ngrams == 1 else words(row, frame) for row in seen if type(row) is list]
    of_texts, tokens = _texts(texts, frame)
    return Aggregate(
        n=len(predictions),
        requests=requests,
        errors=Counter([line.code for line in begun if line.code is not None]),
        latency=Counter(map(bucket, [line.latency_ms for line in begun if line.code is None])),
        labels=_named(labels, frame),
        scores={} if frame.answer else _score_bins(scores),
        slices=slices,
        features=_columns(rows, frame) | of_texts,
        tokens=tokens,
        answer=_numbers(scores, frame.answer) if frame.answer else Feature(n=0),
        shadow=Counter(_agreement(one.label, one.shadow) for one in predictions if one.shadow),
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


def _agreement(label: str | None, shadow: Shadowed) -> str:
    if shadow.code:
        return f"{shadow.version}\tfailed"
    if label is None or shadow.label is None:
        return f"{shadow.version}\tunlabelled"
    return f"{shadow.version}\t{'agree' if label == shadow.label else 'differ'}"


def score_bin(score: float) -> int:
    """Which of 50 equal bins of [0, 1] holds `score`; 1 is in the last."""
    return max(0, min(SCORE_BINS - 1, int(score * SCORE_BINS)))


def _score_bins(scores: Sequence[float]) -> Counter[int]:
    """`score_bin` of all, each worked out once for its bin: calls cost more than multiplying."""
    bins: Counter[int] = Counter()
    for place, n in Counter([int(score * SCORE_BINS) for score in scores]).items():
        bins[max(0, min(SCORE_BINS - 1, place))] += n
    return bins


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


def _texts(texts: Sequence[list[int]], frame: Frame) -> tuple[dict[str, Feature], list[int]]:
    """Their features, and the sums of their token vectors. Rows of one length weigh the same: they go together."""
    if not texts:
        return {}, []
    by_length: dict[int, list[list[int]]] = {}
    for row in texts:
        by_length.setdefault(len(row), []).append(row)
    shares: list[float] = []
    sums = [0] * BUCKETS
    for length, rows in by_length.items():
        ids = list(chain.from_iterable(rows))
        weight = round(TOKEN_UNIT / max(1, length) ** 0.5)
        for place, n in Counter(_low_bytes(ids)).items():
            sums[place] += weight * n
        if frame.seen and length:
            usual = frame.unseen.centre
            share = [usual + (1 - k / length - usual) * sqrt(length) for k in range(length + 1)]
            shares += [share[k] for k in _seen(ids, length, frame.seen)]
    features = {"length": _numbers([len(row) for row in texts], frame.length)}
    return features | ({"unseen": _numbers(shares, frame.unseen)} if frame.seen else {}), sums


def _low_bytes(ids: list[int]) -> Iterable[int]:
    """`ids` modulo 256: out of their memory, which takes half the time of as many operations."""
    try:
        four = array("I", ids).tobytes()
    except OverflowError:  # beyond 32 bits: no id of ours, and counted all the same
        return map((BUCKETS - 1).__and__, ids)
    return four[::4] if byteorder == "little" else four[3::4]


def _seen(ids: list[int], length: int, seen: bytes) -> list[int]:
    """How many ids of each row are seen; one that no id of the version's can be is not, and stops no batch."""
    try:
        flags = bytes(itemgetter(0, *ids)(seen))  # one look-up for all; of a single id it would give no tuple
    except IndexError:
        flags = bytes([0, *(seen[i] if i < len(seen) else 0 for i in ids)])
    return [flags.count(1, at, at + length) for at in range(1, len(flags), length)]


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
