"""From a model's output to an answer: which label, how sure. Pure."""

from collections.abc import Sequence
from itertools import chain
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from zeroloop.errors import ZeroloopError
from zeroloop.inference.package import Package

# float32 holds 7 significant digits: more than 6 decimals would be noise, and look like precision. By integers, since
# `round` with a number of digits takes four times as long.
_UNITS = 1e6
_SLACK = 4e-7
"""What rounding may put a softmax of float32 beyond 1; six decimals don't show it."""
_NOT_FINITE = "the model answered NaN or an infinity for this input"


class NotANumber(ZeroloopError):  # noqa: N818
    """The model answered NaN or an infinity: a fault of the model, not of the caller."""

    code = "model_not_a_number"


class NoScore(NotANumber):
    """The model answered a score outside [0, 1], as a head without its softmax does."""

    code = "model_no_score"


class Answer(Struct, frozen=True, gc=False):
    """One prediction.

    `prediction` is the label; a list of labels (multilabel); a number (regression); None where the model answers
    tensors. `confidence` is the score of the answered label, in [0, 1]; the least of them for a list; None where there
    are no labels. `scores` has every label's.
    """

    prediction: str | list[str] | float | None
    confidence: float | None
    scores: dict[str, float]


UNLABELLED = Answer(None, None, {})


class Answers(NamedTuple):
    """Answers by column: what `Answer` holds, of each row; `scores` has a list for each of `labels`."""

    predictions: Sequence[Any]
    confidences: Sequence[float | None]
    labels: Sequence[str] = ()
    scores: Sequence[Sequence[float]] = ()

    @classmethod
    def joined(cls, parts: Sequence["Answers"]) -> "Answers":
        """One behind the other; all of one model."""
        return cls(
            [one for part in parts for one in part.predictions],
            [one for part in parts for one in part.confidences],
            parts[0].labels if parts else (),
            [list(chain(*columns)) for columns in zip(*(part.scores for part in parts), strict=True)],
        )


def answers(package: Package, rows: NDArray[np.floating]) -> Answers:
    """`answer` to each of `rows`, (batch, values).

    Raises
    ------
    NotANumber
        One of them holds NaN or an infinity.
    NoScore
        One of them holds a score outside [0, 1].
    """
    labels = package.labels
    if package.task not in {"binary", "multiclass"}:
        found = [answer(package, row) for row in rows.tolist()]
        scores = list(zip(*(one.scores.values() for one in found), strict=True))
        return Answers([one.prediction for one in found], [one.confidence for one in found], labels, scores)
    values = rows.astype(np.float64)
    if not ((values >= -_SLACK) & (values <= 1.0 + _SLACK)).all():
        raise _no_score(values.ravel().tolist())
    if package.task == "multiclass":
        rounded, best = _rounded(values), values.argmax(1)
        confidences = rounded[np.arange(len(best)), best].tolist()
        return Answers([labels[i] for i in best.tolist()], confidences, labels, rounded.T.tolist())
    (first, second), high = labels, values[:, -1]  # written out, since most models are such
    low, positive = values[:, 0] if values.shape[1] > 1 else 1.0 - high, high >= package.threshold
    p_low, p_high = _rounded(low), _rounded(high)
    return Answers(
        [second if yes else first for yes in positive.tolist()],
        np.where(positive, p_high, p_low).tolist(),
        labels,
        [p_low.tolist(), p_high.tolist()],
    )


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rounded as `answer` does it: by integers, which know no negative zero."""
    return np.rint(values * _UNITS) / _UNITS + 0.0


def answer(package: Package, values: list[float]) -> Answer:
    """The answer that `values`, one row of the first output tensor, give by the package's task and threshold.

    Raises
    ------
    NotANumber
        The row holds NaN or an infinity.
    NoScore
        A score outside [0, 1].
    """
    if package.task == "regression":
        if not all(map(isfinite, values)):
            raise NotANumber(_NOT_FINITE)
        return Answer(values[0], None, {})
    for value in values:
        if not -_SLACK <= value <= 1.0 + _SLACK:
            raise _no_score(values)
    if package.task == "binary":
        return _binary(package, values)
    scores = dict(zip(package.labels, [round(value * _UNITS) / _UNITS for value in values], strict=True))
    if package.task == "multilabel":
        return _multilabel(package, values, scores)
    label = package.labels[values.index(max(values))]
    return Answer(label, scores[label], scores)


def _no_score(values: Sequence[float]) -> NotANumber:
    if not all(map(isfinite, values)):
        return NotANumber(_NOT_FINITE)
    worst = max(values, key=lambda value: abs(value - 0.5))
    return NoScore(f"the model answered {worst:g} for this input, and scores lie in [0, 1]")


def _binary(package: Package, values: list[float]) -> Answer:
    """Of one value, the second label's, or of both; written out, since most models are such."""
    no, yes = package.labels
    high = values[-1]
    low = values[0] if len(values) > 1 else 1.0 - high
    p_no, p_yes = round(low * _UNITS) / _UNITS, round(high * _UNITS) / _UNITS
    scores = {no: p_no, yes: p_yes}
    return Answer(yes, p_yes, scores) if high >= package.threshold else Answer(no, p_no, scores)


def _multilabel(package: Package, values: list[float], scores: dict[str, float]) -> Answer:
    labels = [label for label, value in zip(package.labels, values, strict=True) if value >= package.threshold]
    confidence = min(scores[label] for label in labels) if labels else round((1.0 - max(values)) * _UNITS) / _UNITS
    return Answer(labels, confidence, scores)
