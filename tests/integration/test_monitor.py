"""The monitor function on moto: what was counted is judged, once a window, and told of once a change."""

import json
from collections.abc import Callable, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from examples.sentiment import dataset
from tests.integration.conftest import Context, event
from tests.integration.test_predict import LARGE, MACHINE, SMALL, World, configured
from zeroloop import clock
from zeroloop.errors import NotFound, Unavailable
from zeroloop.inference.service import label, score
from zeroloop.monitoring import outside
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.alerts import Alert, Watch, Watched, Webhook, watched
from zeroloop.monitoring.baseline import frame_of, read
from zeroloop.monitoring.cells import Cell
from zeroloop.monitoring.counting import Answered, Line, Outcome, count, judge
from zeroloop.monitoring.frame import Frame
from zeroloop.monitoring.outside import Called
from zeroloop.registry import rules
from zeroloop.registry.service import Change
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
    return [
        Answered(label(answer), score(answer), ids) for answer, ids in zip(found.answers, found.features(), strict=True)
    ]


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
        app.monitor._cloud, app.monitor._sender, app.monitor._counts = self.cloud, self.outbox, self.counted
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
    assert world.app.monitor._watch.learned(world.registry.model("sentiment").model_id, 1, 1440).windows == 1
    assert [one["every"] for one in world.ask("reports")["reports"]] == ["hour"]


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
    conclude, inside = world.app.monitor._watch.conclude, False

    def twice(*args: Any, **more: Any) -> bool:
        nonlocal inside
        if not inside:
            inside = True
            world.app.monitor.tick("hour", clock.now_ms())  # called at the same moment, and faster
        return bool(conclude(*args, **more))

    world.app.monitor._watch.conclude = twice
    world.tick(START + 62)
    assert len(world.ask("reports")["reports"]) == 1
    assert world.changes() == [("drift", "ALERT")]


def test_whoever_judged_by_a_state_that_changed_meanwhile_writes_nothing(world: Monitored) -> None:
    watch, model_id = world.app.monitor._watch, world.registry.model("sentiment").model_id
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
    baselines = world.app.monitor._baselines

    def broken(model_id: str, version: int) -> Any:
        if version == fails:
            raise Unavailable("the bucket is on fire")
        return baselines(model_id, version)

    world.app.monitor._baselines = broken
    with pytest.raises(Unavailable):
        world.tick(START + 62)
    assert [one["model_version"] for one in world.ask("reports")["reports"]] == [3 - fails]
    world.app.monitor._baselines = baselines
    world.tick(START + 63)
    learned = world.app.monitor._watch.learned(world.registry.model("sentiment").model_id, 1, 60)
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
    baselines, broken = world.app.monitor._baselines, True

    def fails(model_id: str, version: int) -> Any:
        if version == 1 and broken:
            raise Unavailable("the bucket is on fire")
        return baselines(model_id, version)

    world.app.monitor._baselines = fails
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
    baselines = world.app.monitor._baselines

    def fails(model_id: str, version: int) -> Any:
        if version in versions:
            raise Unavailable(f"version {version} is on fire")
        return baselines(model_id, version)

    monkeypatch.setattr(world.app.monitor, "_baselines", fails)


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
    monkeypatch.setattr(world.app.monitor, "_log_failure", lambda error: logged.append(str(error)))
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
    learned = world.app.monitor._watch.learned(world.registry.model("sentiment").model_id, 1, 1)
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


