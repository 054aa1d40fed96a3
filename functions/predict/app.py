"""Predict: the hot path, a plain handler. Wiring only; the rules live in `zeroloop.inference`.

No Powertools and no AWS client here: a router costs 76 us a request, logger and metrics 300 more, a client 358 ms of
every cold start (measured; docs/decisions.md).
"""

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from zeroloop import clock, config, http
from zeroloop.errors import InvalidInput, NotFound, ZeroloopError
from zeroloop.inference import service, v2
from zeroloop.inference.keys import SigningKey
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.record import LogRecord, lines
from zeroloop.inference.requests import MAX_CARRIED_BYTES, PredictRequest, carried
from zeroloop.inference.service import Predictor
from zeroloop.inference.source import Source
from zeroloop.inference.v2 import InferRequest
from zeroloop.inference.warm import WarmModels
from zeroloop.signed import Session


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    registry_table: str
    artifacts_bucket: str
    receipt_secret: str
    max_warm_megabytes: int
    log_share: float
    log_instances: bool
    preload_models: str = ""
    aws_lambda_initialization_type: str = "on-demand"


settings = config.read(Settings)
session = Session(config.read(config.Aws))
source = Source(
    session, table=settings.registry_table, bucket=settings.artifacts_bucket, secret=settings.receipt_secret
)
stale: set[str] = set()
lineups = Lineups(source.model_id, source.lineup, monotonic=clock.monotonic, on_stale=stale.add)
models = WarmModels(source.load, settings.max_warm_megabytes * 1_000_000)
signing_key = SigningKey(source.signing_key, monotonic=clock.monotonic)
predictor = Predictor(lineups, models, signing_key, log_instances=settings.log_instances)

HEADERS = {"content-type": "application/json"}


def prepare() -> None:
    """Before a snapshot, or on time that is provisioned: have the champions of `preload_models` answer once."""
    for name in filter(None, settings.preload_models.split(",")):
        try:
            predictor.preload(name)
        except Exception as error:  # noqa: BLE001 - the function must start all the same, and the first request will tell
            why = error.message if isinstance(error, ZeroloopError) else traceback.format_exc()
            sys.stderr.write(f"{name} was not preloaded: {why}\n")


def restored() -> None:
    """After a restore from a snapshot: nothing that ages is as it was."""
    clock.reseed()
    session.renew(config.read(config.Aws))
    predictor.renew()


if settings.aws_lambda_initialization_type == "provisioned-concurrency":
    prepare()
try:
    from snapshot_restore_py import register_after_restore, register_before_snapshot
except ImportError:
    pass  # part of AWS's runtimes from Python 3.12 on
else:
    register_before_snapshot(prepare)
    register_after_restore(restored)


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: answers by kind, never raises, and writes one record of each request."""
    started = clock.monotonic()
    record = LogRecord(
        time=clock.now_ms(), request_id=str(context.aws_request_id), model="", status=http.OK, latency_ms=0.0
    )
    route = event.get("routeKey", "")
    answer, refusal = (_open_inference, v2.refusal) if "/v2" in route else (_predict, http.refusal)
    try:
        body = _encoded(answer(event, record))
    except ZeroloopError as error:
        record.status, record.code, record.predictions = http.status_of(error), error.code, []
        body = msgspec.json.encode(refusal(error))
        if record.status >= http.INTERNAL:
            sys.stderr.write(traceback.format_exc())
    except Exception:  # noqa: BLE001 - a bug is answered 500 without details; the log has them
        sys.stderr.write(traceback.format_exc())
        record.status, record.code, record.predictions = http.INTERNAL, "internal", []
        body = msgspec.json.encode(refusal(ZeroloopError("an error of ours")))
    # Who asks for metadata or health predicts nothing, but a model that can't be had is a fault whoever asks.
    if not route.startswith("GET ") or record.status >= http.INTERNAL:
        _log(record, started)
    return {"statusCode": record.status, "headers": HEADERS, "body": body.decode()}


def _encoded(body: Mapping[str, Any]) -> bytes:
    """`body` as JSON that Lambda can answer: over that the caller would get 502, and the log would say 200."""
    data = msgspec.json.encode(body)
    if len(data) > MAX_CARRIED_BYTES // 2 and carried(data) > MAX_CARRIED_BYTES:
        raise InvalidInput("the answer would be too large: send less at once", code="too_large", field="body")
    return data


def _predict(event: dict[str, Any], record: LogRecord) -> dict[str, Any]:
    name = http.name(event["pathParameters"]["model"])
    record.model = name[:128]
    request = http.parse(http.body(event), PredictRequest)
    served, answers = predictor.predict(name, request, record)
    return service.present(served, answers, record, many=request.many)


def _open_inference(event: dict[str, Any], record: LogRecord) -> Mapping[str, Any]:
    """The protocol's paths: server, health, and models with and without a version."""
    path = (event.get("pathParameters") or {}).get("proxy", "")
    record.model = path[:128]  # until it is known better
    version: int | None = None
    match [event["routeKey"].split()[0], *map(http.name, path.split("/"))]:
        case ["GET", ""]:
            return v2.SERVER
        case ["GET", "health", "live"]:
            return {"live": True}
        case ["GET", "health", "ready"]:
            predictor.check()
            return {"live": True, "ready": True}
        case [method, "models", model, "versions", text, *rest]:
            version = http.number(text, "version")
        case [method, "models", model, *rest]:
            pass
        case _:
            raise _no_route(event)
    record.model = model[:128]
    match [method, *rest]:
        case ["GET"]:
            served, versions = predictor.look(model, version)
            return v2.metadata(model, versions, served.model)
        case ["GET", "ready"]:
            predictor.look(model, version)
            return {"name": model, "ready": True}
        case ["POST", "infer"]:
            return _infer(event, record, model, version)
    raise _no_route(event)


def _infer(event: dict[str, Any], record: LogRecord, model: str, version: int | None) -> dict[str, Any]:
    v2.check_headers(event.get("headers") or {})
    request = http.parse(http.body(event), InferRequest)
    served, outputs = predictor.infer(model, version, request, record)
    return service.present_inferred(served, record, request, outputs)


def _no_route(event: dict[str, Any]) -> NotFound:
    return NotFound(f"there is no {event['routeKey'].split()[0]} {event.get('rawPath', '')}", code="no_route")


def _log(record: LogRecord, started: float) -> None:
    record.latency_ms = round((clock.monotonic() - started) * 1e6) / 1e3
    for line in lines(record, share=settings.log_share, stale=record.model in stale):
        sys.stdout.write(line + "\n")
    stale.discard(record.model)
