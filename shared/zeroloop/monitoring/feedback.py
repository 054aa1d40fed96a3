"""Feedback: what a prediction came to, counted in the cells of its own time, once."""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct, field
from msgspec.json import encode

from zeroloop import clock
from zeroloop.dynamo import ConditionFailed
from zeroloop.errors import Conflict, InvalidInput
from zeroloop.inference.keys import VerifyingKeys
from zeroloop.inference.receipts import MOST_CHARACTERS, Receipt
from zeroloop.monitoring.cells import Cell, Counters, flat
from zeroloop.monitoring.counting import Outcome, judge
from zeroloop.monitoring.frames import Frames
from zeroloop.monitoring.lines import Told
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.registry.rules import MAX_FACTS_BYTES

MOST_AT_ONCE = 100

_MINUTE_MS, _DAY_MS = 60_000, 86_400_000
_TRIES = 5

Counted = Literal["counted", "replaced", "known"]
Outcomes = Callable[[Receipt, bool | None, dict[str, float]], None]


class Feedback(Struct, forbid_unknown_fields=True, frozen=True):
    """Body of a feedback: the actual label, numbers that were measured since, or both."""

    prediction_id: Annotated[str, Meta(min_length=1, max_length=MOST_CHARACTERS)]
    label: Annotated[str, Meta(min_length=1, max_length=MAX_FACTS_BYTES)] | None = None
    metrics: Annotated[dict[Annotated[str, Meta(min_length=1, max_length=100)], float], Meta(max_length=20)] = field(
        default_factory=dict
    )


class Heard(NamedTuple):
    """What became of a feedback's label, and the line for the log, which is archived."""

    label: Counted | None
    line: Told


class FeedbackDesk:
    """The use case. `outcomes` hears of the receipts of an A/B test: (receipt, whether the label was right, metrics).

    It is told before the answer and whenever the same is sent again, so it must count by the receipt's id.
    """

    def __init__(
        self, store: MonitoringStore, frames: Frames, keys: VerifyingKeys, days: int, outcomes: Outcomes | None = None
    ) -> None:
        self._store = store
        self._frames = frames
        self._keys = keys
        self._days = days
        self._outcomes = outcomes

    def hear(self, feedback: Feedback) -> Heard:
        """Count a label where its prediction was counted: once, and in place of another that was sent before.

        Raises
        ------
        InvalidInput
            `bad_prediction_id`, `too_late`, `no_label` where the model answers none, or nothing is told.
        Conflict
            Others send labels for the same prediction all the time.
        Unavailable
        """
        if feedback.label is None and not feedback.metrics:
            raise InvalidInput("give a label, metrics, or both", field="label")
        if len(encode(feedback.label)) > MAX_FACTS_BYTES:
            raise InvalidInput(f"no answer's labels have over {MAX_FACTS_BYTES:,} bytes of JSON", field="label")
        receipt = self._keys.verify(feedback.prediction_id)
        now = clock.now_ms()
        if now > receipt.time + self._days * _DAY_MS:
            raise InvalidInput(
                f"the prediction is older than {self._days} days", code="too_late", field="prediction_id"
            )
        if feedback.label is not None and receipt.label is None:
            raise InvalidInput("the model answers numbers and no labels: send metrics", code="no_label", field="label")
        if self._outcomes and receipt.test_id:
            right = None if feedback.label is None else feedback.label == receipt.label
            self._outcomes(receipt, right, feedback.metrics)  # before the label: what the test refuses isn't counted
        counted: Counted | None = None
        if feedback.label is not None and receipt.label is not None:
            counted = self._label(receipt, receipt.label, feedback.label)
        return Heard(counted, _told(feedback, receipt, now))

    def _label(self, receipt: Receipt, predicted: str, label: str) -> Counted:
        cell = Cell(receipt.model_id, receipt.version, receipt.variant, receipt.time // _MINUTE_MS)
        frame = self._frames.get(receipt.model_id, receipt.version)

        def adds(actual: str) -> Counters:
            return flat(judge([Outcome(predicted, receipt.score, receipt.slice, actual)], frame))

        for _ in range(_TRIES):
            before, added = self._store.label(receipt.id)
            if before == label:
                return "known"
            if before and added is None:  # the mark is from before marks said so
                added = adds(before)
            try:
                self._store.learn(receipt.id, ((before, added or {}), (label, adds(label))), cell, frame)
            except ConditionFailed:
                continue  # another label of the same prediction was faster
            return "replaced" if before else "counted"
        raise Conflict("other labels of this prediction are sent all the time; try again", code="busy")


def _told(feedback: Feedback, receipt: Receipt, now: int) -> Told:
    return Told(
        time=now,
        prediction_id=feedback.prediction_id,
        model_id=receipt.model_id,
        version=receipt.version,
        variant=receipt.variant,
        predicted_at=receipt.time,
        predicted=receipt.label,
        label=feedback.label,
        metrics=feedback.metrics,
        test_id=receipt.test_id,
    )
