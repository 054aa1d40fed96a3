"""Ingest: predict's and feedback's log lines, as CloudWatch Logs delivers them. Wiring only."""

from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from zeroloop import config
from zeroloop.data import DataBucket
from zeroloop.dynamo import Table
from zeroloop.inference.registered import Registered
from zeroloop.monitoring import lines
from zeroloop.monitoring.archive import Archive
from zeroloop.monitoring.ingest import Ingest
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.signed import Session
from zeroloop.telemetry import logger, metrics


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    monitoring_table: str
    registry_table: str
    artifacts_bucket: str
    data_bucket: str


settings = config.read(Settings)
session = Session(config.read(config.Aws))
table = Table(settings.monitoring_table, session)
registered = Registered(session, table=settings.registry_table, bucket=settings.artifacts_bucket)
ingest = Ingest(MonitoringStore(table), Archive(DataBucket(settings.data_bucket)), registered)


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Lambda entry point. What it raises Lambda tries twice more, and then leaves in IngestFailures."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    taken = ingest.take(lines.read(event))
    for name, n in (("Lines", taken.lines), ("SetAside", taken.aside), ("Repeated", taken.repeated)):
        metrics.add_metric(name, MetricUnit.Count, n)
    return taken._asdict()
