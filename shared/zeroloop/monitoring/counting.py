"""Prediction lines and their labels, as an aggregate. Pure, and plain Python: ingest has no NumPy."""

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from math import sqrt
from operator import itemgetter
from sys import byteorder
from typing import Any, NamedTuple

from msgspec import Struct, field

from zeroloop.monitoring.aggregate import BUCKETS, SCORE_BINS, Aggregate, Feature
from zeroloop.monitoring.frame import ANOTHER, OTHER, Frame, Scale, bin_of
from zeroloop.stats.quantiles import buckets

TOKEN_UNIT = 10_000

_AT_ONCE = 1000  # rows whose ids stay in the processor's cache
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
        latency=buckets([line.latency_ms for line in begun if line.code is None]),
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
        if label != actual and cell == f"{OTHER}\t{OTHER}":
            cell = f"{OTHER}\t{ANOTHER}"
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
    rows: list[list[int]] = sorted(texts, key=len)
    sums = [0] * BUCKETS
    known: Counter[tuple[int, int]] = Counter()
    for start in range(0, len(rows), _AT_ONCE):
        known.update(_add_texts(sums, rows[start : start + _AT_ONCE], frame.seen))
    features = {"length": _feature(_places(frame.length, Counter(map(len, rows))))}
    if frame.seen:
        usual = frame.unseen.centre
        shares: Counter[float] = Counter()
        for (length, k), n in known.items():
            shares[usual + (1 - k / length - usual) * sqrt(length)] += n
        features["unseen"] = _feature(_places(frame.unseen, shares))
    return features, sums


def _add_texts(sums: list[int], rows: Sequence[list[int]], seen: bytes) -> list[tuple[int, int]]:
    """Add the token vectors of `rows`, sorted by their lengths, to `sums`; each one's length, and how much is seen."""
    ids = list(chain.from_iterable(rows))
    low, flags = _low_bytes(ids), _seen(ids, seen) if seen else b""
    known: list[tuple[int, int]] = []
    start = 0
    for length, n in Counter(map(len, rows)).items():
        end = start + length * n
        weight = round(TOKEN_UNIT / max(1, length) ** 0.5)
        for place in low[start:end]:
            sums[place] += weight
        if flags and length:
            known += [(length, flags.count(1, at, at + length)) for at in range(start, end, length)]
        start = end
    return known


def _low_bytes(ids: list[int]) -> Sequence[int]:
    """`ids` modulo 256: out of their memory, which takes half the time of as many operations."""
    try:
        four = array("I", ids).tobytes()
    except OverflowError:  # beyond 32 bits: no id of ours, and counted all the same
        return [BUCKETS - 1 & i for i in ids]
    return four[::4] if byteorder == "little" else four[3::4]


def _seen(ids: list[int], seen: bytes) -> bytes:
    """For each id 1 where it is seen; one that no id of the version's can be is not, and stops no batch."""
    try:
        return bytes(itemgetter(0, *ids)(seen))[1:]  # one look-up for all; of a single id it would give no tuple
    except IndexError:
        return bytes([seen[i] if i < len(seen) else 0 for i in ids])


def _numbers(values: Sequence[Any], scale: Scale) -> Feature:
    numbers = [value for value in values if type(value) in _NUMBERS]
    return _feature(_places(scale, Counter(numbers)), missing=len(values) - len(numbers))


def _places(scale: Scale, values: Mapping[Any, int]) -> Counter[int]:
    """How many of `values` have each place, which is worked out once for each value: most are repeated."""
    places: Counter[int] = Counter()
    for value, n in values.items():
        places[scale.thousandths(value)] += n
    return places


def _feature(places: Counter[int], missing: int = 0) -> Feature:
    bins: Counter[str] = Counter()
    for value, n in places.items():
        bins[str(bin_of(value))] += n
    return Feature(
        n=places.total(),
        missing=missing,
        sum=sum([value * n for value, n in places.items()]),
        sum_squares=sum([value * value * n for value, n in places.items()]),
        bins=bins,
    )


def _categories(values: Sequence[Any], known: frozenset[str]) -> Feature:
    bins = Counter([value for value in values if value in known])
    return Feature(n=bins.total(), missing=len(values) - bins.total(), bins=bins)