def windows(
    world: Monitored, made: Sequence[list[Line]], first: int = START, minutes: int = 5
) -> list[tuple[str, str]]:
    """What windows of these lines change, one after the other."""
    for number, lines in enumerate(made):
        if lines:
            world.lines(first + minutes * number + 1, lines)
        world.tick(first + minutes * (number + 1) + 1.1, "minutes")
    return world.changes()


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
    assert world.app.monitor._watch.watched(world.registry.model("sentiment").model_id).kinds["errors"].version == 2


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
    subject = world.app.monitor._subject

    def beside(name: str) -> Any:
        found = subject(name)
        arms = [rules.Arm(variant=f"v{one}", version=one, first=0, last=1) for one in (1, 2)]
        test = rules.Test(test_id="t", salt="", coverage_salt="", coverage=1, shadow=False, arms=arms)
        lineup = replace(found.lineup, test=test) if tested else replace(found.lineup, challenger=2)
        return replace(found, lineup=lineup)

    world.app.monitor._subject = beside
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
    world.app.monitor._log_share = share
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
    look_at, send = world.app.monitor._look_at, world.outbox.send

    def for_long(*args: Any) -> Any:
        looked = look_at(*args)
        world.minute += 5
        return looked

    def meanwhile(*args: Any) -> list[str]:
        world.app.monitor._look_at = look_at
        monkeypatch.setattr(world.outbox, "send", send)
        world.app.monitor.tick("hour", clock.now_ms())
        return send(*args)

    world.app.monitor._look_at = for_long
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
    world.app.monitor._sender = outside.Sender("arn:topic", lambda _error: None)
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

    world.app.monitor._sender = Slow()
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


def test_what_is_gone_within_a_model_is_no_deleted_model(world: Monitored) -> None:
    promote_worse(world)

    def gone(*_: Any) -> None:
        raise NotFound("version 1 is gone")

    world.app.monitor._registry.roll_back = gone
    with pytest.raises(NotFound):
        world.tick(START + 6.5, "minutes")
    assert world.changes() == []
    assert "latency" in world.app.monitor._watch.watched(world.registry.model("sentiment").model_id).kinds


def test_one_model_that_fails_keeps_no_other_from_being_judged(world: Monitored) -> None:
    world.register("another", SMALL)
    world.promote("another", 1)
    world.add(START + 30, count(rows("nyt", 0, 300), frame()), name="another")
    subject, failing = world.app.monitor._subject, "another"

    def fails(name: str) -> Any:
        if name == failing:
            raise Unavailable("its table is on fire")
        return subject(name)

    world.app.monitor._subject = fails
    failing = "sentiment"
    with pytest.raises(Unavailable):
        world.tick(START + 62)
    assert len(world.ask("reports", rawPath="/models/another/reports")["reports"]) == 1


def promote_worse(world: Monitored, hours: int = 24) -> None:
    """Version 1 answers, version 2 is promoted and fails one time in five."""
    world.set(rollback={"enabled": True, "hours": hours})
    world.lines(START - 30, requests(2000), 1)
    at = round(START * MINUTE)
    world.registry.promote("sentiment", 2, Change(actor="ann", at=at, reason="better"))
    world.lines(START + 1, [*requests(800), *requests(200, 503)], 2)


def test_a_promotion_that_makes_it_worse_is_taken_back_once(world: Monitored) -> None:
    promote_worse(world)
    world.tick(START + 6.5, "minutes")
    lineup = world.registry.lineup("sentiment")
    assert (lineup.champion, lineup.previous) == (1, None)
    [record, *_] = world.registry.history("sentiment", None, 10)
    assert (record["action"], record["actor"]) == ("rollback", "zeroloop/monitor")
    assert record["evidence"]["guardrail"] == "errors"
    assert record["evidence"]["now"] == {"bad": 200, "n": 1000}
    assert ("rollback", "DONE") in world.changes()
    for minute in (7.5, 12.5):
        world.tick(START + minute, "minutes")
    assert world.registry.lineup("sentiment").revision == lineup.revision
    assert world.changes().count(("rollback", "DONE")) == 1


def promote_crashing(world: Monitored, before: Called, since: Called) -> None:
    """Version 2 is promoted, and four of ten calls of the function leave no line since."""
    world.set(rollback={"enabled": True})
    world.lines(START - 30, requests(2000), 1)
    world.registry.promote("sentiment", 2, Change(actor="ann", at=START * MINUTE, reason="better"))
    world.lines(START + 1, requests(600), 2)
    world.cloud.of_function, world.cloud.before = since, before


