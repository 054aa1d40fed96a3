"""The abtest function on moto, driven by its events and its schedule. One thread: races run on the local stack."""

import json
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.integration.conftest import Context, event
from zeroloop import clock
from zeroloop.abtest import counting, rules
from zeroloop.abtest.store import Seen
from zeroloop.errors import Conflict, Unavailable
from zeroloop.inference.receipts import Key, Receipt, unit_hash
from zeroloop.registry import audit
from zeroloop.registry.rules import NotPromotable, State, Version
from zeroloop.registry.service import Change

Call = Callable[..., tuple[int, dict[str, Any]]]
KEY = Key("k", b"secret")
NAME = "short-titles"


class Ours:
    """The function, its registry with a model of three READY versions of which 1 serves, and ways to ask."""

    def __init__(self, module: ModuleType, context: Context) -> None:
        self.module, self._context = module, context
        module.signing_key._ask = lambda: KEY
        self.registry = module.registry
        model = self.registry.create_model("sentiment", at=1)
        self.model_id = model.model_id
        for number in (1, 2, 3):
            version = Version(
                model_id=model.model_id,
                version=number,
                version_id=f"v{number}",
                digest=f"{number:064x}",
                files=[],
                created_at=1,
                created_by="test",
                state=State.READY,
            )
            self.registry._store.add_version(version)
        self.registry.promote("sentiment", 1, change("first"))

    def __call__(self, case: str, **changes: Any) -> tuple[int, dict[str, Any]]:
        """Send an event, its body changed."""
        sent = event("abtest", case)
        if changes:
            sent["body"] = json.dumps({**json.loads(sent["body"]), **changes})
        answer = self.module.lambda_handler(sent, self._context)
        return answer["statusCode"], json.loads(answer["body"])

    def tick(self, after_hours: float = 0, monkeypatch: pytest.MonkeyPatch | None = None) -> int:
        """What the schedule does, later."""
        now = clock.now_ms() + round(after_hours * 3_600_000)
        if monkeypatch:
            monkeypatch.setattr(clock, "now_ms", lambda: now)
        return int(self.module.lambda_handler(event("abtest", "schedule"), self._context)["watched"])

    def is_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> bool:
        """Whether nothing is watched any more some minutes later: a minute long somebody may be about to begin it."""
        self.tick(0.05, monkeypatch)
        return self.tick() == 0

    def outcomes(self, right: dict[str, tuple[int, int]], seconds: dict[str, float] | None = None) -> None:
        """Count, of each arm, n units of which some were right: by the sums that n outcomes would have added."""
        store, test = self.module.tests._store, self.module.tests.get(NAME).test
        for arm, (y, n) in right.items():
            sums = {"units": n, "0.n": n, "0.y": y, "0.yy": y, "0.x": n, "0.xx": n, "0.xy": y}
            if seconds:
                each = round(seconds[arm] * counting.SCALE)
                sums |= {"1.n": n, "1.y": n * each, "1.yy": n * each**2 + n * counting.SCALE}
            held = store.held(test.name, f"made-{arm}-{n}-{y}", f"unit-{arm}-{n}-{y}")
            seen = Seen(f"unit-{arm}-{n}-{y}", counting.Outcome({}))
            store.count(held, test.name, f"made-{arm}-{n}-{y}", seen, counting.Unit(arm, 1), sums, at=1)

    @property
    def lineup(self) -> Any:
        return self.registry.lineup("sentiment")

    def history(self) -> list[dict[str, Any]]:
        records = self.registry.history("sentiment", None, 100)
        assert audit.faults(reversed(records), self.lineup.revision) == []
        return list(records)


def change(reason: str) -> Change:
    return Change(actor="test", at=1, reason=reason)


@pytest.fixture(name="ours")
def _ours(load: Callable[[str], ModuleType], context: Context) -> Ours:
    return Ours(load("abtest"), context)


@pytest.fixture(name="begun")
def _begun(ours: Ours) -> Ours:
    assert ours("create")[0] == 201
    return ours


def test_a_test_runs_at_once_in_the_lineup(ours: Ours) -> None:
    status, body = ours("create")
    assert (status, body["state"], body["coverage"]) == (201, "running", 0.2)
    assert body["started_at"]
    running = ours.lineup.test
    assert (running.test_id, running.coverage) == (NAME, 0.2)
    assert [(arm.variant, arm.version, arm.first, arm.last) for arm in running.arms] == [
        ("control", 1, 0, 4999),
        ("treatment", 2, 5000, 9999),
    ]
    assert ours.lineup.digests.keys() == {"1", "2"}
    assert ours.history()[0]["action"] == "test"
    assert ours("list")[1]["tests"][0]["name"] == NAME
    assert ours("get")[1]["salt"] == "ab:short-titles:arm"


