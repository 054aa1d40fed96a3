"""How a cell's aggregate is kept: as counters by name in several items, which DynamoDB adds to; and back. Pure.

A cell is what is known of one (model, version, variant) in one minute, and once more in one hour. A name is a letter
for the aggregate's field and what stands in it; names are short because every change is billed by the item's size.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from zlib import crc32

from zeroloop.monitoring.aggregate import BUCKETS, SCORE_BINS, Aggregate, Feature
from zeroloop.monitoring.frame import Frame

Counters = dict[str, int]

MOST_COUNTERS = 200
"""In one change: an update expression ends at 4 KB, and at 300 operators."""

_TYPICAL = 150  # of a text 3 parts: fewer cost small deliveries less, more cost large ones less
_BASE = 120
_A_FEATURE = 28
_COUNTS = {"requests": "r", "errors": "e", "labels": "a", "confusion": "c", "slices": "i"}
_BINNED = {"latency": "l", "scores": "s", "labelled": "k", "correct": "h"}
_COUNTED = {letter: name for name, letter in _COUNTS.items()}
_BINS = {letter: name for name, letter in _BINNED.items()}
_SINGLE = {"n": "n", "missing": "m", "sum": "s", "sum_squares": "q"}
_OUTCOMES = "ckh"


class Cell(NamedTuple):
    """Whose counts, of which minute since 1970. Version 0 and variant "": the request failed before they were known."""

    model_id: str
    version: int
    variant: str
    minute: int


def flat(aggregate: Aggregate) -> Counters:
    """The counters of `aggregate` that aren't 0."""
    counters = {"n": aggregate.n}
    for field, letter in (_COUNTS | _BINNED).items():
        counters |= {f"{letter}{name}": value for name, value in getattr(aggregate, field).items()}
    counters |= {f"t{place}": value for place, value in enumerate(aggregate.tokens)}
    counters |= _flat_feature("z", "", aggregate.answer)
    for name, feature in aggregate.features.items():
        counters |= _flat_feature("f", name, feature)
    return {name: value for name, value in counters.items() if value}


def whole(counters: Mapping[str, int]) -> Aggregate:
    """The aggregate that `counters` are of."""
    fields: dict[str, dict[str | int, int]] = {name: {} for name in _COUNTS | _BINNED}
    features: dict[str, dict[str, int]] = {}
    answer: dict[str, int] = {}
    tokens: dict[int, int] = {}
    for name, value in counters.items():
        letter, rest = name[0], name[1:]
        if letter in _COUNTED:
            fields[_COUNTED[letter]][rest] = value
        elif letter in _BINS:
            fields[_BINS[letter]][int(rest)] = value
        elif letter == "t":
            tokens[int(rest)] = value
        elif letter == "z":
            answer[rest] = value
        elif letter == "f":
            kind, of = _feature_of(rest)
            features.setdefault(of, {})[kind] = value
    return Aggregate(
        n=counters.get("n", 0),
        features={name: _feature(found) for name, found in features.items()},
        answer=_feature(answer),
        tokens=[tokens.get(place, 0) for place in range(BUCKETS)] if tokens else [],
        **fields,  # type: ignore[arg-type] # by the tables above
    )


def add(many: Iterable[Mapping[str, int]]) -> Counters:
    """The sums by name."""
    sums: Counters = {}
    for counters in many:
        for name, value in counters.items():
            sums[name] = sums.get(name, 0) + value
    return sums


def spread(counters: Counters, frame: Frame) -> dict[str, Counters]:
    """`counters` by the part of the cell that holds them: items of 1 to 2 KB, outcomes apart from the rest."""
    parts, outcomes = _parts(frame)
    placed: dict[str, Counters] = {}
    for name, value in counters.items():
        kind, of = ("o", outcomes) if is_outcome(name) else ("p", parts)
        placed.setdefault(f"{kind}{crc32(name.encode()) % of}", {})[name] = value
    return placed


def is_outcome(name: str) -> bool:
    """Whether a counter is of labels that came later, and not of predictions."""
    return name[0] in _OUTCOMES or (name[0] == "i" and "\t" in name)


def _parts(frame: Frame) -> tuple[int, int]:
    """How many parts hold predictions and how many outcomes, from how many counters there can be."""
    labels, slices = len(frame.labels) + 1, len(frame.slices)
    text = 0 if frame.numbers or frame.categories else BUCKETS + 2 * _A_FEATURE
    categories = sum(len(known) + 2 for known in frame.categories.values())
    features = _A_FEATURE * (len(frame.numbers) + (frame.answer is not None)) + categories
    known = _BASE + labels + slices + SCORE_BINS + features + text
    outcomes = 2 * SCORE_BINS + labels * labels * (slices + 1)
    return max(1, round(known / _TYPICAL)), max(1, round(min(outcomes / 2, 10_000) / _TYPICAL))


def _flat_feature(letter: str, name: str, feature: Feature) -> Counters:
    single = {f"{letter}{kind}{name}": getattr(feature, field) for field, kind in _SINGLE.items()}
    return single | {f"{letter}b{len(name)}:{name}{at}": value for at, value in feature.bins.items()}


def _feature_of(rest: str) -> tuple[str, str]:
    """Of a feature's counter, which it is and the feature's name."""
    if rest[0] != "b":
        return rest[0], rest[1:]
    length, _, both = rest[1:].partition(":")
    return f"b0:{both[int(length) :]}", both[: int(length)]


def _feature(found: Mapping[str, int]) -> Feature:
    single = {field: found.get(kind, 0) for field, kind in _SINGLE.items()}
    return Feature(**single, bins={name[3:]: value for name, value in found.items() if name.startswith("b0:")})
