"""Predict: the hot path, a plain handler. Wiring only; the rules live in `zeroloop.inference`.

No Powertools and no AWS client here: a router costs 76 us a request, logger and metrics 300 more, a client 358 ms of
every cold start (measured; docs/decisions.md).
"""

import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from zeroloop import clock, config, http
from zeroloop.errors import NotFound, ZeroloopError
from zeroloop.inference import service, v2
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.record import LogRecord, Prediction, lines
from zeroloop.inference.requests import PredictRequest
from zeroloop.inference.service import Known, Outcome, Predictor
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


settings = config.read(Settings)
session = Session(config.read(config.Aws))
source = Source(
    session, table=settings.registry_table, bucket=settings.artifacts_bucket, secret=settings.receipt_secret
)
stale: set[str] = set()
lineups = Lineups(source.model_id, source.lineup, monotonic=clock.monotonic, on_stale=stale.add)
models = WarmModels(source.load, settings.max_warm_megabytes * 1_000_000)
predictor = Predictor(lineups, models, source.signing_key)


@dataclass
class Request:
    """What a request has come to so far, for its record."""

    request_id: str
    at: int
    model: str = ""
    known: Known = field(default_factory=Known)
    outcome: Outcome | None = None


HEADERS = {"content-type": "application/json"}


def restored() -> None:
    """After a restore from a snapshot: nothing that ages is as it was."""
    session.renew(config.read(config.Aws))
    predictor.renew()


try:
    from snapshot_restore_py import register_after_restore  # part of AWS's runtimes from Python 3.12 on
except ImportError:
    pass
else:
    register_after_restore(restored)


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda entry point: answers by kind, never raises, and writes one record of each request."""
    started = clock.monotonic()
    request = Request(str(context.aws_request_id), clock.now_ms())
    route = event.get("routeKey", "")
    answer, refusal = (_open_inference, v2.refusal) if "/v2" in route else (_predict, http.refusal)
    body: Mapping[str, Any]
    code: str | None = None
    try:
        status, body = 200, answer(event, request)
    except ZeroloopError as error:
        if http.status_of(error) >= http.INTERNAL:
            sys.stderr.write(traceback.format_exc())
        status, code, body = http.status_of(error), error.code, refusal(error)
    except Exception:  # noqa: BLE001 - a bug is answered 500 without details; the log has them
        sys.stderr.write(traceback.format_exc())
        status, code, body = http.INTERNAL, "internal", refusal(ZeroloopError("an error of ours"))
    if not route.startswith("GET "):  # who asks for metadata or health predicts nothing
        _log(request, status=status, code=code, started=started)
    return {"statusCode": status, "headers": HEADERS, "body": msgspec.json.encode(body).decode()}


def _predict(event: dict[str, Any], request: Request) -> dict[str, Any]:
    request.model = http.name(event["pathParameters"]["model"])
    asked = http.parse(http.body(event), PredictRequest)
    request.outcome = predictor.predict(
        request.model, asked, request.known, request_id=request.request_id, at=request.at
    )
    return service.present(request.outcome, many=asked.many)


def _open_inference(event: dict[str, Any], request: Request) -> Mapping[str, Any]:
    """The protocol's paths: server, health, and models with and without a version."""
    path = (event.get("pathParameters") or {}).get("proxy", "")
    version: int | None = None
    match [event["routeKey"].split()[0], *map(http.name, path.split("/"))]:
        case ["GET", ""]:
            return v2.SERVER
        case ["GET", "health", "live"]:
            return {"live": True}
        case ["GET", "health", "ready"]:
            predictor.check()
            return {"ready": True}
        case [method, "models", model, "versions", text, *rest]:
            version = http.number(text, "version")
        case [method, "models", model, *rest]:
            pass
        case _:
            raise _no_route(event)
    request.model = model
    match [method, *rest]:
        case ["GET"]:
            served, versions = predictor.look(model, version)
            return v2.metadata(model, versions, served.model)
        case ["GET", "ready"]:
            predictor.look(model, version)
            return {"name": model, "ready": True}
        case ["POST", "infer"]:
            return _infer(event, request, version)
    raise _no_route(event)


def _infer(event: dict[str, Any], request: Request, version: int | None) -> dict[str, Any]:
    v2.check_headers(event.get("headers") or {})
    asked = http.parse(http.body(event), InferRequest)
    request.outcome, outputs = predictor.infer(
        request.model, version, asked, request.known, request_id=request.request_id, at=request.at
    )
    return service.present_inferred(request.outcome, asked, outputs)


def _no_route(event: dict[str, Any]) -> NotFound:
    return NotFound(f"there is no {event['routeKey'].split()[0]} {event.get('rawPath', '')}", code="no_route")


def _log(request: Request, *, status: int, code: str | None, started: float) -> None:
    name, known, outcome = request.model, request.known, request.outcome
    record = LogRecord(
        time=request.at,
        request_id=request.request_id,
        model=name[:128],
        model_id=known.model_id,
        version=known.version,
        variant=known.variant,
        status=status,
        code=code,
        latency_ms=round((clock.monotonic() - started) * 1000, 3),
        unit_hash=outcome.unit_hash if outcome else None,
        predictions=[
            Prediction(prediction_id, service.label(answer), service.score(answer))
            for answer, prediction_id in (outcome.predictions if outcome else [])
        ],
    )
    for line in lines(record, stale=name in stale):
        sys.stdout.write(line + "\n")
    stale.discard(name)
