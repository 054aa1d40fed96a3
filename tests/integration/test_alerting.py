"""What makes an alert of latency, errors, silence, ingest and accuracy, and how alerts are sent, on moto."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from msgspec.structs import replace

from tests.integration.test_monitor import (
    MINUTE,
    START,
    Monitored,
    Outbox,
    frame,
    requests,
    rows,
    windows,
)
from tests.integration.test_monitor import _world as _world  # noqa: PLC0414 - the fixture
from tests.integration.test_predict import SMALL, configured
from zeroloop import clock
from zeroloop.errors import Unavailable
from zeroloop.monitoring import outside
from zeroloop.monitoring.aggregate import merge
from zeroloop.monitoring.alerts import Alert, Webhook
from zeroloop.monitoring.cells import Cell
from zeroloop.monitoring.counting import Line, Outcome, count, judge
from zeroloop.monitoring.outside import Called
from zeroloop.registry import rules
from zeroloop.registry.service import Change


def test_latency_alerts_when_two_of_three_windows_are_slow_and_is_over_when_two_are_not(world: Monitored) -> None:
    slow, fast = requests(200, latency_ms=900.0), requests(200)
    assert windows(world, [fast, slow, fast, slow, slow, fast]) == [("latency", "ALERT")]
    assert world.outbox.sent[0].value == pytest.approx(900, rel=0.02)
    assert world.outbox.sent[0].window_end == (START + 20) * MINUTE
    assert windows(world, [fast], START + 30)[1:] == [("latency", "OK")]


def test_errors_alert_and_callers_mistakes_do_not(world: Monitored) -> None:
    mistakes = [*requests(100), *requests(400, 422)]
    failing = [*requests(180), *requests(20, 500)]
    assert windows(world, [mistakes, mistakes, failing, failing]) == [("errors", "ALERT")]
    assert world.outbox.sent[0].value == pytest.approx(0.1)


def test_few_requests_are_judged_with_those_before_them(world: Monitored) -> None:
    slow = requests(60, latency_ms=900.0)
    assert windows(world, [slow, slow, slow]) == [("latency", "ALERT")]
    assert world.outbox.sent[0].n == 120


def test_no_more_is_judged_than_the_last_hundred_requests(world: Monitored) -> None:
    """After windows in which half failed 94 that were well, and 94 again: of the last 100 none failed."""
    world.lines(START + 1, [*requests(45), *requests(50, 500)])
    world.lines(START + 6, [*requests(45), *requests(50, 500)])
    well = [requests(94)] * 8
    for minute in (6.1, 11.1):
        world.tick(START + minute, "minutes")
    assert windows(world, well, START + 10) == [("errors", "ALERT"), ("errors", "OK")]
    over = world.outbox.sent[-1]
    assert over.n == 188
    assert over.window_end == (START + 25) * MINUTE
    assert len(world.cloud.asked) <= 30


def test_a_version_is_not_blamed_for_those_before_it(world: Monitored) -> None:
    """The old one fails, the new one is promoted within a window, and gets few requests, all well."""
    failing, few = requests(200, 500), requests(12)
    windows(world, [failing, requests(200)])
    world.registry.promote("sentiment", 2, Change(actor="ann", at=(START + 12) * MINUTE, reason="mended"))
    world.lines(START + 11, failing)
    for number in range(2, 12):
        world.lines(START + 5 * number + 3, few, 2)
        world.tick(START + 5 * (number + 1) + 1.1, "minutes")
    assert world.changes() == []
    assert world.app.watch.watched(world.registry.model("sentiment").model_id).kinds["errors"].version == 2


def test_a_champion_is_not_blamed_for_a_challenger_that_was_taken_out(world: Monitored) -> None:
    def challenge(version: int | None, traffic: float | None, minute: int) -> None:
        change = Change(actor="ann", at=(START + minute) * MINUTE, reason="looking")
        world.registry.challenge("sentiment", version, traffic, change)

    challenge(2, 0.5, -50)
    for minute in range(-40, 0, 5):
        world.lines(START + minute + 1, requests(10))
    world.lines(START - 3, requests(10, 500), 2)
    challenge(None, None, -1)
    assert windows(world, [requests(10)] * 20) == []


def test_a_champion_is_not_blamed_for_a_version_that_callers_pin(world: Monitored) -> None:
    for minute in range(0, 20, 5):
        world.lines(START + minute + 1, requests(100, 500), 2)
    assert windows(world, [requests(150)] * 4) == []


@pytest.mark.parametrize("tested", [False, True])
def test_whoever_answers_beside_the_champion_counts_and_is_named(world: Monitored, tested: bool) -> None:
    lineup = world.app.registry.lineup

    def beside(name: str) -> Any:
        arms = [rules.Arm(variant=f"v{one}", version=one, first=0, last=1) for one in (1, 2)]
        test = rules.Test(test_id="t", salt="", coverage_salt="", coverage=1, shadow=False, arms=arms)
        return replace(lineup(name), test=test) if tested else replace(lineup(name), challenger=2)

    world.app.registry.lineup = beside
    for minute in (1, 6):
        world.lines(START + minute, requests(100, 500), 2)
        world.lines(START + minute, requests(5, 500), 0)
    assert windows(world, [requests(150)] * 2) == [("errors", "ALERT")]
    assert world.outbox.sent[0].n == 255
    assert "sentiment versions 1 and 2, " in world.outbox.sent[0].told


def test_windows_that_are_made_up_for_are_those_of_who_was_champion_then(world: Monitored) -> None:
    windows(world, [requests(200)])
    for minute in (6, 11):
        world.lines(START + minute, requests(200, 500))
    world.registry.promote("sentiment", 2, Change(actor="ann", at=(START + 15) * MINUTE, reason="mended"))
    world.tick(START + 16.1, "minutes")
    assert world.changes() == [("errors", "ALERT")]
    assert world.outbox.sent[0].version == 1
    assert "version 1" in world.outbox.sent[0].told


def test_crashes_count_as_errors(world: Monitored) -> None:
    world.cloud.of_function = Called(440, 40)
    assert windows(world, [requests(200), requests(200)]) == [("errors", "ALERT")]
    assert world.outbox.sent[0].value == pytest.approx(20 / 220, rel=1e-5)


def test_crashes_are_no_errors_of_a_model_without_requests(world: Monitored) -> None:
    """Others' calls all crash: of what has no line nobody knows whose it was, and a quiet model isn't blamed."""
    assert windows(world, [requests(200), requests(200)]) == []
    world.cloud.of_function = Called(5000, 5000)
    assert windows(world, [[], [], []], START + 10) == [("silence", "ALERT")]
    assert world.ask("metrics", queryStringParameters={"window": "5m"})["requests"]["crashes"] == 0


def test_silence_is_an_alert_where_something_was_due_and_lasts_until_something_comes(world: Monitored) -> None:
    assert windows(world, [requests(120), [], [], *[[]] * 14, requests(60), requests(60)]) == [
        ("silence", "ALERT"), ("silence", "OK")
    ]  # fmt: skip
    assert world.outbox.sent[0].window_end == (START + 15) * MINUTE


@pytest.mark.parametrize("of_three", [1, 2, 3])
@pytest.mark.parametrize("minutes", [2, 5, 20, 30, 60])
def test_silence_is_an_alert_whatever_the_length_of_windows(world: Monitored, minutes: int, of_three: int) -> None:
    world.set(minutes=minutes, of_three=of_three)
    assert windows(world, [requests(600), *[[]] * (of_three - 1)], minutes=minutes) == []
    assert windows(world, [[]], START + minutes * of_three, minutes) == [("silence", "ALERT")]


def test_what_is_due_is_known_from_before_the_silence(world: Monitored) -> None:
    """Eight are due, nothing of eight comes by chance with .0003; in an hour that holds the silence fewer would be."""
    world.set(of_three=3)
    for minute in range(0, 60, 5):
        world.lines(START - 60 + minute + 1, requests(8))
    assert windows(world, [[], [], []]) == [("silence", "ALERT")]


def test_where_little_came_nothing_is_no_silence(world: Monitored) -> None:
    assert windows(world, [requests(3), [], [], []]) == []


def test_ingest_that_falls_behind_is_an_alert(world: Monitored) -> None:
    world.cloud.told = 200
    assert windows(world, [requests(200), requests(150), requests(150)]) == [("ingest", "ALERT")]
    assert world.outbox.sent[0].value == 0.75


@pytest.mark.parametrize(
    ("n", "told", "share", "found"),
    [
        (17, 17, 1.0, [("ingest", "ALERT")]),  # in five minutes too few to tell, in an hour enough
        (17, 18, 1.0, [("ingest", "ALERT")]),
        (1, 1, 1.0, []),  # 12 in an hour
        (20, 200, 0.1, [("ingest", "ALERT")]),
        (2, 20, 0.1, [("ingest", "ALERT")]),
        (2, 20, 0.0, []),
    ],
)
def test_ingest_that_dies_is_an_alert_however_few_requests_come(
    world: Monitored, n: int, told: int, share: float, found: list[tuple[str, str]]
) -> None:
    world.cloud.told = told
    world.app.minutes._log_share = share
    lines = [Line(status=200, latency_ms=10.0, weight=1 / (share or 1))] * n
    for minute in range(0, 60, 5):
        world.lines(START - 60 + minute + 1, lines)
    windows(world, [lines] * 3)
    assert world.changes() == []
    assert windows(world, [[]] * 12, START + 15) == found
    assert windows(world, [lines] * 15, START + 75)[1:] == [(kind, "OK") for kind, _ in found]


def test_one_loss_is_one_alert_where_now_more_come_and_now_fewer(world: Monitored) -> None:
    """15 in a window are too few to tell, 25 are enough: what the few are judged with is no more than is needed."""
    told = [15] * 15 + [25, 25, 15, 15] * 3
    for number, n in enumerate(told):
        minute = START + 5 * number + 1
        world.cloud.by_minute[minute] = n
        if number not in {13, 14}:
            world.lines(minute, requests(n))
        if number % 12 == 11:
            world.tick(minute + 3)
        world.tick(minute + 5.1, "minutes")
    assert world.changes() == [("ingest", "ALERT"), ("ingest", "OK")]
    begun, over = world.outbox.sent
    assert (begun.n, begun.window_end) == (30, (START + 75) * MINUTE)
    assert over.window_end <= (START + 85) * MINUTE


def test_an_alert_names_the_time_that_its_numbers_are_of(world: Monitored) -> None:
    slow = requests(60, latency_ms=900.0)
    world.cloud.by_minute = {START + minute: 17 for minute in (1, 6, 11, 16)}
    windows(world, [requests(17), requests(17), [], [], slow, slow, slow])
    found = {one.kind: one for one in world.outbox.sent if one.state == "ALERT"}
    for kind, start, end in (("ingest", 11, 20), ("latency", 26, 35)):
        one = found[kind]
        assert (one.window_start, one.window_end) == ((START + start) * MINUTE, (START + end) * MINUTE), kind
        assert f"{clock.iso(one.window_start)} to {clock.iso(one.window_end)}" in one.told
        assert one.report.endswith(f"metrics?window={end - start}m")


def test_requests_that_name_no_model_for_cloudwatch_hide_no_loss(world: Monitored) -> None:
    """A body that is no JSON has no version, and no name for CloudWatch; a version that isn't there has the model's."""
    world.cloud.told = 300
    for minute in range(1, 20, 5):
        world.lines(START + minute, requests(100, 400), 0)
    lost = [requests(225)] * 2
    pinned = Cell(world.registry.model("sentiment").model_id, 0, "pinned", START + 11)
    assert windows(world, lost) == [("ingest", "ALERT")]
    for minute in (11, 16):
        world.counted.cells.append((pinned._replace(minute=START + minute), count(requests(75, 404), frame())))
    assert windows(world, lost, START + 10) == [("ingest", "ALERT"), ("ingest", "OK")]


def test_without_a_champion_cloudwatch_has_all_that_named_the_model(world: Monitored) -> None:
    world.register("idle", SMALL)
    world.cloud.told = 100
    for minute in range(1, 20, 5):
        world.lines(START + minute, requests(100))
        world.add(START + minute, count(requests(100, 409), frame()), 0, "idle")
    assert windows(world, [[]] * 4) == []


def test_which_share_of_the_lines_is_logged_is_the_stacks_to_say(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(monkeypatch, LOG_SHARE="0.1")
    world = Monitored(load("predict"), load("monitor"), monkeypatch)
    world.register("sentiment", SMALL)
    world.promote("sentiment", 1)
    world.cloud.told = 1000
    lines = [Line(status=200, latency_ms=10.0, weight=10.0)] * 85
    assert windows(world, [lines] * 3) == []


def test_cloudwatch_is_not_asked_about_models_that_nobody_promoted_or_called(world: Monitored) -> None:
    world.register("idle", SMALL)
    windows(world, [[], [], []])
    assert set(world.cloud.models) == {"sentiment"}


def test_requests_that_are_not_counted_are_no_silence(world: Monitored) -> None:
    world.cloud.told = 200
    assert windows(world, [requests(200), [], []]) == [("ingest", "ALERT")]


def test_accuracy_alerts_once_a_hundred_labels_say_so(world: Monitored) -> None:
    wrong = judge([Outcome("positive", 0.9, None, "negative")] * 60, frame())
    for hour in range(3):
        world.add(START + 60 * hour + 5, merge(count(rows("movie", 200 * hour, 200), frame()), wrong))
        world.tick(START + 60 * (hour + 1) + 2)
    assert world.changes() == [("accuracy", "ALERT")]
    assert world.outbox.sent[0].n == 180


def test_what_was_not_sent_is_sent_again_on_the_ways_that_are_left(world: Monitored) -> None:
    slow = requests(200, latency_ms=900.0)
    world.outbox.down = ["bus"]
    windows(world, [slow, slow])
    world.outbox.down = []
    world.tick(START + 15, "minutes")  # not yet: whoever wrote it may still be sending
    assert len(world.outbox.sent) == 1
    for _ in range(3):
        world.tick(START + 15.2, "minutes")
    assert world.outbox.ways == [None, ["bus"]]


def test_an_alert_goes_out_once_also_when_judging_took_longer_than_a_retry(
    world: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = requests(200, latency_ms=900.0)
    windows(world, [slow])
    world.lines(START + 6, slow)
    look_at, send = world.app.rounds._look_at, world.outbox.send

    def for_long(*args: Any) -> Any:
        looked = look_at(*args)
        world.minute += 5
        return looked

    def meanwhile(*args: Any) -> list[str]:
        world.app.rounds._look_at = look_at
        monkeypatch.setattr(world.outbox, "send", send)
        world.app.rounds.tick("hour", clock.now_ms())
        return send(*args)

    world.app.rounds._look_at = for_long
    monkeypatch.setattr(world.outbox, "send", meanwhile)
    world.tick(START + 11.1, "minutes")
    assert world.changes() == [("latency", "ALERT")]


def posts(world: Monitored, monkeypatch: pytest.MonkeyPatch, hooks: list[dict[str, str]]) -> list[dict[str, Any]]:
    """What is posted from now on to webhooks that the model has, by the sender as it is; `world.outbox.down` fail."""
    posted: list[dict[str, Any]] = []

    def post(hook: Webhook, body: bytes) -> None:
        if hook.url in world.outbox.down:
            raise Unavailable("down")
        posted.append(json.loads(body))

    class Client:
        def publish(self, **_: Any) -> None:
            pass

        def put_events(self, **_: Any) -> dict[str, int]:
            return {"FailedEntryCount": 0}

    monkeypatch.setattr(outside, "post", post)
    monkeypatch.setattr(outside, "client", lambda _service: Client())
    world.app.rounds._sender = outside.Sender("arn:topic", lambda _error: None)
    world.set(webhooks=hooks)
    return posted


def test_nobody_is_told_of_an_end_before_its_beginning(world: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = {"url": "https://events.example.com/v2/enqueue", "format": "pagerduty", "routing_key": "k"}
    posted = posts(world, monkeypatch, [hook])
    slow, fast = requests(200, latency_ms=900.0), requests(200)
    world.outbox.down = [hook["url"]]
    windows(world, [slow, slow, fast])
    world.lines(START + 16, fast)
    world.tick(START + 20.5, "minutes")  # tries the first again: it is taken on when the second comes
    world.outbox.down = []
    for minute in (21.1, 25, 29.1):
        world.tick(START + minute, "minutes")
    assert [one["event_action"] for one in posted] == ["trigger", "resolve"]


def test_more_alerts_than_a_page_are_sent_when_a_way_is_back(world: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    hook = {"url": "https://hooks.example.com/x", "format": "slack"}
    posted = posts(world, monkeypatch, [hook])
    slow, fast = requests(200, latency_ms=900.0), requests(200)
    world.outbox.down = [hook["url"]]
    windows(world, [slow, slow, fast, fast] * 6)
    world.outbox.down = []
    for minute in (125.5, 129.9):
        world.tick(START + minute, "minutes")
    assert [one["text"].split("*")[1] for one in posted] == ["ALERT", "OK"] * 6


def test_a_dead_webhook_costs_the_others_no_more_than_a_moment(
    world: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits longest is first, so that a call that has no time left goes on with the others the next time."""
    world.register("another", SMALL)
    world.promote("another", 1)
    seconds = 0.0
    tried: list[str] = []

    class Slow(Outbox):
        def send(self, alert: Alert, *_: Any) -> list[str]:
            nonlocal seconds
            seconds += 75
            tried.append(alert.model)
            return ["bus"]

    world.app.rounds._sender = Slow()
    monkeypatch.setattr(clock, "monotonic", lambda: seconds)
    slow = count(requests(200, latency_ms=900.0), frame())
    for minute in (1, 6):
        for name in ("another", "sentiment"):
            world.add(START + minute, slow, name=name)
        world.tick(START + minute + 5.1, "minutes")
    assert (tried, seconds) == (["another"], 75)
    world.tick(START + 15.2, "minutes")
    world.tick(START + 19.3, "minutes")
    assert tried == ["another", "sentiment", "another"]


def test_windows_that_are_made_up_for_may_begin_and_end_an_alert_in_one_call(world: Monitored) -> None:
    slow, fast = requests(200, latency_ms=900.0), requests(200)
    windows(world, [fast])
    for number, lines in enumerate([slow, slow, fast, fast], 1):
        world.lines(START + 5 * number + 1, lines)
    assert world.tick(START + 26.1, "minutes") == {"models": 1, "windows": 4, "alerts": 2}
    assert world.changes() == [("latency", "ALERT"), ("latency", "OK")]


def test_one_model_that_fails_keeps_no_other_from_being_judged(world: Monitored) -> None:
    world.register("another", SMALL)
    world.promote("another", 1)
    world.add(START + 30, count(rows("nyt", 0, 300), frame()), name="another")
    lineup, failing = world.app.registry.lineup, "another"

    def fails(name: str) -> Any:
        if name == failing:
            raise Unavailable("its table is on fire")
        return lineup(name)

    world.app.registry.lineup = fails
    failing = "sentiment"
    with pytest.raises(Unavailable):
        world.tick(START + 62)
    assert len(world.ask("reports", rawPath="/models/another/reports")["reports"]) == 1
