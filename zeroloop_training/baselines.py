"""A version's `baseline.json`: its held-out rows, counted by the code that counts its traffic."""

from collections.abc import Sequence
from functools import reduce
from math import isqrt, sqrt
from random import Random
from typing import Any

import numpy as np
from msgspec.structs import replace

from zeroloop.inference.columns import Columns, Numeric
from zeroloop.inference.model import Model
from zeroloop.inference.service import said
from zeroloop.inference.text import HashedNgrams
from zeroloop.monitoring import drifting
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, Feature, merge
from zeroloop.monitoring.baseline import Baseline, Spread, TokenSpread, packed
from zeroloop.monitoring.counting import Answered, Line, Outcome, count, judge, words
from zeroloop.monitoring.frame import UNIT, Frame, Scale
from zeroloop.stats import drift
from zeroloop.stats.drift import Dispersion, Evidence
from zeroloop_training.hashed import Hashed, encode

_WINDOWS = 200
_LEAST_BLOCKS = 20
_MOST_LABELS = 1000
_DIGITS = 6


def baseline(
    model: Model, values: Sequence[Any], truth: Sequence[Any], *, seen: Sequence[Any] = (), slices: Sequence[str] = ()
) -> Baseline:
    """The baseline of rows that training never saw, in the order in which they came.

    `seen` are values that it did see: of texts, words that they don't hold are counted as unseen. The rows of `values`
    must not be among them, nor have had a part in making a vocabulary: every window would look drifted.
    """
    answered = _answers(model, values)
    return of_answers(answered, truth, _frame(model, answered, seen, slices))


def of_answers(answered: Sequence[Answered], truth: Sequence[Any], frame: Frame) -> Baseline:
    """The baseline of answers to held-out rows, counted by `frame`."""
    outcomes = [
        Outcome(one.label, one.score, None, str(true))
        for one, true in zip(answered, truth, strict=True)
        if one.label is not None
    ]
    counted = merge(_counted(answered, frame), judge(outcomes, frame))
    made = Baseline(
        **{name: getattr(counted, name) for name in counted.__struct_fields__},
        frame=packed(frame),
        token_spread=_token_spread(answered, frame) if counted.tokens else None,
    )
    return replace(made, spread=_spread(made, answered, frame))


def _answers(model: Model, values: Sequence[Any]) -> list[Answered]:
    """As predict logs them."""
    where = [f"rows[{i}].{model.field}" for i in range(len(values))]
    if model.encoder and any(isinstance(value, Hashed) for value in values):
        rows = encode(model.encoder, values, where)
        answers, kept = model.answers_to(rows), model.encoder.features(values, rows)
    else:
        result = model.answers(values, where)
        answers, kept = result.answers, result.features()
    return [Answered(*said(answer), features) for answer, features in zip(answers, kept, strict=True)]


def _counted(answered: Sequence[Answered], frame: Frame) -> Aggregate:
    """Of predictions alone: there were no requests, and none took its time."""
    return count([Line(status=200, latency_ms=0.0, predictions=list(answered), continued=True)], frame)


def _frame(model: Model, answered: Sequence[Answered], seen: Sequence[Any], slices: Sequence[str]) -> Frame:
    package, encoder = model.package, model.encoder
    labels = frozenset(package.labels) | {one.label for one in answered if package.task == "multilabel" and one.label}
    frame = Frame(labels=frozenset(sorted(labels)[:_MOST_LABELS]), slices=frozenset(slices))
    if package.task == "regression":
        frame = replace(frame, answer=scale(_counted(answered, replace(frame, answer=Scale())).answer))
    if isinstance(encoder, Columns):
        columns = [column for column, _ in encoder.placed]
        numbers = {one.name: Scale(one.mean, one.std) for one in columns if isinstance(one, Numeric)}
        known = {one.name: frozenset(one.values) for one in columns if not isinstance(one, Numeric)}
        return replace(frame, numbers=numbers, categories=known)
    if isinstance(encoder, HashedNgrams):
        frame = replace(frame, ngrams=encoder.ngrams)
        frame = replace(frame, seen=_seen(encoder, seen, frame))
    return scaled(answered, frame)


