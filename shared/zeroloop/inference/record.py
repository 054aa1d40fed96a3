"""What predict writes per request: one line, the prediction record, with CloudWatch's embedded metrics. Pure.

Contract: docs/contracts/log-record.schema.json; metrics: CloudWatch embedded metric format specification.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

_METRICS = [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Faults", "Unit": "Count"}]
_SERVER_ERRORS = 500

# CloudWatch Logs cuts events at 256 KB (1 MB since 2025, but what forwards them often still does).
_LINE_BYTES = 200_000
_FRAME_BYTES = 60


class Prediction(Struct, frozen=True):
    """One instance's answer."""

    prediction_id: str
    label: str | None
    score: float | None


class LogRecord(Struct, frozen=True, kw_only=True):
    """A request's facts; times in ms."""

    schema: Literal["zl.prediction.v1"] = "zl.prediction.v1"
    time: int
    request_id: str
    model: str
    model_id: str | None = None
    version: int | None = None
    variant: str | None = None
    status: int
    code: str | None = None
    latency_ms: float
    weight: float = 1.0
    test_id: str | None = None
    unit_hash: str | None = None
    slice: str | None = None
    predictions: list[Prediction] = field(default_factory=list)
    continued: bool = False


def lines(record: LogRecord, *, stale: bool = False) -> Iterator[str]:
    """`record` as lines of JSON under 256 KB: one, but for requests of hundreds of instances.

    The first carries the metrics, by model: latency, faults (5xx), and lineups served stale. The others carry the rest
    of the predictions under the same `request_id`, and say that they are `continued`.
    """
    first, *rest = _cut(record.predictions)
    head = msgspec.structs.replace(record, predictions=first)
    yield msgspec.json.encode({**msgspec.to_builtins(head), **_embedded(record, stale=stale)}).decode()
    for predictions in rest:
        yield msgspec.json.encode(msgspec.structs.replace(record, predictions=predictions, continued=True)).decode()


def _cut(predictions: list[Prediction]) -> list[list[Prediction]]:
    """`predictions` in as few lists as keep a line short; one empty list for none."""
    parts: list[list[Prediction]] = [[]]
    size = 0
    for prediction in predictions:
        length = len(prediction.prediction_id) + len(prediction.label or "") * 2 + _FRAME_BYTES
        if size + length > _LINE_BYTES and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(prediction)
        size += length
    return parts


def _embedded(record: LogRecord, *, stale: bool) -> dict[str, Any]:
    # Unknown names would make a metric each, billed each: only models that exist get their dimension.
    dimensions = [["model"]] if record.model_id else [[]]
    metrics = [*_METRICS, {"Name": "LineupStale", "Unit": "Count"}] if stale else _METRICS
    directive = {"Namespace": "Zeroloop", "Dimensions": dimensions, "Metrics": metrics}
    values = {"Latency": record.latency_ms, "Faults": int(record.status >= _SERVER_ERRORS)}
    return {
        "_aws": {"Timestamp": record.time, "CloudWatchMetrics": [directive]},
        **values,
        **({"LineupStale": 1} if stale else {}),
    }
