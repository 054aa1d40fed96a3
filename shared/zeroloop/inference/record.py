"""What predict writes per request: one line, the prediction record, with CloudWatch's embedded metrics. Pure.

Contract: docs/contracts/log-record.schema.json; metrics: CloudWatch embedded metric format specification.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Literal

from msgspec import UNSET, Raw, Struct, UnsetType, field
from msgspec.json import decode, encode
from msgspec.structs import replace

from zeroloop.digests import canonical, sha256
from zeroloop.inference.assignment import BUCKETS, bucket

_SERVER_ERRORS = 500
_MEASURED = ("aws", "latency", "faults", "lineup_stale", "dimension")
_ALONE = ("request_id", "model", "_aws", "Latency", "Faults", "LineupStale", "Version")

# CloudWatch Logs cuts events at 256 KB (1 MB since 2025, but what forwards them often still does).
_LINE_BYTES = 200_000


class Shadow(Struct, frozen=True, omit_defaults=True, gc=False):
    """What a version said that scores beside the one that answers; only a code where it failed."""

    version: int
    label: str | None = None
    score: float | None = None
    code: str | None = None


class Prediction(Struct, frozen=True, omit_defaults=True, gc=False):
    """One instance's answer; `features` is what the model saw, `instance` what the caller sent."""

    prediction_id: str
    label: str | None
    score: float | None
    input_digest: str | None = None
    features: Any = None
    instance: Any = None
    shadow: Shadow | None = None


class Directive(Struct, rename="pascal", gc=False):
    """What CloudWatch shall take out of a line."""

    timestamp: int
    cloud_watch_metrics: Raw


class LogRecord(Struct, kw_only=True, gc=False):
    """A request's facts, filled as they become known, so that a failure tells how far it came; times in ms.

    The last five are CloudWatch's, and `lines` fills them. A dimension must be a string, hence `Version`.
    """

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
    aws: Directive | UnsetType = field(default=UNSET, name="_aws")
    latency: float | UnsetType = field(default=UNSET, name="Latency")
    faults: int | UnsetType = field(default=UNSET, name="Faults")
    lineup_stale: int | UnsetType = field(default=UNSET, name="LineupStale")
    dimension: str | UnsetType = field(default=UNSET, name="Version")


def lines(record: LogRecord, *, share: float = 1.0, stale: bool = False) -> list[str]:
    """`record` as lines of JSON under 256 KB: one, but for requests of hundreds of instances.

    The first carries the metrics, by model and by version: latency, faults (5xx), and lineups served stale. The others
    carry the rest of the predictions under the same `request_id`, and say that they are `continued`.

    Of answered requests only a `share` is told, chosen by request id, and each stands for `weight` of them; the line of
    any other holds its metrics alone, so that these count every request. A failure is always told.
    """
    # Unknown names would make a metric each, billed each: only models that exist get their dimensions.
    version = record.version
    record.aws = Directive(record.time, _directives(record.model_id is not None, version is not None, stale))
    record.latency, record.faults = record.latency_ms, int(record.status >= _SERVER_ERRORS)
    if stale:
        record.lineup_stale = 1
    if version is not None:
        record.dimension = str(version)
    if record.code is None and share < 1:
        told = round(share * BUCKETS)
        if bucket("log", record.request_id) >= told:
            return [_metrics_alone(record)]
        record.weight = BUCKETS / told
    whole = encode(record)
    if len(whole) <= _LINE_BYTES:
        return [whole.decode()]
    return [encode(part).decode() for part in _cut(record)]


def input_digest(field: str, value: Any) -> str:
    """SHA-256 of the canonical JSON of the instance `{field: value}`, first 16 bytes in hex."""
    return sha256(b"".join((b'{"', field.encode(), b'":', canonical(value), b"}")))[:32]


def _cut(record: LogRecord) -> Iterator[LogRecord]:
    """`record` as several with as many predictions each as keep a line short; the first has the metrics."""
    part: list[Prediction] = []
    size = 0
    for prediction in map(_short, record.predictions):
        length = len(encode(prediction))
        if part and size + length > _LINE_BYTES:
            yield replace(record, predictions=part)
            record = replace(record, continued=True, **dict.fromkeys(_MEASURED, UNSET))
            part, size = [], 0
        part.append(prediction)
        size += length
    yield replace(record, predictions=part)


def _short(prediction: Prediction) -> Prediction:
    """`prediction`, without its input where that alone would fill the line."""
    if len(encode(prediction)) > _LINE_BYTES:
        return replace(prediction, features=None, instance=None)
    return prediction


@cache
def _directives(model: bool, version: bool, stale: bool) -> Raw:  # noqa: FBT001 - a key of the cache
    dimensions = [["model"], ["model", "Version"]] if version else [["model"]] if model else [[]]
    metrics = [{"Name": "Latency", "Unit": "Milliseconds"}, {"Name": "Faults", "Unit": "Count"}]
    metrics += [{"Name": "LineupStale", "Unit": "Count"}] if stale else []
    return Raw(encode([{"Namespace": "Zeroloop", "Dimensions": dimensions, "Metrics": metrics}]))


def _metrics_alone(record: LogRecord) -> str:
    written = decode(encode(record))
    return encode({name: written[name] for name in _ALONE if name in written}).decode()
