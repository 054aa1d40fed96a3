"""What monitoring asks of AWS and where it sends alerts: CloudWatch's own counts, a topic, the event bus, webhooks."""

from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from zeroloop import clock
from zeroloop.digests import sha256
from zeroloop.errors import Unavailable
from zeroloop.http1 import Connection
from zeroloop.monitoring import messages
from zeroloop.monitoring.alerts import Alert, Webhook
from zeroloop.objects import client, translated

_TRIES = 3
_SECONDS = 5.0
_ANSWERED = 300
_DAY_SECONDS = 86_400


class Called(NamedTuple):
    """Of a function in some minutes: how often it was called, and how often it crashed or ran out of time."""

    invocations: int
    errors: int


class Counts:
    """What CloudWatch counted; a minute lags behind by up to a few. By requests that aren't billed one by one."""

    def __init__(self, function: str) -> None:
        self._function = function

    def called(self, start: int, end: int) -> Called:
        """Of predict from minute `start` to before `end`."""
        dimensions = {"FunctionName": self._function}
        span = (start, end, min(_DAY_SECONDS, max(60, (end - start) * 60)))
        found = [self._ask("AWS/Lambda", metric, dimensions, span, "Sum") for metric in ("Invocations", "Errors")]
        return Called(*(sum(points.values()) for points in found))

    def requests(self, model: str, start: int, end: int) -> dict[int, int]:
        """Of a model, by minute that has any: prediction lines that CloudWatch took out of the log by itself."""
        return self._ask("Zeroloop", "Latency", {"model": model}, (start, end, 60), "SampleCount")

    def _ask(
        self, namespace: str, metric: str, dimensions: dict[str, str], span: tuple[int, int, int], statistic: str
    ) -> dict[int, int]:
        """By the minute that a period begins with; `span` has the first minute, the one after the last, and seconds."""
        start, end, seconds = span
        with translated(f"metric {metric}"):
            found = client("cloudwatch").get_metric_statistics(
                Namespace=namespace,
                MetricName=metric,
                Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
                StartTime=clock.iso(start * 60_000),
                EndTime=clock.iso(end * 60_000),
                Period=seconds,
                Statistics=[statistic],
            )
        points = found["Datapoints"]
        return {int(point["Timestamp"].timestamp()) // 60: round(float(point[statistic])) for point in points}


class Sender:
    """Sends an alert to everybody who wants it; what one can't be told doesn't keep it from the others."""

    def __init__(self, topic: str, log_failure: Callable[[Exception], None]) -> None:
        self._topic = topic
        self._log_failure = log_failure

    def send(self, alert: Alert, webhooks: Sequence[Webhook], only: Container[str] | None = None) -> list[str]:
        """The ways on which nobody was reached, of all or of `only` these."""
        ways: dict[str, Callable[[], None]] = {"topic": lambda: self._publish(alert), "bus": lambda: _put(alert)}
        ways |= {way(hook): partial(_post, alert, hook) for hook in webhooks}
        return [name for name, way in ways.items() if (only is None or name in only) and not self._tried(way)]

    def _tried(self, send: Callable[[], None]) -> bool:
        try:
            send()
        except Exception as error:  # noqa: BLE001 - of one way
            self._log_failure(error)
            return False
        return True

    def _publish(self, alert: Alert) -> None:
        with translated("the alerts' topic"):
            client("sns").publish(TopicArn=self._topic, Subject=messages.subject(alert), Message=messages.text(alert))


def way(hook: Webhook) -> str:
    """The name of a webhook in an alert's row: nothing of its secrets, and another for each routing key."""
    return f"webhook-{sha256(f'{hook.url} {hook.routing_key}'.encode())[:16]}"


def ways(webhooks: Sequence[Webhook]) -> list[str]:
    """The names of all ways that an alert goes."""
    return ["topic", "bus", *map(way, webhooks)]


def _post(alert: Alert, hook: Webhook) -> None:
    post(hook, messages.posted(alert, hook))


def _put(alert: Alert) -> None:
    entry = {"Source": "zeroloop", "DetailType": "AlertChanged", "Detail": messages.detail(alert)}
    with translated("the event bus"):
        answer = client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        raise Unavailable("the event bus took no event")


def post(webhook: Webhook, body: bytes) -> None:
    """Post `body`; three tries, 5 s each.

    Raises
    ------
    Unavailable
        No answer, or one that isn't a success. The message names the host alone: the rest of the address is a secret.
    """
    parts = urlsplit(webhook.url)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    headers = {"Host": parts.netloc, "Content-Type": "application/json"}
    told = ""
    for attempt in range(_TRIES):
        connection = Connection(f"{parts.scheme}://{parts.netloc}")
        deadline = clock.monotonic() + _SECONDS
        try:
            status, _ = connection.ask("POST", path, headers, body, lambda end=deadline: _left(end))  # type: ignore[misc]
        except OSError as error:
            told = type(error).__name__
        else:
            if status < _ANSWERED:
                return
            told = str(status)
        finally:
            connection.close()
        clock.sleep(clock.pause_seconds(attempt, first=0.2))
    raise Unavailable(f"the webhook at {parts.hostname} took no message: {told}")


def _left(deadline: float) -> float:
    left = deadline - clock.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
