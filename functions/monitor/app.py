"""Monitor: metrics, drift reports, alerts and automatic rollback. Wiring only; the rules live in `zeroloop.monitoring`.

Called in two ways: by schedules (EventBridge Scheduler) with the name of their windows, and over HTTP.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Struct

from zeroloop import clock, config, http
from zeroloop.data import DataBucket
from zeroloop.dynamo import Table
from zeroloop.monitoring import alerts, baseline
from zeroloop.monitoring.alerting import Alerting, Links
from zeroloop.monitoring.alerts import Settings as Chosen
from zeroloop.monitoring.minutes import Minutes
from zeroloop.monitoring.outside import Counts, Sender
from zeroloop.monitoring.reporting import Reporting
from zeroloop.monitoring.rollback import Rollback
from zeroloop.monitoring.rounds import Rounds
from zeroloop.monitoring.service import Monitor
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.monitoring.traffic import Baselines, Traffic
from zeroloop.monitoring.watching import WatchStore
from zeroloop.registry.service import Registry, object_key
from zeroloop.registry.store import RegistryStore
from zeroloop.signed import Session
from zeroloop.telemetry import log_failure, logger, metrics


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    monitoring_table: str
    registry_table: str
    artifacts_bucket: str
    predict_function: str
    alert_topic: str
    api_url: str
    runbooks_url: str
    log_share: float


class Wanted(Struct, forbid_unknown_fields=True):
    """Body of a report."""

    window: str = "60m"


settings = config.read(Settings)
aws = config.read(config.Aws)
table = Table(settings.monitoring_table, Session(aws))
store, bucket = RegistryStore(settings.registry_table), DataBucket(settings.artifacts_bucket)


def no_admission(model_id: str, version: int) -> None:
    """What monitoring never asks for."""
    raise NotImplementedError(f"admission of {model_id} version {version}")


registry, watch = Registry(store, bucket, no_admission, max_package_bytes=0), WatchStore(table)
traffic = Traffic(
    MonitoringStore(table),
    Counts(settings.predict_function),
    Baselines(store.get_version, lambda found: bucket.read(object_key(found, baseline.NAME))),
)
alerting = Alerting(watch, Links(settings.api_url, settings.runbooks_url))
reporting = Reporting(traffic, watch, alerting)
monitor = Monitor(registry, watch, traffic, reporting, local=bool(aws.aws_endpoint_url))
minutes = Minutes(traffic, watch, alerting, settings.log_share)
rollback = Rollback(registry, traffic, alerting)
sender = Sender(settings.alert_topic, log_failure)
rounds = Rounds(registry, watch, minutes, reporting, rollback, sender, log_failure)
app = http.api(log_failure)


@app.get("/models/<model>/metrics")
def get_metrics(model: str) -> Response[str]:
    """What is known of the last `window` (60m), of all versions and variants or of one."""
    event = app.current_event
    version = event.get_query_string_value("version")
    return answer(
        monitor.metrics(
            http.name(model),
            alerts.window_minutes(event.get_query_string_value("window") or "60m"),
            clock.now_ms(),
            version=http.number(version, "version") if version else None,
            variant=event.get_query_string_value("variant") or None,
        )
    )


@app.get("/models/<model>/reports")
def list_reports(model: str) -> Response[str]:
    """Reports, newest first, 100 a page; `before` is the `next` of the page before."""
    page, following = monitor.reports(http.name(model), before())
    return answer({"reports": page, "next": following})


@app.post("/models/<model>/reports")
def make_report(model: str) -> Response[str]:
    """A report of the champion's last `window`, now: 201. It changes no alert."""
    wanted = http.parse(http.body(app.current_event.raw_event) or b"{}", Wanted)
    return answer(monitor.report(http.name(model), alerts.window_minutes(wanted.window), clock.now_ms()), 201)


@app.get("/models/<model>/alerts")
def list_alerts(model: str) -> Response[str]:
    """What alerts now, and changes of state, newest first, 100 a page; `before` is the `next` of the page before."""
    watched, page, following = monitor.alerts(http.name(model), before())
    alerting = sorted(kind for kind, watch in watched.kinds.items() if watch.alert)
    return answer({"alerting": alerting, "alerts": page, "next": following})


@app.get("/models/<model>/monitor")
def get_settings(model: str) -> Response[str]:
    """The model's settings."""
    return answer(monitor.settings(http.name(model)))


@app.put("/models/<model>/monitor")
def put_settings(model: str) -> Response[str]:
    """Replace the model's settings; what isn't said is as for all models."""
    return answer(monitor.set(http.name(model), http.parse(http.body(app.current_event.raw_event), Chosen)))


def before() -> str | None:
    """The page to read, from the query: a time in ms, or the `next` of the page before."""
    text = app.current_event.get_query_string_value("before")
    if text:
        alerts.check_place(text)
    return text or None


def answer(body: Any, status: int = 200) -> Response[str]:
    """`body` as JSON under `status`."""
    return Response(status, "application/json", msgspec.json.encode(body).decode())


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda entry point."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    if "schedule" not in event:
        return app.resolve(event, context)
    done = rounds.tick(event["schedule"], clock.now_ms())
    logger.info("judged", extra={"schedule": event["schedule"], **done})
    return dict(done)
