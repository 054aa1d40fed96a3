"""From a model's output to an answer: which label, how sure. Pure."""

from math import isfinite

from msgspec import Struct

from zeroloop.errors import ZeroloopError
from zeroloop.inference.package import Package

# float32 holds 7 significant digits: more than 6 decimals would be noise, and look like precision. By integers, since
# `round` with a number of digits takes four times as long.
_UNITS = 1e6


class NotANumber(ZeroloopError):  # noqa: N818
    """The model answered NaN or an infinity: a fault of the model, not of the caller."""

    code = "model_not_a_number"


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


def answer(package: Package, values: list[float]) -> Answer:
    """The answer that `values`, one row of the first output tensor, give by the package's task and threshold.

    Raises
    ------
    NotANumber
        The row holds NaN or an infinity.
    """
    if not all(map(isfinite, values)):
        raise NotANumber("the model answered NaN or an infinity for this input")
    if package.task == "regression":
        return Answer(values[0], None, {})
    if package.task == "binary" and len(values) == 1:
        values = [1.0 - values[0], values[0]]
    scores = dict(zip(package.labels, [round(value * _UNITS) / _UNITS for value in values], strict=True))
    if package.task == "multilabel":
        return _multilabel(package, values, scores)
    best = int(values[1] >= package.threshold) if package.task == "binary" else values.index(max(values))
    label = package.labels[best]
    return Answer(label, scores[label], scores)


def _multilabel(package: Package, values: list[float], scores: dict[str, float]) -> Answer:
    labels = [label for label, value in zip(package.labels, values, strict=True) if value >= package.threshold]
    confidence = min(scores[label] for label in labels) if labels else round((1.0 - max(values)) * _UNITS) / _UNITS
    return Answer(labels, confidence, scores)
