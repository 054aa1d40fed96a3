"""Predict: the hot path, a plain handler. Wiring only; the rules live in `zeroloop.inference`.

No Powertools and no AWS client here: a router costs 76 us a request, logger and metrics 300 more, a client 358 ms of
every cold start (measured; docs/decisions.md).
"""

import sys
import traceback
from dataclasses import dataclass
from typing import Any

import msgspec

from zeroloop import clock, config, http
from zeroloop.errors import ZeroloopError
from zeroloop.inference import service
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.record import LogRecord, Prediction, lines
from zeroloop.inference.requests import PredictRequest
from zeroloop.inference.service import Known, Outcome, Predictor
from zeroloop.inference.source import Source
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
    name, request_id, at = "", str(context.aws_request_id), clock.now_ms()
    outcome: Outcome | None = None
    known = Known()
    code: str | None = None
    try:
        name = http.name(event["pathParameters"]["model"])
        request = http.parse(http.body(event), PredictRequest)
        outcome = predictor.predict(name, request, known, request_id=request_id, at=at)
        status, body = 200, service.present(outcome, many=request.many)
    except ZeroloopError as error:
        if http.status_of(error) >= http.INTERNAL:
            sys.stderr.write(traceback.format_exc())
        status, code, body = http.status_of(error), error.code, dict(http.refusal(error))
    except Exception:  # noqa: BLE001 - a bug is answered 500 without details; the log has them
        sys.stderr.write(traceback.format_exc())
        status, code, body = http.INTERNAL, "internal", {"code": "internal", "message": "an error of ours"}
    _log(name, known, outcome, status=status, code=code, request_id=request_id, at=at, started=started)
    return {"statusCode": status, "headers": HEADERS, "body": msgspec.json.encode(body).decode()}


def _log(  # noqa: PLR0913 - the facts of a request
    name: str,
    known: Known,
    outcome: Outcome | None,
    *,
    status: int,
    code: str | None,
    request_id: str,
    at: int,
    started: float,
) -> None:
    record = LogRecord(
        time=at,
        request_id=request_id,
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
