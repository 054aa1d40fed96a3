"""Explain: what made a score what it is. Wiring only; see `zeroloop.inference`.

Apart from predict: an explanation runs the model up to a thousand times, and nobody's prediction shall wait for one.
"""

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from zeroloop import clock, config, http
from zeroloop.inference.explaining import Explainer
from zeroloop.inference.lineups import Lineups
from zeroloop.inference.model import BASELINE
from zeroloop.inference.requests import ExplainRequest
from zeroloop.inference.source import Source
from zeroloop.inference.warm import WarmModels
from zeroloop.signed import Session
from zeroloop.telemetry import log_failure, logger, metrics


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    registry_table: str
    artifacts_bucket: str
    max_warm_megabytes: int


def on_stale(model: str) -> None:
    """Say that a lineup older than 30 s had to serve."""
    logger.warning("the lineup is stale", model=model)


settings = config.read(Settings)
session = Session(config.read(config.Aws))
source = Source(session, table=settings.registry_table, bucket=settings.artifacts_bucket, also=[BASELINE])
lineups = Lineups(source.model_id, source.lineup, monotonic=clock.monotonic, on_stale=on_stale)
models = WarmModels(source.load, settings.max_warm_megabytes * 1_000_000)
explainer = Explainer(lineups, models)
app = http.api(log_failure)


@app.post("/explain/<model>")
def explain(model: str) -> dict[str, Any]:
    """Attributions of one instance's score."""
    event = app.current_event
    request = http.parse(http.body(event.raw_event), ExplainRequest)
    return explainer.explain(http.name(model), request, event.request_context.request_id)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda entry point."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    return app.resolve(event, context)
