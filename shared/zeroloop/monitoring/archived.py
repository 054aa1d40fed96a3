"""The archive read again, each prediction once: to trace one, to ask for all once more, to train on them."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.json import decode

from zeroloop.inference.record import LogRecord, Prediction
from zeroloop.monitoring.archive import Archive
from zeroloop.monitoring.lines import Told


class Predicted(NamedTuple):
    """A prediction, and the line of its request."""

    record: LogRecord
    told: Prediction


def predicted(archive: Archive, model_id: str, start_ms: int, end_ms: int) -> Iterator[Predicted]:
    """The predictions of [start_ms, end_ms), each once by its id: a delivery may have come twice."""
    seen: set[str] = set()
    for line in archive.lines("predictions", model_id, start_ms, end_ms):
        record = decode(line, type=LogRecord)
        if not start_ms <= record.time < end_ms:
            continue
        for told in record.predictions:
            if told.prediction_id not in seen:
                seen.add(told.prediction_id)
                yield Predicted(record, told)


def labelled(archive: Archive, model_id: str, start_ms: int, end_ms: int) -> dict[str, Told]:
    """By prediction id, the last label that was sent in [start_ms, end_ms)."""
    last: dict[str, Told] = {}
    for line in archive.lines("feedback", model_id, start_ms, end_ms):
        told = decode(line, type=Told)
        before = last.get(told.prediction_id)
        if told.label is not None and start_ms <= told.time < end_ms and (not before or before.time <= told.time):
            last[told.prediction_id] = told
    return last
