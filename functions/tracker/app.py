"""Tracker API: MLflow tracking. Wiring only; the calls stand in tables, their rules in `zeroloop.tracking`."""

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from zeroloop import config, http, rpc
from zeroloop.dynamo import Table
from zeroloop.mlflow import places, wire
from zeroloop.objects import Bucket
from zeroloop.signed import Session
from zeroloop.telemetry import log_failure, logger, metrics
from zeroloop.tracking import artifact_calls
from zeroloop.tracking.artifacts import Artifacts
from zeroloop.tracking.calls import Calls
from zeroloop.tracking.model_calls import ModelCalls
from zeroloop.tracking.model_service import LoggedModels
from zeroloop.tracking.model_store import ModelStore
from zeroloop.tracking.service import Tracking
from zeroloop.tracking.store import TrackingStore


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    tracking_table: str
    artifacts_bucket: str
    artifact_root: str
    deleted_runs_days: int


settings = config.read(Settings)
table = Table(settings.tracking_table, Session(config.read(config.Aws)))
store = TrackingStore(table)
tracking = Tracking(
    store,
    lambda new: places.location(settings.artifact_root, settings.artifacts_bucket, new),
    settings.deleted_runs_days,
)
models = LoggedModels(ModelStore(table), tracking)
artifacts = Artifacts(
    Bucket(settings.artifacts_bucket),
    lambda run_id: tracking.run(run_id).artifact_uri,
    lambda model_id: models.get(model_id).artifact_uri,
)
app = http.api(log_failure, rpc.tell)
calls = Calls(tracking, store, models)
model_calls = ModelCalls(models)
rpc.serve(app, [*calls.table(), *model_calls.table(), *artifact_calls.table(artifacts)])
rpc.serve(app, [*calls.own_table(), *artifact_calls.for_pages(artifacts)], prefixes=("",))


@app.put("/api" + artifact_calls.PUT)
@app.put("/ajax-api" + artifact_calls.PUT)
def put_artifact() -> Response[str]:
    """Write a file: the one call whose body is no JSON."""
    artifact_calls.put(artifacts, app.current_event.raw_event)
    return Response(200, "application/json", "")


@app.get("/health")
def health() -> Response[str]:
    """Alive."""
    return Response(200, "text/plain", "OK")


@app.get("/version")
def version() -> Response[str]:
    """The MLflow server that this one answers like."""
    return Response(200, "text/plain", wire.VERSION)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda entry point."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    return app.resolve(event, context)
