"""How much each part of an instance adds to a score: leave one out, and compare. Pure.

Text is compared with the text without a token; a row of a table with the row in which a column is as in the mean of the
package's baseline. What is left out is left out of the model's input, so a column's mean is that of its encoded places:
of a number its mean, of a category the shares of its values.
"""

from collections.abc import Sequence
from math import fsum
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta, Struct, field
from numpy.typing import NDArray

from zeroloop.errors import InvalidInput
from zeroloop.inference.answers import Answer
from zeroloop.inference.columns import Categorical, Columns, Numeric
from zeroloop.inference.package import Count, Package
from zeroloop.inference.text import HashedNgrams
from zeroloop.inference.tokenizer import Tokenizer

Explainable = Columns | HashedNgrams | Tokenizer

MOST_TOKENS = 64

# float32 knows 7 digits: what differs below this is the subtraction's own.
_DECIMALS = 12

_COUNTED_IN = 1000
"""Numbers are counted in thousandths of their unit: docs/contracts/aggregate.schema.json."""

_Sum = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class Parts(NamedTuple):
    """An instance in parts.

    `told` describes those that are explained, the first of `total`. `rows` are the encoded instance, the same without
    all of these, and without each of them: (2 + len(told), width).
    """

    told: list[dict[str, Any]]
    total: int
    rows: NDArray[Any]
    without: str


class Attributed(NamedTuple):
    """What each part adds, their sum, and what all of them add together; a linear model has no gap between the two."""

    each: list[float]
    total: float
    difference: float
    gap: float


class _Counted(Struct):
    n: Count
    missing: Count = 0
    sum: _Sum | None = None
    bins: dict[str, Count] = field(default_factory=dict)


class _Baseline(Struct):
    features: dict[str, _Counted] = field(default_factory=dict)


def parts(encoder: Explainable, value: Any, where: str, baseline: bytes | None) -> Parts:
    """The parts of `value`, an instance at `where` in the request; `baseline` is the package's baseline.json.

    Raises
    ------
    InvalidInput
        What the encoder can't read; `bad_package` for the baseline.
    """
    if isinstance(encoder, Columns):
        return _columns(encoder, value, where, _read(baseline))
    names, total, rows = encoder.left_out(value, where, MOST_TOKENS)
    return Parts([{"token": name} for name in names], total, rows, "the text without the tokens explained")


def label(package: Package, answer: Answer, asked: str | None) -> str | None:
    """The label to explain: the one that is asked for, else the predicted one; of several the surest; None for numbers.

    Raises
    ------
    InvalidInput
        The model has no such label.
    """
    if asked is None:
        return max(answer.scores, key=answer.scores.__getitem__) if _several(answer) else _only(answer)
    if asked not in package.labels:
        raise InvalidInput(f"this model has no label {asked!r}", field="label")
    return asked


def scores(answers: Sequence[Answer], explained: str | None) -> list[float]:
    """The score of a label in each answer; of a regression the number."""
    if explained is not None:
        return [answer.scores[explained] for answer in answers]
    return [answer.prediction for answer in answers if isinstance(answer.prediction, float)]


def attribute(scored: Sequence[float]) -> Attributed:
    """What each part adds, of the scores of `Parts.rows`."""
    whole, without_all, *without_each = scored
    each = [_rounded(whole - one) for one in without_each]
    total, difference = _rounded(fsum(each)), _rounded(whole - without_all)
    return Attributed(each, total, difference, _rounded(difference - total))


def _several(answer: Answer) -> bool:
    return isinstance(answer.prediction, list)


def _only(answer: Answer) -> str | None:
    return answer.prediction if isinstance(answer.prediction, str) else None


def _rounded(value: float) -> float:
    return round(value, _DECIMALS) + 0.0  # no -0.0


def _read(baseline: bytes | None) -> _Baseline:
    try:
        return msgspec.json.decode(baseline, type=_Baseline) if baseline else _Baseline()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"baseline.json: {error}", code="bad_package", field="baseline.json") from error


def _columns(encoder: Columns, value: Any, where: str, baseline: _Baseline) -> Parts:
    [row] = encoder.encode([value], [where])
    rows = np.tile(row, (2 + len(encoder.placed), 1))
    told: list[dict[str, Any]] = []
    for i, (column, start) in enumerate(encoder.placed):
        counted = baseline.features.get(column.name)
        about, means = _number(column, counted) if isinstance(column, Numeric) else _category(column, counted)
        rows[[1, 2 + i], start : start + column.width] = means
        told.append({"feature": column.name, **about})
    return Parts(told, len(told), rows, "every feature at its mean")


def _number(column: Numeric, counted: _Counted | None) -> tuple[dict[str, Any], list[float]]:
    """What is told of a column's mean, and the mean as encoded; without a count, that of training.

    A version's centre and unit, by which its baseline counts, are the mean and the std of its preprocessing.
    """
    if counted is None or counted.sum is None or not counted.n:
        return {"from": "package", "mean": column.mean}, [0.0]
    score = counted.sum / counted.n / _COUNTED_IN
    return {"from": "baseline", "mean": column.mean + column.std * score}, [score]


def _category(column: Categorical, counted: _Counted | None) -> tuple[dict[str, Any], list[float]]:
    """As `_number`: the share of each value, and last that of all others; without a count, equal shares of the known.

    Missing values are among the others, as `Categorical` places them.
    """
    known = [counted.bins.get(value, 0) for value in column.values] if counted else []
    n = max(sum(known), counted.n + counted.missing) if counted else 0
    if not n:
        return {"from": "package"}, [1 / len(column.values)] * len(column.values) + [0.0]
    return {"from": "baseline"}, [count / n for count in known] + [1 - sum(known) / n]
