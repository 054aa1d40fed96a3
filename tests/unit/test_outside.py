"""What monitoring sends, and what it asks CloudWatch: by stand-ins for the connection and the clients."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.test_messages import ALERT
from zeroloop import clock
from zeroloop.errors import Unavailable
from zeroloop.monitoring import messages, outside
from zeroloop.monitoring.alerts import Webhook
from zeroloop.monitoring.outside import Called, Counts, Sender, post, way, ways

SLACK = Webhook("https://hooks.example.com/services/T0/secret?x=1", "slack")
Answer = int | Exception


class Line:
    """A connection that gives the answers that it was told to, one a try."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.closed = 0

    def __call__(self, origin: str) -> "Line":
        assert origin == "https://hooks.example.com"
        return self

    def ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes, left: Callable[[], float]
    ) -> tuple[int, bytes]:
        assert body == b"{}"
        assert 0 < left() <= 5
        self.asked.append((method, path, headers))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer, b""

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(name="line")
def _line(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Line]:
    def line(*answers: Answer) -> Line:
        made = Line(*answers)
        monkeypatch.setattr(outside, "Connection", made)
        monkeypatch.setattr(clock, "sleep", lambda _seconds: None)
        return made

    return line


class Client:
    """One client for all services, which notes its calls."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**asked: Any) -> Any:
            self.calls.append((name, asked))
            return self.answers[name]

        return call


def test_a_webhook_gets_its_whole_address_and_the_connection_is_closed(line: Callable[..., Line]) -> None:
    one = line(204)
    post(SLACK, b"{}")
    headers = {"Host": "hooks.example.com", "Content-Type": "application/json"}
    assert one.asked == [("POST", "/services/T0/secret?x=1", headers)]
    assert one.closed == 1


@pytest.mark.parametrize("first", [500, 429, 301, ConnectionResetError(), TimeoutError()])
def test_what_fails_once_is_posted_again(line: Callable[..., Line], first: Answer) -> None:
    one = line(first, 200)
    post(SLACK, b"{}")
    assert (len(one.asked), one.closed) == (2, 2)


def test_after_three_tries_it_is_unavailable_and_its_secret_stays_untold(line: Callable[..., Line]) -> None:
    one = line(500, 500, 403)
    with pytest.raises(Unavailable) as refused:
        post(SLACK, b"{}")
    assert len(one.asked) == 3
    assert "hooks.example.com" in refused.value.message
    assert "403" in refused.value.message
    assert "secret" not in refused.value.message


def test_a_way_that_fails_is_told_and_keeps_no_other_from_its_message(
    line: Callable[..., Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    line(500, 500, 500)
    monkeypatch.setattr(messages, "posted", lambda _alert, _hook: b"{}")
    client = Client(publish={}, put_events={"FailedEntryCount": 0})
    monkeypatch.setattr(outside, "client", lambda _service: client)
    told: list[Exception] = []
    assert Sender("arn:topic", told.append).send(ALERT, [SLACK]) == [way(SLACK)]
    assert [name for name, _ in client.calls] == ["publish", "put_events"]
    assert [type(error) for error in told] == [Unavailable]


@pytest.mark.parametrize("unexpected", [ValueError("Port out of range"), UnicodeError("no ASCII"), KeyError("state")])
def test_whatever_goes_wrong_on_a_way_is_its_own_trouble(
    line: Callable[..., Line], monkeypatch: pytest.MonkeyPatch, unexpected: Exception
) -> None:
    line(unexpected)
    monkeypatch.setattr(messages, "posted", lambda _alert, _hook: b"{}")
    client = Client(publish={}, put_events={"FailedEntryCount": 0})
    monkeypatch.setattr(outside, "client", lambda _service: client)
    told: list[Exception] = []
    assert Sender("arn:topic", told.append).send(ALERT, [SLACK]) == [way(SLACK)]
    assert told == [unexpected]


def test_two_services_behind_one_address_are_both_told(monkeypatch: pytest.MonkeyPatch) -> None:
    address, posted = "https://events.pagerduty.com/v2/enqueue", []
    hooks = [Webhook(address, "pagerduty", key) for key in ("team-a", "team-b")]
    monkeypatch.setattr(outside, "post", lambda hook, _body: posted.append(hook.routing_key))
    assert not Sender("arn:topic", lambda _error: None).send(ALERT, hooks, only=[way(hook) for hook in hooks])
    assert posted == ["team-a", "team-b"]
    assert not any("team" in name or "pagerduty" in name for name in ways(hooks))


def test_only_the_ways_that_are_left_are_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(put_events={"FailedEntryCount": 1})
    monkeypatch.setattr(outside, "client", lambda _service: client)
    assert Sender("arn:topic", lambda _error: None).send(ALERT, [SLACK], only=["bus"]) == ["bus"]
    assert [name for name, _ in client.calls] == ["put_events"]


def test_calls_and_crashes_are_the_sums_of_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.fromtimestamp(6000, UTC)
    points = [{"Timestamp": at, "Sum": 3.0}, {"Timestamp": at + timedelta(days=1), "Sum": 4.0}]
    client = Client(get_metric_statistics={"Datapoints": points})
    monkeypatch.setattr(outside, "client", lambda _service: client)
    assert Counts("predict").called(100, 105) == Called(7, 7)
    assert [asked["MetricName"] for _, asked in client.calls] == ["Invocations", "Errors"]
    asked = client.calls[0][1]
    assert (asked["StartTime"], asked["EndTime"], asked["Period"]) == (
        "1970-01-01T01:40:00Z",
        "1970-01-01T01:45:00Z",
        300,
    )


def test_requests_are_told_minute_by_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime.fromtimestamp(6060, UTC)
    points = [{"Timestamp": at, "SampleCount": 3.0}, {"Timestamp": at - timedelta(minutes=1), "SampleCount": 4.0}]
    client = Client(get_metric_statistics={"Datapoints": points})
    monkeypatch.setattr(outside, "client", lambda _service: client)
    assert Counts("predict").requests("sentiment", 100, 160) == {101: 3, 100: 4}
    [(_, asked)] = client.calls
    assert (asked["Period"], asked["Dimensions"]) == (60, [{"Name": "model", "Value": "sentiment"}])