def scaled(answered: Sequence[Answered], frame: Frame) -> Frame:
    """`frame` with the scales of texts: their length, and how many of their words weren't seen."""
    ids = [one for answer in answered for one in words(answer.features, frame)]
    if frame.seen:
        frame = replace(frame, unseen=Scale(1 - _short(sum(map(frame.seen.__getitem__, ids)) / max(1, len(ids)))))
    texts = _counted(answered, frame).features
    unit = scale(texts["unseen"]).unit if "unseen" in texts else 1.0
    return replace(frame, length=scale(texts["length"]), unseen=Scale(frame.unseen.centre, unit))


def _seen(encoder: HashedNgrams, values: Sequence[Any], frame: Frame) -> bytes:
    if not values:
        return b""
    rows = encode(encoder, values, [f"seen[{i}]" for i in range(len(values))])
    known = bytearray(encoder.buckets)
    for ids in encoder.features(values, rows):
        for one in words(ids, frame):
            known[one] = 1
    return bytes(known)


def scale(feature: Feature) -> Scale:
    """Of what was counted in thousandths of 1 from 0."""
    if not feature.n:
        return Scale()
    mean = feature.sum / feature.n
    deviation = sqrt(max(0.0, feature.sum_squares / feature.n - mean**2))
    return Scale(_short(mean / UNIT), _short(deviation / UNIT) or 1.0)


def _token_spread(answered: Sequence[Answered], frame: Frame) -> TokenSpread:
    vectors = np.array([_counted([one], frame).tokens for one in answered])
    facts = drift.token_baseline(vectors)
    return TokenSpread([_short(one) for one in facts.variances], _short(facts.trace_2), _short(facts.trace_3))


def _spread(whole: Baseline, answered: Sequence[Answered], frame: Frame) -> dict[str, Spread]:
    """Each test's statistic for windows of blocks of rows, beside all other rows.

    Rows that stand together are alike, where the data has an order: sentences of a review, readings of an hour. Blocks
    of the root of the rows hold what hangs together and are still many. With b blocks a mean is known as if from
    b - 1 windows, however many are drawn. Their ends cut what hangs together, so phi falls short in proportion to 1 /
    length: by as much again as it would with blocks of half the length (the lugsail estimate, Vats & Flegal 2022).
    """
    length = isqrt(len(answered))
    blocks = len(answered) // length if length else 0
    if blocks < _LEAST_BLOCKS:
        return {}
    found, of_halves = (_learned(whole, answered, frame, size) for size in (length, length // 2))
    return {
        name: Spread(
            _short(max(one.phi, 2 * one.phi - of_halves.get(name, one).phi)), blocks - 1, _short(one.variation)
        )
        for name, one in sorted(found.items())
    }


def _learned(whole: Baseline, answered: Sequence[Answered], frame: Frame, length: int) -> dict[str, Dispersion]:
    """What each test is in windows of blocks of `length` rows, drawn without repetition."""
    blocks = [_counted(answered[at : at + length], frame) for at in range(0, len(answered) - length + 1, length)]
    size = max(1, min(drift.LEAST_ROWS // length, len(blocks) // 4))
    ratios: dict[str, list[float]] = {}
    random = Random(len(blocks))  # noqa: S311 - which blocks, and the same ones again
    for _ in range(_WINDOWS):
        random.shuffle(blocks)
        window, rest = (reduce(merge, part, EMPTY) for part in (blocks[:size], blocks[size:]))
        beside = replace(whole, **{name: getattr(rest, name) for name in rest.__struct_fields__})
        for name, found in drifting.compare(window, beside, {}).items():
            if isinstance(found, Evidence):
                ratios.setdefault(name, []).append(found.ratio)
    learned = {name: drift.dispersion(some) for name, some in ratios.items()}
    return {name: one for name, one in learned.items() if isinstance(one, Dispersion)}


def _short(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
