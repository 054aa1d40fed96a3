"""The one line that predict writes per request: the prediction record, with CloudWatch's embedded metrics. Pure.

Contract: docs/contracts/log-record.schema.json; metrics: CloudWatch embedded metric format specification.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct, field

_METRICS = [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Faults", "Unit": "Count"}]
_SERVER_ERRORS = 500


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


def line(record: LogRecord, stale: bool = False) -> str:  # noqa: FBT001, FBT002 - a fact of the request, read once
    """`record` as one line of JSON, with metrics by model: latency, faults (5xx), and lineups served stale."""
    return msgspec.json.encode({**msgspec.to_builtins(record), **_embedded(record, stale)}).decode()


def _embedded(record: LogRecord, stale: bool) -> dict[str, Any]:  # noqa: FBT001
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