def test_a_promotion_that_crashes_is_taken_back(world: Monitored) -> None:
    promote_crashing(world, Called(2010, 10), Called(1000, 400))
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 1
    [record, *_] = world.registry.history("sentiment", None, 10)
    assert (record["evidence"]["before"], record["evidence"]["now"]) == (
        {"bad": 10, "n": 2010},
        {"bad": 400, "n": 1000},
    )


def test_a_promotion_of_which_every_call_crashes_is_taken_back(world: Monitored) -> None:
    promote_crashing(world, Called(2000, 0), Called(400, 400))
    world.counted.cells.pop()
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 1


def test_crashes_that_were_there_before_are_no_fault_of_a_promotion(world: Monitored) -> None:
    promote_crashing(world, Called(3333, 1333), Called(1000, 400))
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 2


@pytest.mark.parametrize("why", ["most requests are others'", "another model was promoted", "there is a challenger"])
def test_crashes_that_may_be_anothers_take_nothing_back(world: Monitored, why: str) -> None:
    promote_crashing(world, Called(9000 if why.startswith("most") else 2000, 0), Called(1000, 400))
    later = Change(actor="ann", at=(START + 1) * MINUTE, reason="better")
    if why.startswith("another"):
        world.register("another", SMALL)
        world.registry.promote("another", 1, later)
    if why.startswith("there"):
        world.registry.challenge("sentiment", 1, 0.5, later)
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 2


def test_a_rollback_is_told_of_also_by_who_comes_after_a_crash(world: Monitored) -> None:
    promote_worse(world)
    registry = world.app.monitor._registry
    history = registry.history

    def dies(*args: Any) -> Any:
        if args[2] == 1:
            raise Unavailable("out of time")
        return history(*args)

    registry.history = dies
    with pytest.raises(Unavailable):
        world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 1
    registry.history = history
    for minute in (11.5, 16.5):
        world.tick(START + minute, "minutes")
    assert world.changes().count(("rollback", "DONE")) == 1


def test_a_promotion_is_left_alone_unless_asked_for_and_later_than_said(world: Monitored) -> None:
    promote_worse(world, hours=1)
    world.tick(START + 62, "minutes")
    world.set()
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 2


def test_a_first_promotion_has_nobody_to_go_back_to(world: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in (SMALL, LARGE):
        world.register("first", package)
    world.ask("set", rawPath="/models/first/monitor", body='{"rollback": {"enabled": true}}')
    world.add(START - 30, count(requests(2000), frame()), version=2, name="first")  # it was pinned
    world.registry.promote("first", 1, Change(actor="ann", at=START * MINUTE, reason="first"))
    world.add(START + 1, count([*requests(800), *requests(200, 503)], frame()), name="first")
    monkeypatch.setattr(world.app.monitor._registry, "roll_back", lambda *tried: pytest.fail(f"tried {tried}"))
    world.tick(START + 6.5, "minutes")


def test_who_changed_the_lineup_meanwhile_wins(world: Monitored) -> None:
    promote_worse(world)
    registry = world.app.monitor._registry
    roll_back = registry.roll_back

    def too_late(*args: Any) -> Any:
        world.registry.challenge("sentiment", 1, 0.5, Change(actor="ann", at=0, reason="looking"))
        return roll_back(*args)

    registry.roll_back = too_late
    world.tick(START + 6.5, "minutes")
    lineup = world.registry.lineup("sentiment")
    assert (lineup.champion, lineup.challenger) == (2, 1)
    assert ("rollback", "DONE") not in world.changes()


def test_a_promotion_as_good_as_what_was_before_stays(world: Monitored) -> None:
    world.set(rollback={"enabled": True})
    world.lines(START - 30, [*requests(950), *requests(50, 503)], 1)
    world.registry.promote("sentiment", 2, Change(actor="ann", at=START * MINUTE, reason="better"))
    world.lines(START + 1, [*requests(945), *requests(55, 503)], 2)
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 2


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