REFUSED: list[tuple[dict[str, Any], int, str, str | None]] = [
    ({"model": "nobody"}, 404, "unknown_model", "model"),
    ({"treatment": 9}, 404, "unknown_version", "version"),
    ({"control": 3}, 409, "control_not_champion", "control"),
    ({"traffic": 2}, 422, "invalid_input", "traffic"),
    ({"metrics": []}, 422, "invalid_input", "metrics"),
    ({"metrics": [{"name": "accuracy\n", "kind": "mean"}]}, 422, "invalid_input", "metrics[0].name"),
    ({"metrics": [{"name": "a", "kind": "median"}]}, 422, "invalid_input", "metrics[0].kind"),
    ({"surprise": 1}, 422, "invalid_input", "surprise"),
    ({"planned_units": 10}, 422, "invalid_input", "planned_units"),
    ({"look_hours": 1e-9}, 422, "invalid_input", "look_hours"),
    ({"starts_at": 10**30}, 422, "invalid_input", "starts_at"),
    ({"ends_at": -1}, 422, "invalid_input", "ends_at"),
]


@pytest.mark.parametrize(("changes", "status", "code", "field"), REFUSED)
def test_a_test_that_can_not_be_is_refused_and_leaves_nothing(
    ours: Ours, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    answered, body = ours("create", **changes)
    assert (answered, body["code"], body.get("field")) == (status, code, field)
    assert ours("get")[0] == 404
    assert ours.lineup.test is None


def test_a_name_is_taken_for_good_and_a_model_runs_one_test(begun: Ours) -> None:
    assert begun("create")[1]["code"] == "test_running"
    assert begun("create", name="another")[1]["code"] == "test_running"
    begun("stop")
    assert begun("create")[1]["code"] == "already_exists"
    assert begun("create", name="another")[0] == 201


def test_a_canary_and_a_test_exclude_each_other(ours: Ours) -> None:
    ours.registry.challenge("sentiment", 2, 0.1, change("canary"))
    assert ours("create")[1]["code"] == "canary_running"


def test_a_draft_assigns_and_begins_when_it_is_time(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    status, body = ours("create", starts_at=clock.now_ms() + 3_600_000)
    assert (status, body["state"]) == (201, "draft")
    before = ours("assignment")[1]
    assert (before["state"], before["variant"]) == ("draft", "control")
    assert ours.lineup.test is None
    assert ours("results")[1]["code"] == "not_running"
    ours.tick()
    assert ours("get")[1]["state"] == "draft"
    ours.tick(1.1, monkeypatch)
    assert ours("get")[1]["state"] == "running"
    assert ours("assignment")[1] == {**before, "state": "running"}


def test_a_draft_whose_control_was_replaced_stops_and_says_why(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    ours("create", starts_at=clock.now_ms() + 3_600_000)
    ours.registry.promote("sentiment", 3, change("meanwhile"))
    ours.tick(2, monkeypatch)
    body = ours("get")[1]
    assert body["state"] == "stopped"
    assert "the control must be who serves" in body["stopped_because"]
    assert ours.tick() == 0


@pytest.mark.parametrize("what", ["promote", "roll_back", "challenge"])
def test_whatever_changes_the_lineup_otherwise_has_stopped_the_test(
    begun: Ours, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = begun.registry
    if what == "roll_back":
        begun("stop")
        registry.promote("sentiment", 3, change("next"))
        begun("create", name="other", control=3)
    calls: dict[str, Callable[[], Any]] = {
        "promote": lambda: registry.promote("sentiment", 3, change("other news")),
        "roll_back": lambda: registry.roll_back("sentiment", None, change("worse")),
        "challenge": lambda: registry.challenge("sentiment", 3, 0.1, change("canary")),
    }
    calls[what]()
    assert begun.lineup.test is None
    name = "other" if what == "roll_back" else NAME
    assert begun.module.tests.get(name).state == "stopped"
    begun.tick()
    assert "changed by something else" in begun.module.tests.get(name).test.stopped_because
    assert begun.is_forgotten(monkeypatch)
    assert begun("results")[1]["code"] == "not_running"


def test_a_ramp_widens_the_coverage_in_the_lineup(begun: Ours) -> None:
    status, body = begun("traffic")
    assert (status, body["coverage"], begun.lineup.test.coverage) == (200, 0.4, 0.4)
    assert begun("traffic", traffic=0.6)[1]["code"] == "traffic_moves_units"
    begun("stop")
    assert begun("traffic")[1]["code"] == "not_running"


def test_a_stop_returns_the_traffic_and_is_not_stopped_twice(begun: Ours) -> None:
    status, body = begun("stop")
    assert (status, body["state"], body["stopped_because"]) == (200, "stopped", "enough seen")
    assert begun.lineup.test is None
    assert begun("stop")[1]["code"] == "not_running"
    assert begun("stop", reason=" ")[0] == 422


def first(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, other: Callable[[], Any]) -> None:
    """Let `other` happen before the next call of `name`, between what its caller read and what it writes."""
    call = getattr(where, name)

    def overtaken(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(where, name, call)
        other()
        return call(*args, **options)

    monkeypatch.setattr(where, name, overtaken)


def stop(ours: Ours) -> None:
    assert ours.module.tests.stop(NAME, actor="other", at=2, reason="by another").state == "stopped"


def test_who_is_stopped_before_the_lineup_names_it_does_not_run(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    first(monkeypatch, ours.registry, "begin_test", lambda: stop(ours))
    status, body = ours("create")
    assert (status, body["state"], body["stopped_because"], ours.lineup.test) == (201, "stopped", "by another", None)
    assert ours("stop")[1]["code"] == "not_running"
    assert ours("create", name="another")[0] == 201
    ours.history()


def test_a_stop_that_saw_a_draft_takes_what_began_meanwhile_out_of_the_lineup(
    ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours("create", starts_at=clock.now_ms() + 3_600_000)
    tests = ours.module.tests
    first(monkeypatch, tests._store, "save", lambda: tests._begin(NAME, clock.now_ms(), "schedule"))
    status, body = ours("stop")
    assert (status, body["state"], ours.lineup.test) == (200, "stopped", None)
    assert body["started_at"], "it did run"


def test_a_stopped_test_that_the_lineup_names_runs_until_the_next_minute(begun: Ours) -> None:
    tests = begun.module.tests
    tests._store.save(rules.stop(tests.get(NAME).test, 9, "never mind"))
    assert begun("get")[1]["state"] == "running"
    begun.tick()
    body = begun("get")[1]
    assert (body["state"], body["stopped_because"], begun.lineup.test) == ("stopped", "never mind", None)
    assert begun.history()[0]["reason"] == f"the test {NAME} stops: never mind"


def test_a_stopped_draft_is_watched_until_nobody_can_be_about_to_begin_it(
    ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours("create", starts_at=clock.now_ms() + 3_600_000)
    test = ours.module.tests.get(NAME).test
    ours("stop")
    assert ours.tick() == 1
    ours.registry.begin_test("sentiment", rules.running(test), 1, change("by one who died of it"))
    assert ours.tick() == 1
    assert (ours("get")[1]["state"], ours.lineup.test) == ("stopped", None)
    ours.tick(0.1, monkeypatch)
    assert ours.tick() == 0


def test_of_two_stops_one_is_told_that_it_stopped(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    first(monkeypatch, begun.registry, "end_test", lambda: stop(begun))
    assert begun("stop")[1]["code"] == "not_running"
    assert begun("get")[1]["stopped_because"] == "by another"


def test_a_ramp_of_a_draft_that_begins_meanwhile_is_not_lost(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = partial(ours.module.tests.ramp, NAME, 0.2, actor="other", at=2)
    first(monkeypatch, ours.registry, "begin_test", ramp)
    body = ours("create")[1]
    assert (ours.lineup.test.coverage, body["coverage"], body["traffic"]) == (0.4, 0.4, {"treatment": 0.2})


def test_a_ramp_of_what_is_over_by_then_is_refused(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    first(monkeypatch, begun.module.tests._store, "save", lambda: begun.registry.promote("sentiment", 3, change("n")))
    refused = begun("traffic")
    assert (refused[0], refused[1]["code"]) == (409, "not_running")


def covered_unit(ours: Ours, arm: str) -> str:
    test = ours.module.tests.get(NAME).test
    units = (f"u{number}" for number in range(10_000))
    return next(unit for unit in units if (found := rules.assigned(test, unit)).test_id and found.variant == arm)


def test_an_outcome_counts_once_by_its_key(begun: Ours) -> None:
    unit = covered_unit(begun, "treatment")
    told = [begun("results", unit=unit)[1] for _ in range(3)]
    assert [one["duplicate"] for one in told] == [False, True, True]
    assert {(one["variant"], one["counted"]) for one in told} == {("treatment", True)}
    reused = begun("results", unit=unit, metrics={"accuracy": 0})
    assert (reused[0], reused[1]["code"]) == (409, "key_reused")
    other = begun("results", unit=covered_unit(begun, "control"))
    assert other[1]["code"] == "key_reused"
    assert begun("analysis")[1]["balance"]["units"] == {"control": 0, "treatment": 1}


def test_who_is_not_in_the_test_is_not_counted(begun: Ours) -> None:
    test = begun.module.tests.get(NAME).test
    unit = next(f"u{n}" for n in range(100) if rules.assigned(test, f"u{n}").test_id is None)
    assert begun("results", unit=unit) == (200, {"variant": "control", "counted": False, "duplicate": False})
    assert begun("analysis")[1]["units"] == 0


def test_a_unit_that_was_counted_stays_counted_when_the_traffic_falls(begun: Ours) -> None:
    unit = covered_unit(begun, "treatment")
    begun("results", unit=unit)
    begun("traffic", traffic=0.0)
    assert begun("results", unit=unit, idempotency_key="later")[1]["counted"]


def test_results_in_a_list_name_the_one_at_fault(begun: Ours) -> None:
    begun("traffic", traffic=0.5)
    status, body = begun("results_list")
    assert (status, [one["counted"] for one in body["results"]]) == (200, [True, True])
    wrong = [{"unit": "u", "metrics": {"accuracy": 2}, "idempotency_key": "k"}]
    status, body = begun(
        "results_list", results=[*json.loads(event("abtest", "results_list")["body"])["results"], *wrong]
    )
    assert (status, [one.get("counted") for one in body["results"]]) == (200, [True, True, None])
    assert (body["results"][2]["code"], body["results"][2]["field"]) == ("invalid_input", "results[2].metrics.accuracy")
    assert begun("results_unknown_metric")[1]["field"] == "metrics.clicks"


def test_one_result_that_conflicts_keeps_no_other_from_counting(begun: Ours) -> None:
    begun("traffic", traffic=0.5)
    kept, other, third = (covered_unit(begun, arm) for arm in ("treatment", "control", "control"))
    sent = [
        {"unit": unit, "metrics": {"accuracy": 1}, "idempotency_key": key}
        for unit, key in ((kept, "k"), (other, "k"), (third, "c"))
    ]
    status, body = begun("results_list", results=sent)
    assert (status, [one.get("counted") for one in body["results"]]) == (200, [True, None, True])
    assert (body["results"][1]["code"], body["results"][1]["field"]) == ("key_reused", "results[1].idempotency_key")
    again = begun("results_list", results=sent)[1]["results"]
    assert [one.get("duplicate") for one in again] == [True, None, True]


def test_a_metric_may_be_called_results(ours: Ours) -> None:
    assert ours("create", metrics=[{"name": "results", "kind": "mean"}])[0] == 201
    sent = event("abtest", "results")
    unit = covered_unit(ours, "treatment")
    sent["body"] = json.dumps({"metrics": {"results": 3}, "unit": unit, "idempotency_key": "1"})
    answer = ours.module.lambda_handler(sent, ours._context)
    assert (answer["statusCode"], json.loads(answer["body"]).get("counted")) == (200, True)
    for body, code in (("[]", "invalid_input"), ('{"results"', "not_json"), ('{"results": 1}', "invalid_input")):
        answer = ours.module.lambda_handler({**sent, "body": body}, ours._context)
        assert json.loads(answer["body"])["code"] == code


def receipt(ours: Ours, unit: str, number: int, **changes: Any) -> Receipt:
    facts: dict[str, Any] = {
        "kid": "k",
        "id": f"p{number}",
        "model_id": ours.model_id,
        "version": 2,
        "variant": "treatment",
        "label": "positive",
        "score": 0.9,
        "time": 1,
        "test_id": NAME,
        "unit_hash": unit_hash(unit, KEY),
    }
    return Receipt(**{**facts, **changes})


def sums(ours: Ours) -> counting.Sums:
    tests = ours.module.tests
    return dict(tests._store.sums(tests.get(NAME).test)["treatment"])


def test_feedback_counts_by_receipt_and_what_it_says_later_replaces_it(begun: Ours) -> None:
    outcomes = begun.module.tests.outcomes
    unit = covered_unit(begun, "treatment")
    outcomes.of_feedback(receipt(begun, unit, 1), True, {"unrelated": 3.0})
    outcomes.of_feedback(receipt(begun, unit, 1), True, {})
    outcomes.of_feedback(receipt(begun, unit, 2), True, {})
    begun("results", unit=unit, metrics={"accuracy": 0})  # the same unit, told in another way
    assert (sums(begun)["units"], sums(begun)["0.y"], sums(begun)["0.x"]) == (1, 2, 3)
    outcomes.of_feedback(receipt(begun, unit, 1), False, {})
    assert (sums(begun)["0.n"], sums(begun)["0.y"], sums(begun)["0.yy"], sums(begun)["0.x"]) == (1, 1, 1, 3)
    outcomes.of_feedback(receipt(begun, unit, 1), None, {"seconds": 0.5})
    assert (sums(begun)["0.x"], sums(begun)["1.y"]) == (3, 500_000), "a metric that comes later replaces no other"


@pytest.mark.parametrize("kind", ["mean", "ratio"])
def test_a_label_feeds_accuracy_of_whatever_kind(ours: Ours, kind: str) -> None:
    ours("create", metrics=[{"name": "accuracy", "kind": kind}])
    said = receipt(ours, covered_unit(ours, "treatment"), 1)
    ours.module.tests.outcomes.of_feedback(said, True, {})
    assert (sums(ours)["0.n"], sums(ours)["0.y"]) == (1, counting.SCALE)


def test_what_two_feedbacks_say_at_once_of_two_metrics_both_stands(
    begun: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes, store = begun.module.tests.outcomes, begun.module.tests._store
    said = receipt(begun, covered_unit(begun, "treatment"), 1)
    outcomes.of_feedback(said, True, {"seconds": 1.0})
    count = store.count

    def overtaken(*args: Any, **options: Any) -> None:
        monkeypatch.setattr(store, "count", count)
        outcomes.of_feedback(said, None, {"seconds": 2.0})
        count(*args, **options)

    monkeypatch.setattr(store, "count", overtaken)
    outcomes.of_feedback(said, False, {})
    assert (sums(begun).get("0.y", 0), sums(begun)["1.y"]) == (0, 2_000_000)


def test_feedback_on_what_no_test_made_is_nobodys(begun: Ours) -> None:
    outcomes = begun.module.tests.outcomes
    for changes in ({"test_id": None}, {"unit_hash": None}, {"test_id": "gone"}):
        outcomes.of_feedback(receipt(begun, "u", 1, **changes), True, {})
    outcomes.of_feedback(receipt(begun, "u", 1), None, {"unrelated": 1.0})
    assert sums(begun) == {}


WON, LOST, EQUAL = ({"control": (1400, 2000), "treatment": (y, 2000)} for y in (1500, 1300, 1404))


def test_a_won_test_waits_for_a_decision_and_promotes_with_its_analysis(
    begun: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun.outcomes(WON)
    begun.tick()
    assert begun("get")[1]["state"] == "running", "nobody said that it may decide by itself"
    status, body = begun("decision", choice=None, reason="")
    assert (status, body["state"], body["decision"]["choice"]) == (200, "decided", "treatment")
    assert (begun.lineup.champion, begun.lineup.previous, begun.lineup.test) == (2, 1, None)
    record = begun.history()[0]
    assert (record["action"], record["evidence"]["analysis"]["winner"]) == ("promote", "treatment")
    assert "wins" in record["reason"]
    assert begun("decision")[1]["code"] == "decided"
    assert begun.is_forgotten(monkeypatch)


@pytest.mark.parametrize(
    ("sums", "champion", "choice"), [(WON, 2, "treatment"), (LOST, 1, "control"), (EQUAL, 1, "control")]
)
def test_a_test_that_may_decides_itself_at_its_horizon(
    ours: Ours, sums: dict[str, tuple[int, int]], champion: int, choice: str
) -> None:
    ours("create", auto_decide=True)
    ours.outcomes(sums)
    ours.tick()
    body = ours("get")[1]
    assert (body["state"], body["decision"]["choice"]) == ("decided", choice)
    assert (ours.lineup.champion, ours.lineup.test) == (champion, None)
    assert ours.history()[0]["evidence"]["analysis"]["units"] == 4000


def test_before_the_horizon_a_decision_takes_a_choice(begun: Ours) -> None:
    begun.outcomes({"control": (140, 200), "treatment": (142, 200)})
    refused = begun("decision", choice=None, reason="")
    assert (refused[0], refused[1]["code"]) == (409, "undetermined")
    assert begun("decision", choice="champion")[0] == 422
    assert begun("decision", reason="")[0] == 422
    assert begun("decision", choice=None, reason="x" * 2001)[1]["field"] == "reason"
    assert begun("decision")[1]["decision"]["choice"] == "control"
    assert begun.lineup.champion == 1


def test_a_broken_guardrail_returns_the_traffic_at_once(begun: Ours) -> None:
    begun.outcomes({"control": (140, 200), "treatment": (140, 200)}, {"control": 0.2, "treatment": 0.9})
    begun.tick()
    body = begun("get")[1]
    assert (body["state"], begun.lineup.test, begun.lineup.champion) == ("stopped", None, 1)
    assert body["stopped_because"] == "guardrail: seconds of treatment is worse by more than 0.2"
    assert begun.history()[0]["evidence"]["analysis"]["guardrails"][0]["broken"]
    assert begun("analysis")[1]["outcome"] == "loses"


def test_a_test_that_may_decides_for_control_where_a_guardrail_breaks(ours: Ours) -> None:
    ours("create", auto_decide=True)
    ours.outcomes({"control": (140, 200), "treatment": (140, 200)}, {"control": 0.2, "treatment": 0.9})
    ours.tick()
    body = ours("get")[1]
    assert (body["state"], body["decision"]["choice"], body["decision"]["applied"]) == ("decided", "control", True)
    assert body["stopped_because"].startswith("guardrail: seconds")
    assert (ours.lineup.test, ours.lineup.champion) == (None, 1)


def test_a_broken_guardrail_stops_whatever_the_ratio_says(begun: Ours) -> None:
    begun.outcomes({"control": (140, 200), "treatment": (280, 400)}, {"control": 0.2, "treatment": 0.9})
    begun.tick()
    body = begun("get")[1]
    assert (body["state"], body["harmed"], begun.lineup.test) == ("stopped", ["seconds/treatment"], None)
    found = begun("analysis")[1]
    assert (found["balance"]["broken"], found["outcome"]) == (True, "undetermined")


def test_a_guardrail_that_broke_stays_broken_whatever_comes_later(begun: Ours) -> None:
    begun.outcomes({"control": (140, 200), "treatment": (180, 200)}, {"control": 0.2, "treatment": 0.9})
    begun.tick()
    begun.outcomes({"control": (1400, 2000), "treatment": (1800, 2000)}, {"control": 0.2, "treatment": 0.01})
    found = begun("analysis")[1]
    assert (found["outcome"], found["winner"], found["guardrails"][0]["broken"]) == ("loses", None, True)
    assert begun("decision", choice=None, reason="")[1]["decision"]["choice"] == "control"
    assert begun.lineup.champion == 1


def test_a_stopped_test_takes_no_look(begun: Ours) -> None:
    begun.outcomes({"control": (140, 200), "treatment": (142, 200)})
    begun("stop")
    begun.outcomes(WON)
    assert begun("decision", choice=None, reason="")[1]["code"] == "undetermined"
    assert begun("get")[1]["looks"] == []


def test_a_look_that_decides_nothing_is_kept(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    begun.outcomes({"control": (700, 1000), "treatment": (705, 1000)})
    later = clock.now_ms() + 25 * 3_600_000
    monkeypatch.setattr(clock, "now_ms", lambda: later)
    for _ in range(2):
        assert begun("decision", choice=None, reason="")[1]["code"] == "undetermined"
    assert [look["at"] for look in begun("get")[1]["looks"]] == [later]


def test_a_ratio_that_mends_after_the_horizon_lets_the_test_decide(ours: Ours) -> None:
    ours("create", auto_decide=True)
    ours.outcomes({"control": (1400, 2000), "treatment": (1900, 2500)})
    ours.tick()
    assert ours("get")[1]["looks"] == [], "a look is not spent on it"
    ours.outcomes({"control": (350, 500)})
    ours.tick()
    assert ours("get")[1]["decision"]["choice"] == "treatment"


def test_a_metric_that_can_not_be_compared_decides_nothing(ours: Ours) -> None:
    ours("create", auto_decide=True)
    ours.outcomes({"control": (2000, 2000), "treatment": (2000, 2000)})
    ours.tick()
    assert ours("get")[1]["state"] == "running"
    refused = ours("decision", choice=None, reason="")[1]
    assert (refused["code"], "neither arm varies" in refused["message"]) == ("undetermined", True)


def test_a_winner_that_the_registry_refuses_ends_where_the_test_does(
    ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours("create", auto_decide=True, ends_at=clock.now_ms() + 3_600_000)
    ours.outcomes(WON)

    def refuses(*_: Any) -> None:
        raise NotPromotable("it misses a gate", code="gates_missed")

    monkeypatch.setattr(ours.registry, "promote", refuses)
    ours.tick()
    body = ours("get")[1]
    assert (body["state"], body["decision"], body["undecided_because"]) == ("running", None, "it misses a gate")
    ours.tick(2, monkeypatch)
    body = ours("get")[1]
    assert (body["state"], body["decision"], ours.lineup.test) == ("stopped", None, None)
    assert body["stopped_because"] == "it reached its end, and was not decided: it misses a gate"
    assert ours.is_forgotten(monkeypatch)


def test_a_winner_that_the_registry_refuses_is_told_once_and_tried_until_it_may(
    ours: Ours, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours("create", auto_decide=True)
    ours.outcomes(WON)
    messages = iter(["it misses a gate", "it misses a gate", "it misses two gates"])

    def refuses(*_: Any) -> None:
        raise NotPromotable(next(messages), code="gates_missed")

    with monkeypatch.context() as refusing:
        refusing.setattr(ours.registry, "promote", refuses)
        told = []
        for _ in range(3):
            ours.tick()
            body = ours("get")[1]
            told.append((body["state"], body["undecided_because"], "WatchFailed" in capsys.readouterr().out))
    assert told == [
        ("running", "it misses a gate", True),
        ("running", "it misses a gate", False),
        ("running", "it misses two gates", True),
    ]
    ours.tick()
    body = ours("get")[1]
    assert (body["state"], body["decision"]["choice"], body["undecided_because"]) == ("decided", "treatment", None)


def test_what_others_do_meanwhile_says_nothing_against_a_winner(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    ours("create", auto_decide=True)
    ours.outcomes(WON)

    def busy(*_: Any) -> None:
        raise Conflict("too many at once", code="busy")

    monkeypatch.setattr(ours.registry, "promote", busy)
    ours.tick()
    assert ours("get")[1]["undecided_because"] is None


def test_what_was_deleted_is_neither_begun_nor_decided(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    ours("create", starts_at=clock.now_ms() + 3_600_000)
    monkeypatch.setattr(ours.registry, "find_lineup", lambda _model_id: None)
    assert ours("decision", choice="treatment")[1]["code"] == "draft"
    ours.tick(2, monkeypatch)
    body = ours("get")[1]
    assert (body["state"], body["stopped_because"]) == (
        "stopped",
        f"it could not begin: the model of {NAME} was deleted",
    )
    assert ours.is_forgotten(monkeypatch)
    assert ours("decision", choice="treatment")[1]["code"] == "draft", "it never ran"
    assert ours("get")[1]["decision"] is None


def test_a_test_whose_model_was_deleted_is_not_decided(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(begun.registry, "find_lineup", lambda _model_id: None)
    assert begun("decision", choice="treatment")[1]["code"] == "unknown_model"
    assert begun("get")[1]["decision"] is None


def test_a_draft_that_was_stopped_is_not_decided(ours: Ours) -> None:
    ours("create", starts_at=clock.now_ms() + 3_600_000)
    assert ours("stop")[0] == 200
    assert ours("decision", choice="treatment", reason="why not")[1]["code"] == "draft"
    assert ours.lineup.champion == 1


@pytest.mark.parametrize("end", ["stop", "decide"])
def test_a_test_that_is_over_is_watched_while_somebody_may_begin_it(
    ours: Ours, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """One begins it, and dies before the row is saved; meanwhile another had begun and ended it."""
    ours("create", starts_at=clock.now_ms() + 3_000_000)
    tests = ours.module.tests
    tests._store.save(replace(tests._store.get(NAME), starts_at=None))
    save = tests._store.save

    def dies(*_: Any, **__: Any) -> None:
        monkeypatch.setattr(tests._store, "save", save)
        raise Unavailable("throttled")

    def meanwhile() -> None:
        ours.tick()
        assert (ours("stop") if end == "stop" else ours("decision", choice="control"))[0] == 200
        assert ours.lineup.test is None
        monkeypatch.setattr(tests._store, "save", dies)

    first(monkeypatch, ours.registry, "begin_test", meanwhile)
    with pytest.raises(Unavailable):
        tests._begin(NAME, clock.now_ms(), "somebody")
    assert ours.lineup.test is not None, "users get the treatment"
    ours.tick()
    assert ours.lineup.test is None
    assert ours("get")[1]["state"] == ("stopped" if end == "stop" else "decided")


def test_a_guardrail_that_breaks_while_somebody_stops_the_test_decides_it_all_the_same(
    ours: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours("create", auto_decide=True)
    ours.outcomes({"control": (140, 200), "treatment": (140, 200)}, {"control": 0.2, "treatment": 0.9})
    first(monkeypatch, ours.module.tests, "_stop", lambda: ours("stop"))
    ours.tick()
    body = ours("get")[1]
    assert (body["state"], body["decision"]["choice"]) == ("decided", "control")


def test_a_ramp_that_broke_off_shows_and_counts_by_what_predict_does(
    begun: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(begun.module.tests._store, "save", dies)
        with pytest.raises(KeyboardInterrupt):
            begun("traffic", traffic=0.5)
    body = begun("get")[1]
    assert (body["coverage"], body["traffic"]) == (begun.lineup.test.coverage, {"treatment": 0.5})
    told = [begun("results", unit=f"u{n}", idempotency_key=f"{n}")[1]["counted"] for n in range(20)]
    assert all(told), "all units are in the test"


def test_looks_are_daily_and_kept(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    begun.outcomes({"control": (700, 1000), "treatment": (705, 1000)})
    begun.tick()
    assert begun("get")[1]["looks"] == []
    begun.tick(24.1, monkeypatch)
    begun.tick()
    [look] = begun("get")[1]["looks"]
    assert (look["share"], look["final"]) == (0.5, False)


def test_an_end_stops_with_a_last_look(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    ours("create", ends_at=clock.now_ms() + 3_600_000)
    ours.outcomes({"control": (700, 1000), "treatment": (705, 1000)})
    ours.tick(2, monkeypatch)
    body = ours("get")[1]
    assert (body["state"], body["stopped_because"], body["looks"][0]["final"]) == (
        "stopped",
        "it reached its end",
        True,
    )
    assert ours("decision", choice=None, reason="")[1]["decision"]["choice"] == "control"


def test_a_broken_ratio_lets_nothing_be_decided(ours: Ours) -> None:
    ours("create", auto_decide=True)
    ours.outcomes({"control": (1400, 2000), "treatment": (2000, 2500)})
    ours.tick()
    assert ours("get")[1]["state"] == "running"
    assert ours("decision", choice=None, reason="")[1]["code"] == "undetermined"


def test_what_the_registry_refuses_is_not_decided(begun: Ours) -> None:
    begun.outcomes(WON)
    begun.registry.promote("sentiment", 3, change("other news"))
    refused = begun("decision", choice="treatment")
    assert (refused[0], refused[1]["code"]) == (409, "control_replaced")
    assert begun("get")[1]["decision"] is None
    assert begun("decision", choice="control")[0] == 200
    assert begun.lineup.champion == 3


def test_control_is_decided_for_though_a_stop_was_faster(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    first(monkeypatch, begun.registry, "end_test", lambda: stop(begun))
    status, body = begun("decision", choice="control")
    assert (status, body["state"], body["decision"]["choice"]) == (200, "decided", "control")
    assert begun.lineup.champion == 1


def test_who_was_promoted_meanwhile_is_not_replaced_by_a_decision(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    promote = partial(begun.registry.promote, "sentiment", 3, change("other news"))
    first(monkeypatch, begun.registry, "promote", promote)
    refused = begun("decision", choice="treatment")
    assert (refused[0], refused[1]["code"]) == (409, "control_replaced")
    assert begun.lineup.champion == 3


def test_a_guardrail_stops_at_once_though_another_changes_the_lineup(
    begun: Ours, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overtaken() -> None:
        raise Conflict("the lineup was changed by someone else meanwhile")

    first(monkeypatch, begun.registry, "end_test", overtaken)
    begun.outcomes({"control": (140, 200), "treatment": (140, 200)}, {"control": 0.2, "treatment": 0.9})
    begun.tick()
    assert (begun("get")[1]["state"], begun.lineup.test) == ("stopped", None)


def test_a_decision_that_broke_off_is_gone_on_with(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    begun.outcomes(WON)
    follow = begun.module.tests._follow

    def dies(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(begun.module.tests, "_follow", dies)
    with pytest.raises(KeyboardInterrupt):
        begun("decision", choice="treatment")
    monkeypatch.setattr(begun.module.tests, "_follow", follow)
    assert begun("decision", choice="control")[1]["code"] == "decided", "it was claimed"
    begun.tick()
    assert begun.lineup.champion == 1, "its maker may still be at it"
    begun.tick(0.1, monkeypatch)
    assert (begun.lineup.champion, begun("get")[1]["state"]) == (2, "decided")


def test_a_failing_test_does_not_keep_others_from_being_watched(
    begun: Ours, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def gone(_name: str) -> Any:
        raise Unavailable("the database did not answer")

    monkeypatch.setattr(begun.module.tests, "get", gone)
    assert begun.tick() == 1
    assert '"WatchFailed":[1.0]' in capsys.readouterr().out


def test_an_error_of_one_test_does_not_keep_others_from_being_watched(
    begun: Ours, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tests = begun.module.tests
    get = tests.get
    tests._store.add(msgspec.structs.replace(get(NAME).test, name="a-first"))
    monkeypatch.setattr(tests, "get", lambda name: get(name) if name == NAME else 1 / 0)
    begun.outcomes({"control": (140, 200), "treatment": (140, 200)}, {"control": 0.2, "treatment": 0.9})
    assert begun.tick() == 2
    assert begun("get")[1]["state"] == "stopped"
    assert "ZeroDivisionError" in caplog.text


def test_all_guardrails_come_before_any_look(begun: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    tests, order = begun.module.tests, []
    tests._store.add(msgspec.structs.replace(tests.get(NAME).test, name="a-first"))
    monkeypatch.setattr(tests, "_watch", lambda known, _at: order.append(("watch", known.test.name)))
    monkeypatch.setattr(tests, "_judge", lambda known, _at: order.append(("judge", known.test.name)))
    begun.tick()
    assert order == [("watch", "a-first"), ("watch", NAME), ("judge", "a-first"), ("judge", NAME)]


def test_the_analysis_costs_as_many_reads_whatever_was_counted(begun: Ours) -> None:
    begun("traffic", traffic=0.5)
    calls = begun.module.table._session.calls
    costs = []
    for number in (1, 30):
        for i in range(number):
            begun("results", unit=f"unit-{i}", idempotency_key=f"{number}-{i}")
        before = calls.copy()
        begun("analysis")
        costs.append(calls - before)
    assert costs[0] == costs[1]
    assert sum(costs[0].values()) == 2


def test_a_shadow_tells_how_often_it_agrees(ours: Ours) -> None:
    assert ours("create", mode="shadow", traffic=1.0, guardrails=[])[0] == 201
    body = ours("analysis")[1]
    assert body["agreement"] == {"treatment": {"agree": 0, "differ": 0, "failed": 0, "unlabelled": 0, "share": None}}
    assert ours("traffic", traffic=0.5)[1]["coverage"] == 0.5


def test_a_plan_says_how_many_units(ours: Ours) -> None:
    status, body = ours("plan")
    assert (status, body["planned_units"], body["days"]) == (200, 5193, 6)
    assert body["control_units"] + body["treatment_units"] == body["planned_units"]
    assert ours("plan", minimum_effect=0)[1]["field"] == "minimum_effect"
    assert ours("plan", kind="mean")[1]["field"] == "deviation"
    assert ours("plan", baseline=0.99)[1]["field"] == "baseline"
    assert ours("plan", kind="mean", baseline=10.0, deviation=3.0)[0] == 200


@pytest.mark.parametrize(
    ("extreme", "field"),
    [
        ({"baseline": 1e-320}, "minimum_effect"),
        ({"minimum_effect": 1e-16}, "minimum_effect"),
        ({"minimum_effect": 1e-6}, "minimum_effect"),
        ({"share": 1e-300}, "share"),
        ({"units_a_day": 1e-308}, "units_a_day"),
        ({"kind": "mean", "baseline": 1e308, "deviation": 1.0}, "baseline"),
        ({"kind": "mean", "deviation": 1e-300}, "deviation"),
        ({"kind": "mean", "deviation": 1e9}, "minimum_effect"),
    ],
)
def test_a_plan_of_extremes_is_refused(ours: Ours, extreme: dict[str, Any], field: str) -> None:
    status, body = ours("plan", **extreme)
    assert (status, body["field"]) == (422, field)


def test_unknown_tests_and_bad_units_are_told(begun: Ours) -> None:
    assert begun("unknown") == (404, {"code": "unknown_test", "message": "there is no test 'nobody'", "field": "name"})
    sent = event("abtest", "assignment")
    answer = begun.module.lambda_handler({**sent, "rawQueryString": ""}, begun._context)
    assert (answer["statusCode"], json.loads(answer["body"])["field"]) == (422, "unit")
