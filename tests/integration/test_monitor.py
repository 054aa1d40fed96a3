"""The monitor function on moto: what was counted is judged, once a window, and told of once a change."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
import pytest

from examples.sentiment import dataset
from tests.integration.conftest import Context, event
from tests.integration.test_predict import LARGE, MACHINE, SMALL, World, configured
from zeroloop import clock
from zeroloop.errors import Unavailable
from zeroloop.inference.service import said
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.alerts import Alert, Watch, Watched, Webhook, watched
from zeroloop.monitoring.baseline import frame_of, read
from zeroloop.monitoring.cells import Cell
from zeroloop.monitoring.counting import Answered, Line, Outcome, count, judge
from zeroloop.monitoring.frame import Frame
from zeroloop.monitoring.outside import Called
from zeroloop.stats.estimated import estimated_accuracy
from zeroloop.stats.intervals import Interval
from zeroloop_training import packaging

START = 29_923_020
"""A full hour, in minutes."""
MINUTE = 60_000


@cache
def frame() -> Frame:
    return frame_of((SMALL / "baseline.json").read_bytes())


@cache
def answered(domain: str) -> list[Answered]:
    """What SMALL answers to sentences that it never saw."""
    own = domain == "movie"
    sentences = dataset.read() if own else dataset.read(dataset.DATA / "nyt_editorials.tsv.gz")
    texts = dataset.rows(sentences, "test").values if own else [one.text for one in sentences[:1500]]
    found = packaging.load(SMALL).answers(texts, [""] * len(texts))
    return [Answered(*said(answer), ids) for answer, ids in zip(found.answers, found.features(), strict=True)]


def rows(domain: str, start: int, n: int) -> list[Line]:
    return [Line(status=200, latency_ms=10.0, predictions=[one]) for one in answered(domain)[start : start + n]]


def requests(n: int, status: int = 200, latency_ms: float = 10.0) -> list[Line]:
    return [Line(status=status, latency_ms=latency_ms, code=None if status == 200 else "internal") for _ in range(n)]


class Counted:
    """What MonitoringStore would read: it has tests of its own, and moto takes a second for a write of its."""

    def __init__(self) -> None:
        self.cells: list[tuple[Cell, Aggregate]] = []

    def window(
        self, model_id: str, start: int, end: int, version: int | None = None, variant: str | None = None
    ) -> dict[tuple[int, str], Aggregate]:
        found: dict[tuple[int, str], Aggregate] = {}
        for cell, one in self.cells:
            asked = version in {None, cell.version} and variant in {None, cell.variant}
            if asked and cell.model_id == model_id and start <= cell.minute < end:
                key = (cell.version, cell.variant)
                found[key] = merge(found.get(key, EMPTY), one)
        return found

    def minutes(
        self, model_id: str, start: int, end: int, wanted: Callable[[tuple[int, str]], bool]
    ) -> dict[int, Aggregate]:
        found: dict[int, Aggregate] = {}
        for cell, one in self.cells:
            if wanted((cell.version, cell.variant)) and cell.model_id == model_id and start <= cell.minute < end:
                found[cell.minute] = merge(found.get(cell.minute, EMPTY), one)
        return found


class Cloud:
    """What CloudWatch would know."""

    def __init__(self) -> None:
        self.of_function = Called(0, 0)
        self.before: Called | None = None
        """Of windows that begin before START."""
        self.told = 0
        """Requests in five minutes, if not said by minute."""
        self.by_minute: dict[int, int] = {}
        self.models: list[str] = []
        self.asked: list[tuple[int, int]] = []

    def called(self, start: int, end: int) -> Called:
        self.asked.append((start, end))
        return self.before if self.before and start < START else self.of_function

    def requests(self, model: str, start: int, end: int) -> dict[int, int]:
        self.models.append(model)
        usual = {minute: self.told for minute in range(start, end) if minute % 5 == 1 and self.told}
        return usual | {minute: n for minute, n in self.by_minute.items() if start <= minute < end}


class Outbox:
    """Where alerts would go; `down` are the ways that fail."""

    def __init__(self) -> None:
        self.sent: list[Alert] = []
        self.ways: list[Any] = []
        self.down: list[str] = []

    def send(self, alert: Alert, _webhooks: Sequence[Webhook], only: Any = None) -> list[str]:
        self.sent.append(alert)
        self.ways.append(only)
        return self.down


class Monitored(World):
    """A registry, what was counted, and the monitor beside them; time is `now`, in minutes."""

    def __init__(self, predict: ModuleType, app: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(predict)
        self.app = app
        self.cloud, self.outbox = Cloud(), Outbox()
        self.counted = Counted()
        app.traffic.cloud, app.rounds._sender, app.traffic.counts = self.cloud, self.outbox, self.counted
        self.minute = float(START)
        monkeypatch.setattr(clock, "now_ms", lambda: round(self.minute * MINUTE))

    def add(self, minute: int, aggregate: Aggregate, version: int = 1, name: str = "sentiment") -> None:
        cell = Cell(self.registry.model(name).model_id, version, "champion" if version else "", minute)
        self.counted.cells.append((cell, aggregate))

    def lines(self, minute: int, lines: list[Line], version: int = 1) -> None:
        self.add(minute, count(lines, frame()), version)

    def tick(self, minute: float, schedule: str = "hour") -> dict[str, int]:
        self.minute = minute
        done: dict[str, int] = self.app.lambda_handler(event("monitor", f"schedule_{schedule}"), Context())
        return done

    def ask(self, case: str, status: int = 200, **changes: Any) -> Any:
        answer = self.app.lambda_handler({**event("monitor", case), **changes}, Context())
        assert answer["statusCode"] == status, answer["body"]
        return json.loads(answer["body"])

    def set(self, **settings: Any) -> None:
        self.ask("set", body=json.dumps(settings))

    def changes(self) -> list[tuple[str, str]]:
        return [(alert.kind, alert.state) for alert in self.outbox.sent]


def windows(
    world: Monitored, made: Sequence[list[Line]], first: int = START, minutes: int = 5
) -> list[tuple[str, str]]:
    """What windows of these lines change, one after the other."""
    for number, lines in enumerate(made):
        if lines:
            world.lines(first + minutes * number + 1, lines)
        world.tick(first + minutes * (number + 1) + 1.1, "minutes")
    return world.changes()


@pytest.fixture(name="world")
def _world(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Monitored:
    configured(monkeypatch)
    world = Monitored(load("predict"), load("monitor"), monkeypatch)
    for package in (SMALL, LARGE):
        world.register("sentiment", package)
    world.promote("sentiment", 1)
    return world


def test_an_empty_window_has_total_0_and_nulls(world: Monitored) -> None:
    found = world.ask("metrics")
    assert found["total"] == 0
    for name in ("avg_latency_ms", "p50_ms", "p95_ms", "p99_ms", "error_rate", "accuracy", "f1_macro"):
        assert found[name] is None, name
    assert found["estimated_accuracy"]["value"] is None
    assert found["window_end"] - found["window_start"] == 60 * MINUTE


def test_metrics_are_those_worked_out_by_hand(world: Monitored) -> None:
    lines = [*rows("movie", 0, 90), *requests(6, 500), *requests(20, 422)]
    said = [one.label or "" for one in answered("movie")[:90]]
    right = [Outcome(one, 0.9, None, one) for one in said[:40]]
    wrong = [Outcome(one, 0.9, None, "positive" if one == "negative" else "negative") for one in said[40:50]]
    world.add(START - 10, merge(count(lines, frame()), judge([*right, *wrong], frame())))
    world.cloud.of_function = Called(232, 8)  # half of the calls that left a line are this model's
    found = world.ask("metrics")
    assert found["total"] == 90
    assert found["requests"] | {"by_code": {}} == {
        "total": 116, "2xx": 90, "4xx": 20, "5xx": 6, "crashes": pytest.approx(8 * 116 / 224, rel=1e-4), "by_code": {}
    }  # fmt: skip
    bad = 6 + 8 * 116 / 224
    assert found["error_rate"] == pytest.approx(bad / (90 + bad), rel=1e-4)
    assert found["p50_ms"] == found["p99_ms"] == pytest.approx(10, rel=0.02)
    assert (found["accuracy"], found["labelled"]) == (0.8, 50)
    assert found["label_coverage"] == pytest.approx(50 / 90, rel=1e-5)
    assert found["accuracy_interval"]["method"] == "wilson"
    hits = sum(one == "positive" for one in said[:40])
    answers = sum(one == "positive" for one in said[:50])
    assert found["labels"]["positive"]["precision"]["value"] == pytest.approx(hits / answers, rel=1e-5)
    assert 0.6 < found["estimated_accuracy"]["value"] < 0.9
    assert found["estimated_accuracy"]["method"] == "cbpe"
    assert world.ask("metrics", rawQueryString="version=2", queryStringParameters={"version": "2"})["total"] == 0


def test_accuracy_is_estimated_by_the_baseline_of_who_answered(world: Monitored) -> None:
    for version, domain, variant in ((1, "movie", "champion"), (2, "nyt", "challenger")):
        cell = Cell(world.registry.model("sentiment").model_id, version, variant, START - 10)
        world.counted.cells.append((cell, count(rows(domain, 0, 300), frame())))

    def estimated(**query: str) -> Any:
        return world.ask("metrics", queryStringParameters=query)["estimated_accuracy"]

    by_hand = read((LARGE / "baseline.json").read_bytes())
    scores = count(rows("nyt", 0, 300), frame()).scores
    wanted = estimated_accuracy(scores, by_hand.labelled, by_hand.correct)
    assert isinstance(wanted, Interval)
    assert estimated(variant="challenger") == estimated(version="2")
    assert estimated(variant="challenger")["value"] == pytest.approx(wanted.value, rel=1e-5)
    assert estimated(variant="champion")["value"] != pytest.approx(wanted.value, rel=1e-5)
    assert estimated()["value"] is None
    assert "several versions" in estimated()["why"]


def test_why_accuracy_is_not_estimated_tells_no_score_from_no_answer(world: Monitored) -> None:
    world.register("machine", MACHINE)
    world.add(START - 10, Aggregate(n=500, requests={"200": 500_000}), name="machine")
    world.add(START - 10, Aggregate(n=0, requests={"503": 1000}), version=0)
    why = [
        world.ask("metrics", rawPath=f"/models/{name}/metrics")["estimated_accuracy"]
        for name in ("machine", "sentiment")
    ]
    assert [one["value"] for one in why] == [None, None]
    assert [one["why"] for one in why] == ["no answers with a score", "nobody answered"]


def test_another_domain_is_an_alert_once_and_its_end_another(world: Monitored) -> None:
    world.set(drift_minutes=60)
    at = START
    for hour, domain in enumerate(["movie", "movie", "nyt", "nyt", "nyt", "movie", "movie"]):
        world.lines(at + 60 * hour + 30, rows(domain, 200 * hour % 1000, 200))
        before = len(world.outbox.sent)
        assert world.tick(at + 60 * (hour + 1) + 2)["windows"] == 1
        assert len(world.outbox.sent) - before == (hour in {3, 6}), hour
        assert world.tick(at + 60 * (hour + 1) + 3) == {"models": 1, "windows": 0, "alerts": 0}
    assert world.changes() == [("drift", "ALERT"), ("drift", "OK")]
    page = world.ask("reports")["reports"]
    assert [one["status"] for one in page] == ["healthy"] * 2 + ["drifted"] * 3 + ["healthy"] * 2
    assert page[2]["p_value"] < 0.001
    assert page[2]["effect"]["large"]
    assert page[2]["features"][0]["p_value"] <= page[2]["features"][-1]["p_value"]
    alert = world.outbox.sent[0]
    assert alert.report == f"https://api.example.com/models/sentiment/reports?before={alert.window_end + 1}"
    there = {"before": str(alert.window_end + 1)}
    assert world.ask("reports", queryStringParameters=there)["reports"][0]["window_end"] == alert.window_end
    assert alert.runbook == "https://example.com/operations#drift"
    assert "p = " in alert.told
    told = world.ask("alerts")
    assert told["alerting"] == []
    assert [(one["kind"], one["state"]) for one in told["alerts"]] == [("drift", "OK"), ("drift", "ALERT")]


def test_drifted_windows_with_hours_of_little_between_them_do_not_run(world: Monitored) -> None:
    world.lines(START + 30, rows("nyt", 0, 200))
    for hour in (1, 3):
        world.lines(START + 60 * hour + 30, rows("movie", 0, 50))
    world.lines(START + 60 * 4 + 30, rows("nyt", 200, 200))
    world.lines(START + 60 * 6 + 30, rows("nyt", 400, 200))  # in the hour before it there was nothing at all
    for hour in range(7):
        world.tick(START + 60 * (hour + 1) + 2)
    found = [one["status"] for one in world.ask("reports")["reports"]]
    assert found == ["drifted", "drifted", "undetermined", "undetermined", "drifted"]
    assert world.changes() == []


def test_windows_of_a_day_are_learned_from_once(world: Monitored) -> None:
    world.set(drift_minutes=1440)
    midnight = START // 1440 * 1440
    world.lines(midnight + 30, rows("movie", 0, 300))
    for schedule in ("hour", "day"):
        world.tick(midnight + 1445, schedule)
    assert world.app.watch.learned(world.registry.model("sentiment").model_id, 1, 1440).windows == 1
    assert [one["every"] for one in world.ask("reports")["reports"]] == ["hour"]


@pytest.mark.parametrize("first", ["minutes", "hour"])
def test_the_last_window_is_reported_of_whichever_schedule_comes_to_a_new_model_first(
    world: Monitored, first: str
) -> None:
    world.set(drift_minutes=60)
    world.lines(START + 30, rows("movie", 0, 300))
    world.tick(START + 62, first)
    world.tick(START + 62, "hour")
    [report] = world.ask("reports")["reports"]
    assert (report["every"], report["window_end"]) == ("hour", (START + 60) * MINUTE)


def test_a_day_is_reported_of_once_also_when_the_settings_changed_since(world: Monitored) -> None:
    midnight = START // 1440 * 1440
    world.tick(midnight + 5, "day")
    world.set(drift_minutes=1440)
    world.lines(midnight + 30, rows("movie", 0, 300))
    for schedule in ("hour", "day"):
        world.tick(midnight + 1445, schedule)
    world.set()
    world.tick(midnight + 1450, "day")
    assert [one["every"] for one in world.ask("reports")["reports"]] == ["hour"]


def test_reports_on_demand_judge_one_window_and_change_no_alert(world: Monitored) -> None:
    world.minute = START + 30.5
    world.lines(START + 30, rows("nyt", 0, 300))
    for _ in range(3):
        world.minute += 0.01
        made = world.ask("report", 201)
        assert (made["status"], made["every"], made["model_version"], made["n"]) == ("drifted", "demand", 1, 300)
    assert len(world.ask("reports")["reports"]) == 3
    assert world.outbox.sent == []
    assert world.ask("alerts") == {"alerting": [], "alerts": [], "next": None}


def test_pages_lose_nothing_of_one_time(world: Monitored) -> None:
    world.lines(START + 30, rows("movie", 0, 200))
    for number in range(103):
        world.minute = START + 30.5 + number / 1000
        world.ask("report", 201)
    first = world.ask("reports")
    assert len({one["window_end"] for one in first["reports"]}) == 1
    second = world.ask("reports", queryStringParameters={"before": first["next"]})
    assert [len(page["reports"]) for page in (first, second)] == [100, 3]
    assert len({one["at"] for page in (first, second) for one in page["reports"]}) == 103
    assert second["next"] is None


def test_a_report_knows_of_crashes_as_metrics_do(world: Monitored) -> None:
    world.cloud.of_function = Called(330, 30)
    world.lines(START + 30, requests(300))
    world.minute = START + 30.5
    made = world.ask("report", 201)["metrics"]
    assert made["requests"]["crashes"] == world.ask("metrics")["requests"]["crashes"] == 30


def test_a_doubled_schedule_gives_one_report_also_when_both_run_at_once(world: Monitored) -> None:
    world.set(running=1)
    world.lines(START + 30, rows("nyt", 0, 300))
    conclude, inside = world.app.watch.conclude, False

    def twice(*args: Any, **more: Any) -> bool:
        nonlocal inside
        if not inside:
            inside = True
            world.app.rounds.tick("hour", clock.now_ms())  # called at the same moment, and faster
        return bool(conclude(*args, **more))

    world.app.watch.conclude = twice
    world.tick(START + 62)
    assert len(world.ask("reports")["reports"]) == 1
    assert world.changes() == [("drift", "ALERT")]


def test_whoever_judged_by_a_state_that_changed_meanwhile_writes_nothing(world: Monitored) -> None:
    watch, model_id = world.app.watch, world.registry.model("sentiment").model_id
    first = watched(watch.watched(model_id), "latency", Watch(alert=True, until=5))
    assert watch.conclude(model_id, first)
    alert = Alert(
        model_id=model_id, model="sentiment", kind="latency", state="ALERT", at=START * MINUTE, window_start=0,
        window_end=5, told="", report="", runbook="",
    )  # fmt: skip
    assert not watch.conclude(model_id, watched(Watched(), "errors", Watch(until=5)), alert=alert)
    assert watch.watched(model_id) == first
    assert watch.unsent(model_id, 0) == []


@pytest.mark.parametrize("fails", [1, 2])
def test_a_version_that_fails_keeps_no_other_from_its_report(world: Monitored, fails: int) -> None:
    """And has its own when it is well again; nothing is learned twice. Version 2 is champion."""
    world.promote("sentiment", 2)
    for version in (1, 2):
        world.lines(START + 30, rows("movie", 0, 300), version)
    baselines = world.app.traffic.baselines

    def broken(model_id: str, version: int) -> Any:
        if version == fails:
            raise Unavailable("the bucket is on fire")
        return baselines(model_id, version)

    world.app.traffic.baselines = broken
    with pytest.raises(Unavailable):
        world.tick(START + 62)
    assert [one["model_version"] for one in world.ask("reports")["reports"]] == [3 - fails]
    world.app.traffic.baselines = baselines
    world.tick(START + 63)
    learned = world.app.watch.learned(world.registry.model("sentiment").model_id, 1, 60)
    assert learned.windows == 1
    assert {one["model_version"] for one in world.ask("reports")["reports"]} == {1, 2}
    assert len(world.ask("reports")["reports"]) == 2
    assert world.tick(START + 64)["windows"] == 0


@pytest.mark.parametrize(("schedule", "length"), [("hour", 60), ("day", 1440)])
def test_a_version_that_goes_on_failing_delays_no_alert_and_doubles_no_report(
    world: Monitored, schedule: str, length: int
) -> None:
    world.promote("sentiment", 2)
    midnight = START // 1440 * 1440
    world.tick(midnight + 5, schedule)
    baselines, broken = world.app.traffic.baselines, True

    def fails(model_id: str, version: int) -> Any:
        if version == 1 and broken:
            raise Unavailable("the bucket is on fire")
        return baselines(model_id, version)

    world.app.traffic.baselines = fails
    for window in range(3):
        for version in (1, 2):
            world.lines(midnight + length * window + 30, rows("nyt", 300 * window, 300), version)
        with pytest.raises(Unavailable):
            world.tick(midnight + length * (window + 1) + 2, schedule)
    made = [(one["model_version"], one["window_end"]) for one in world.ask("reports")["reports"]]
    assert made == [(2, (midnight + length * (window + 1)) * MINUTE) for window in (2, 1, 0)]
    broken = False
    assert world.tick(midnight + length * 3 + 3, schedule)["windows"] == 3
    made = [(one["model_version"], one["window_end"]) for one in world.ask("reports")["reports"]]
    assert (len(made), len(set(made))) == (6, 6)
    assert world.changes() == ([("drift", "ALERT")] if schedule == "hour" else [])
    assert world.tick(midnight + length * 3 + 4, schedule)["windows"] == 0


@pytest.mark.parametrize(("first", "dead", "length"), [
    ("hour", "hour", 60), ("day", "day", 1440), ("minutes", "hour", 60), ("minutes", "day", 1440)
])  # fmt: skip
def test_hours_and_days_that_nobody_judges_are_told_of_by_who_judges_minutes(
    world: Monitored, first: str, dead: str, length: int
) -> None:
    """Also of a model to which they never came."""
    world.tick(START + 1, first)  # as of START
    world.tick(START + 3 * length, "day" if dead == "hour" else "hour")
    slow = requests(200, latency_ms=900.0)
    assert windows(world, [slow], START + 3 * length - 5) == []
    world.lines(START + 3 * length + 1, slow)
    with pytest.raises(Unavailable, match=f"`{dead}`"):
        world.tick(START + 3 * length + 2.1, "minutes")
    with pytest.raises(Unavailable, match=f"`{dead}`"):
        world.tick(START + 3 * length + 6.1, "minutes")
    assert world.changes() == [("latency", "ALERT")]
    world.tick(START + 3 * length + 7, dead)
    world.tick(START + 3 * length + 11.1, "minutes")


@pytest.mark.parametrize("lengths", [(1440, 1440), (600, 60), (1, 1440)])
def test_hours_that_come_are_not_missed_whatever_the_length_of_windows(
    world: Monitored, lengths: tuple[int, int]
) -> None:
    for hour in range(14):
        if hour in {0, 9}:
            world.set(drift_minutes=lengths[hour // 9])
        world.tick(START + 60 * hour + 2)
        world.tick(START + 60 * hour + 6.1, "minutes")


def failing(world: Monitored, monkeypatch: pytest.MonkeyPatch, *versions: int) -> None:
    """These versions' baselines can't be read from now on."""
    baselines = world.app.traffic.baselines

    def fails(model_id: str, version: int) -> Any:
        if version in versions:
            raise Unavailable(f"version {version} is on fire")
        return baselines(model_id, version)

    monkeypatch.setattr(world.app.traffic, "baselines", fails)


@pytest.mark.parametrize(("schedule", "length"), [("hour", 60), ("day", 1440)])
def test_a_version_that_fails_for_good_is_told_of_by_its_own_schedule_alone_and_costs_little(
    world: Monitored, monkeypatch: pytest.MonkeyPatch, schedule: str, length: int
) -> None:
    world.promote("sentiment", 2)
    failing(world, monkeypatch, 1)
    midnight = START // 1440 * 1440
    reads: list[int] = []
    read_window = world.counted.window

    def window(*args: Any, **more: Any) -> Any:
        reads.append(args[1])
        return read_window(*args, **more)

    monkeypatch.setattr(world.counted, "window", window)
    for number in range(5):
        for version in (1, 2):
            world.lines(midnight + length * number + 30, requests(10), version)
        reads.clear()
        world.cloud.asked.clear()
        end = midnight + length * (number + 1)
        with pytest.raises(Unavailable, match="version 1 is on fire"):
            world.tick(end + 2, schedule)
        labelled = schedule == "hour"
        assert (len(reads), len(world.cloud.asked)) == (number + 1 + labelled, 1)
        world.tick(end + 3, "day" if schedule == "hour" else "hour")
        world.tick(end + 6.1, "minutes")
    assert {one["model_version"] for one in world.ask("reports")["reports"] if one["every"] == schedule} == {2}


def test_what_failed_in_the_first_window_is_made_up_for_too(world: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    world.promote("sentiment", 2)
    for hour in range(3):
        for version in (1, 2):
            world.lines(START + 60 * hour + 30, rows("movie", 0, 300), version)
    with monkeypatch.context() as broken:
        failing(world, broken, 1)
        with pytest.raises(Unavailable):
            world.tick(START + 62)
    for hour in (2, 3):
        world.tick(START + 60 * hour + 2)
    made = [(one["model_version"], one["window_end"] // MINUTE - START) for one in world.ask("reports")["reports"]]
    assert sorted(made) == [(version, 60 * hour) for version in (1, 2) for hour in (1, 2, 3)]


@pytest.mark.parametrize("versions", [(1, 3), (1, 2), (1, 2, 3)])
def test_all_that_failed_of_a_model_is_logged(
    world: Monitored, monkeypatch: pytest.MonkeyPatch, versions: tuple[int, ...]
) -> None:
    world.promote("sentiment", 2)
    logged: list[str] = []
    monkeypatch.setattr(world.app.rounds, "_log_failure", lambda error: logged.append(str(error)))
    failing(world, monkeypatch, *versions)
    for version in (1, 2, 3):
        world.lines(START + 30, requests(10), version)
    with pytest.raises(Unavailable):
        world.tick(START + 62)
    assert sorted(logged) == [f"version {version} is on fire" for version in versions]


def test_late_schedules_make_up_for_windows_and_learn_what_healthy_ones_are_like(world: Monitored) -> None:
    world.set(drift_minutes=1, settle_seconds=0)
    world.tick(START + 0.5)
    for minute in range(11):
        world.lines(START + minute, rows("movie", 100 * minute, 200))
    assert world.tick(START + 11.1)["windows"] == 11
    learned = world.app.watch.learned(world.registry.model("sentiment").model_id, 1, 1)
    assert learned.windows == 11
    assert 0.3 < learned.tests["tokens"][1] / 11 < 2
    assert {one["spread_from"] for one in world.ask("reports")["reports"]} == {"baseline"}


def test_too_little_and_no_baseline_are_undetermined(world: Monitored) -> None:
    world.lines(START + 30, rows("nyt", 0, 150))
    world.minute = START + 31
    made = world.ask("report", 201)
    assert (made["status"], made["p_value"]) == ("undetermined", None)
    assert "200 are needed" in made["reason"]
    world.register("bare", {path.name: path.read_bytes() for path in MACHINE.iterdir() if path.name != "baseline.json"})
    world.promote("bare", 1)
    world.add(START + 30, count(rows("nyt", 0, 300), frame()), name="bare")
    bare = world.ask("report", 201, rawPath="/models/bare/reports")
    assert (bare["status"], bare["reason"]) == ("undetermined", "the version has no baseline")


def test_settings_are_kept_and_what_is_not_said_is_as_for_all(world: Monitored) -> None:
    assert world.ask("settings")["p95_ms"] == 500
    assert world.ask("set")["p95_ms"] == 300
    kept = world.ask("settings")
    assert (kept["p95_ms"], kept["error_rate"], kept["webhooks"][0]["format"]) == (300, 0.05, "slack")


@pytest.mark.parametrize(
    ("case", "changes", "status", "field"),
    [
        ("set_misspelt", {}, 422, "p95"),
        ("set", {"body": '{"of_three": 4}'}, 422, "of_three"),
        ("set", {"body": '{"webhooks": [{"url": "ftp://x", "format": "slack"}]}'}, 422, "webhooks[0].url"),
        ("set", {"body": '{"webhooks": [{"url": "https://x", "format": "teams"}]}'}, 422, "webhooks[0].format"),
        *[
            ("set", {"body": json.dumps({"webhooks": [{"url": url, "format": "slack"}]})}, 422, "webhooks[0].url")
            for url in (
                "https://hooks.example.com:99999/x",
                "https://hooks.example.com:0/x",
                "https://[::1/x",
                "https://a b/x",
                "https://hooks.example.com/ä",
                "https://hooks.example.com/x y",
                "https://hooks.example.com/x\r\nA: b",
                "https://me@hooks.example.com/x",
                "http://127.0.0.1:80@hooks.example.com/x",
                "http://127.0.0.1:9001/2018-06-01/runtime",
                "http://localhost:80/x",
                "http://127.0.0.1:80.example.com/x",
                "https://127.0.0.1/x",
                "https://localhost/x",
                "https://a.localhost./x",
                "https://169.254.169.254/latest",
                "https://2852039166/latest",
                "https://0xa9.0xfe.43518/latest",
                "https://[::1]/x",
                "https://[fe80::1]/x",
            )
        ],
        (
            "set",
            {"body": '{"webhooks": [{"url": "https://x", "format": "pagerduty"}]}'},
            422,
            "webhooks[0].routing_key",
        ),
        ("set", {"body": "{"}, 422, "body"),
        ("metrics_bad_window", {}, 422, "window"),
        ("metrics", {"queryStringParameters": {"window": "31d"}}, 422, "window"),
        ("metrics", {"queryStringParameters": {"window": "60m\n"}}, 422, "window"),
        ("metrics", {"queryStringParameters": {"version": "x"}}, 422, "version"),
        ("metrics", {"rawPath": "/models/nobody/metrics"}, 404, "model"),
        ("reports", {"queryStringParameters": {"before": "soon"}}, 422, "before"),
        ("report", {"body": '{"window": "0m"}'}, 422, "window"),
        ("report", {"rawPath": "/models/nobody/reports"}, 404, "model"),
    ],
)
def test_refusals(world: Monitored, case: str, changes: dict[str, Any], status: int, field: str) -> None:
    assert world.ask(case, status, **changes)["field"] == field


def test_a_model_without_champion_has_no_report(world: Monitored) -> None:
    world.register("idle", SMALL)
    assert world.ask("report", 409, rawPath="/models/idle/reports")["code"] == "no_champion"


def test_the_daily_schedule_reports_of_days(world: Monitored) -> None:
    midnight = START // 1440 * 1440
    world.lines(midnight + 30, rows("movie", 0, 300))
    world.tick(midnight + 1445, "day")
    [made] = world.ask("reports")["reports"]
    assert (made["every"], made["window_end"] - made["window_start"], made["n"]) == ("day", 1440 * MINUTE, 300)
    assert msgspec.json.decode(json.dumps(made), type=dict)["status"] == "healthy"
