"""Feedback API: what predictions came to. Wiring only; the rules live in `zeroloop.monitoring`."""

import sys
from dataclasses import dataclass
from typing import Any

import msgspec
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from zeroloop import clock, config, http
from zeroloop.abtest.outcomes import Outcomes
from zeroloop.abtest.store import AbTestStore
from zeroloop.dynamo import Table
from zeroloop.errors import InvalidInput
from zeroloop.inference.keys import KeyUnknown, VerifyingKeys
from zeroloop.inference.registered import Registered
from zeroloop.monitoring.feedback import MOST_AT_ONCE, Feedback, FeedbackDesk
from zeroloop.monitoring.frames import Frames
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.signed import Session
from zeroloop.telemetry import log_failure, logger, metrics


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    monitoring_table: str
    registry_table: str
    artifacts_bucket: str
    receipt_secret: str
    feedback_days: int
    abtest_table: str


settings = config.read(Settings)
session = Session(config.read(config.Aws))
table = Table(settings.monitoring_table, session)
registered = Registered(
    session, table=settings.registry_table, bucket=settings.artifacts_bucket, secret=settings.receipt_secret
)
keys = VerifyingKeys(registered.verifying_keys, monotonic=clock.monotonic)
outcomes_table = Table(settings.abtest_table, session)
outcomes = Outcomes(AbTestStore(outcomes_table)).of_feedback
desk = FeedbackDesk(MonitoringStore(table), Frames(registered), keys, settings.feedback_days, outcomes)
app = http.api(log_failure)


@app.post("/feedback")
def feedback() -> dict[str, Any]:
    """Count a label, take metrics, or both; of a list each by itself, in order, refusals among the results."""
    data = http.body(app.current_event.raw_event)
    if not data.lstrip().startswith(b"["):
        return heard(http.parse(data, Feedback))
    given = http.parse(data, list[Feedback])
    if len(given) > MOST_AT_ONCE:
        raise InvalidInput(f"send at most {MOST_AT_ONCE} at once", field="body")
    results: list[dict[str, Any]] = []
    for number, one in enumerate(given):
        try:
            results.append(heard(one))
        except (InvalidInput, KeyUnknown) as error:
            results.append({**http.refusal(error), "field": f"[{number}].{error.field}"})
    return {"results": results}


def heard(given: Feedback) -> dict[str, Any]:
    """What became of it; the line in the log is what the archive keeps."""
    came_to = desk.hear(given)
    sys.stdout.write(msgspec.json.encode(came_to.line).decode() + "\n")
    return {"label": came_to.label}


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda entry point."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    return app.resolve(event, context)
