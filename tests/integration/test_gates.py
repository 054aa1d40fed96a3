"""Gates, evaluations and approvals through the registry function on moto."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec
import pytest

from tests.integration.conftest import Context, event
from tests.integration.test_registry import Call, manifest
from zeroloop.registry import audit, rules
from zeroloop.registry.gates import Evaluation
from zeroloop.registry.rules import Arm, Facts
from zeroloop.registry.service import Admissions, Change

GOOD = {"accuracy": {"value": 0.79, "lower": 0.7675, "upper": 0.8119, "n": 1289}}
BAD = {"accuracy": {"value": 0.66, "lower": 0.63, "upper": 0.69, "n": 1289}}


@pytest.fixture(name="registry")
def _registry(load: Callable[[str], ModuleType]) -> ModuleType:
    module = load("registry")
    module.registry._admit = lambda _model_id, _version: None
    return module


@pytest.fixture(name="call")
def _call(registry: ModuleType, context: Context) -> Call:
    """Send an event, changed where a test says so; answers status and body."""

    def call(case: str, **changes: Any) -> tuple[int, dict[str, Any]]:
        sent = event("registry", case)
        path = changes.pop("path", sent["rawPath"])
        actor = changes.pop("actor", None)
        sent["rawPath"] = sent["requestContext"]["http"]["path"] = path
        sent.update(changes)
        if actor:
            sent["requestContext"]["authorizer"] = {"iam": {"userArn": actor}}
        if isinstance(sent.get("body"), dict):
            sent["body"] = json.dumps(sent["body"])
        answer = registry.lambda_handler(sent, context)
        return answer["statusCode"], json.loads(answer["body"])

    return call


@pytest.fixture(name="ready")
def _ready(call: Call, registry: ModuleType) -> Callable[[int], str]:
    """Register and admit the version that `seed` makes; its digest."""

    def ready(seed: int) -> str:
        _, body = call("register", path="/models/sentiment/versions", body=manifest(seed))
        admissions = Admissions(registry.registry._store)
        version = admissions.pending(body["model_id"], body["version"])
        assert version
        admissions.admit(version, Facts())
        return str(body["digest"])

    return ready


def found(digest: str, metrics: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"digest": digest, "metrics": metrics, **more}


def mlflow(call: Call, case: str, **body: Any) -> tuple[int, dict[str, Any]]:
    sent = {**json.loads(event("registry", case)["body"]), "name": "sentiment", "version": "1", **body}
    return call(case, body=sent)


def test_gates_are_set_shown_and_taken_away_each_with_a_record(call: Call) -> None:
    assert call("set_gates")[1]["revision"] == 1  # the model comes into being with its gates
    assert call("set_gates")[1]["revision"] == 1
    shown = call("get_gates")[1]
    assert shown["gates"]["metrics"] == {"accuracy": {"at_least": 0.76, "lower_at_least": 0.735}}
    assert shown["set_by"] == "anonymous"
    assert call("set_gates", body={"gates": None, "reason": "an experiment"})[1]["revision"] == 2
    assert (call("get_gates")[0], call("get_gates")[1]["code"]) == (404, "no_gates")
    records = call("history", path="/models/sentiment/history")[1]["history"]
    assert [record["action"] for record in records] == ["gates", "gates"]
    assert [bool(record["evidence"]["gates"]) for record in records] == [False, True]
    assert audit.faults(reversed(records), 2) == []


def test_a_model_without_gates_is_not_gated(call: Call, ready: Callable[[int], str]) -> None:
    ready(1)
    assert call("promote")[0] == 200
    assert call("history", path="/models/sentiment/history")[1]["history"][0]["evidence"] is None


def test_no_way_leads_a_version_past_its_gates(call: Call, ready: Callable[[int], str]) -> None:
    digest = ready(1)
    call("set_gates")
    ways: list[Callable[[], tuple[int, dict[str, Any]]]] = [
        lambda: call("promote"),
        lambda: mlflow(call, "mlflow_set_alias", alias="champion"),
        lambda: mlflow(call, "mlflow_transition_stage", stage="Production", archive_existing_versions=False),
    ]
    for way in ways:
        status, body = way()
        assert status in {400, 409}, body
        assert "has not been evaluated" in body["message"]
    status, body = call("evaluate", body=found(digest, BAD))
    assert (status, body["verdict"]["passed"]) == (200, False)
    for way in ways:
        assert "missed accuracy at_least 0.76 (0.66)" in way()[1]["message"]
    assert call("lineup", path="/models/sentiment/lineup")[1]["champion"] is None


def test_a_red_version_serves_only_by_an_override_that_the_audit_shows(call: Call, ready: Callable[[int], str]) -> None:
    digest = ready(1)
    call("set_gates")
    call("evaluate", body=found(digest, BAD))
    order = {"version": 1, "reason": "the old one is down", "override": True}
    assert call("promote", body=order)[1]["champion"] == 1
    evidence = call("history", path="/models/sentiment/history")[1]["history"][0]["evidence"]["gate"]
    assert (evidence["verdict"], evidence["override"]) == ("red", True)
    assert evidence["missed"] == ["accuracy at_least 0.76 (0.66)", "accuracy lower_at_least 0.735 (0.63)"]


def test_a_green_version_serves_until_the_champion_it_was_compared_with_is_another(
    call: Call, ready: Callable[[int], str]
) -> None:
    first, second = ready(1), ready(2)
    call("set_gates")
    call("evaluate", body=found(first, GOOD))
    assert call("promote")[1]["champion"] == 1
    second_path = "/models/sentiment/versions/2/evaluation"
    order = {"version": 2, "reason": "better"}
    call("evaluate", path=second_path, body=found(second, GOOD))
    assert "not compared with the package" in call("promote", body=order)[1]["message"]
    canary = {"version": 2, "traffic": 0.1, "reason": "canary"}
    assert call("challenger", path="/models/sentiment/challenger", body=canary)[1]["code"] == "gate_red"
    compared = {first: {"n": 1289, "only_champion": 20, "only_candidate": 25, "p_worse": 0.81}}
    call("evaluate", path=second_path, body=found(second, GOOD, comparisons=compared))
    assert call("get_evaluation", path=second_path)[1]["verdict"]["passed"] is True
    assert call("challenger", path="/models/sentiment/challenger", body=canary)[0] == 200
    assert call("promote", body=order)[1]["champion"] == 2
    evidence = call("history", path="/models/sentiment/history")[1]["history"][0]["evidence"]["gate"]
    assert evidence["verdict"] == "green"
    assert evidence["evaluated_by"] == "anonymous"


def test_a_rollback_asks_for_no_gate(call: Call, ready: Callable[[int], str]) -> None:
    for seed in (1, 2):
        ready(seed)
        assert call("promote", body={"version": seed, "reason": "before there were gates"})[0] == 200
    call("set_gates")
    assert call("rollback", path="/models/sentiment/rollback")[1]["champion"] == 1


def test_an_evaluation_is_of_the_versions_own_bytes(call: Call, ready: Callable[[int], str]) -> None:
    ready(1)
    assert (call("evaluate")[0], call("evaluate")[1]["code"]) == (422, "other_package")
    assert (call("get_evaluation")[0], call("get_evaluation")[1]["code"]) == (404, "no_evaluation")
    large = found("0" * 64, GOOD, explanations={"words": "x" * 200_000})
    assert call("evaluate", body=large)[0] == 422


def test_what_a_version_served_by_is_not_replaced(call: Call, ready: Callable[[int], str]) -> None:
    digest = ready(1)
    call("set_gates")
    data = {"digest": "1" * 64, "source": "2" * 64, "splits": {"train": "3" * 64}}
    said = found(digest, GOOD, data=data, p95_ms=1.5, made={"at": "first"})
    call("evaluate", body=found(digest, BAD, data=data))
    call("evaluate", body=said)  # before it serves, the last one counts
    assert call("promote")[1]["champion"] == 1
    kept = call("get_evaluation")[1]
    forged = [
        found(digest, {"accuracy": {"value": 0.99}}, data=data),
        found(digest, GOOD, data={**data, "digest": "9" * 64}),
        found(digest, GOOD),
    ]
    for other in forged:
        status, body = call("evaluate", body=other, actor="arn:aws:iam::123456789012:user/eve")
        assert (status, body["code"]) == (409, "served")
    again = {**said, "p95_ms": 0.1, "made": {"at": "later"}}
    assert call("evaluate", body=again)[1] == call("get_evaluation")[1] == kept
    compared = {"c" * 64: {"n": 1289, "only_champion": 20, "only_candidate": 25, "p_worse": 0.81}}
    noisy = found(digest, {"accuracy": {"value": 0.79 * (1 + 1e-9)}, "f1": {"value": 0.8}}, data=data)
    noisy |= {"card": {"limits": "other words"}, "comparisons": compared}
    added = call("evaluate", body=noisy)[1]["evaluation"]
    assert added == {**kept["evaluation"], "comparisons": compared}
    worse = {"c" * 64: {"n": 1289, "only_champion": 50, "only_candidate": 0, "p_worse": 0.0}}
    assert call("evaluate", body={**again, "comparisons": worse})[1]["evaluation"] == added


def test_a_version_that_begins_to_serve_while_it_is_evaluated_keeps_what_it_served_by(
    call: Call, registry: ModuleType, ready: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = ready(1)
    call("set_gates")
    call("evaluate", body=found(digest, GOOD))
    store = registry.registry._store
    read = store.get_evaluation

    def promoted_meanwhile(model_id: str, number: int) -> Any:
        monkeypatch.setattr(store, "get_evaluation", read)
        before = read(model_id, number)
        registry.registry.promote("sentiment", 1, Change(actor="ada", at=1, reason="now"))
        return before

    monkeypatch.setattr(store, "get_evaluation", promoted_meanwhile)
    assert call("evaluate", body=found(digest, BAD))[1]["code"] == "served"
    assert call("get_evaluation")[1]["evaluation"]["metrics"]["accuracy"]["value"] == 0.79


@pytest.mark.parametrize("first", [None, GOOD])
def test_what_is_found_while_a_promotion_judges_stops_the_promotion(
    call: Call,
    registry: ModuleType,
    ready: Callable[[int], str],
    monkeypatch: pytest.MonkeyPatch,
    first: dict[str, Any] | None,
) -> None:
    digest = ready(1)
    call("set_gates")
    if first:
        call("evaluate", body=found(digest, first))
    store = registry.registry._store
    save = store.save_lineup

    def evaluated_meanwhile(*turn: Any) -> None:
        monkeypatch.setattr(store, "save_lineup", save)
        registry.registry.evaluate("sentiment", 1, msgspec.convert(found(digest, BAD), Evaluation), actor="eve", at=1)
        save(*turn)

    monkeypatch.setattr(store, "save_lineup", evaluated_meanwhile)
    override = {} if first else {"override": True}
    status, body = call("promote", body={"version": 1, "reason": "now", **override})
    assert (status, body["code"]) == (409, "conflict")
    assert call("promote")[1]["code"] == "gate_red"


@pytest.mark.parametrize("part", ["canary", "treatment", "shadow"])
def test_what_a_version_answers_callers_by_is_not_replaced(
    call: Call, registry: ModuleType, ready: Callable[[int], str], part: str
) -> None:
    champion = ready(1)
    call("promote")
    digest = ready(2)
    call("set_gates")
    compared = {champion: {"n": 1289, "only_champion": 20, "only_candidate": 25, "p_worse": 0.81}}
    said = found(digest, GOOD, comparisons=compared)
    path = "/models/sentiment/versions/2/evaluation"
    assert call("evaluate", path=path, body=said)[0] == 200
    change = Change(actor="ada", at=1, reason="try it")
    if part == "canary":
        registry.registry.challenge("sentiment", 2, 0.1, change)
        registry.registry.challenge("sentiment", None, None, change)
    else:
        arms = [Arm(variant="a", version=1, first=0, last=4999), Arm(variant="b", version=2, first=5000, last=9999)]
        test = rules.Test(test_id="t", salt="s", coverage_salt="c", coverage=1.0, shadow=part == "shadow", arms=arms)
        registry.registry.begin_test("sentiment", test, 1, change)
    status, body = call("evaluate", path=path, body=found(digest, BAD))
    assert (status, body.get("code")) == ((200, None) if part == "shadow" else (409, "served"))


@pytest.mark.parametrize("asked", [{}, {"metrics": {}}, {"budgets": {}, "slices": {}, "card": []}])
def test_gates_that_ask_for_nothing_are_refused(call: Call, asked: dict[str, Any]) -> None:
    status, body = call("set_gates", body={"gates": asked, "reason": "none"})
    assert (status, body["field"]) == (422, "gates")


def test_evaluations_tell_the_data_behind_versions(call: Call, ready: Callable[[int], str]) -> None:
    data = {"digest": "1" * 64, "source": "2" * 64, "splits": {"train": "3" * 64}, "assembled": "4" * 64}
    data["profile"] = {"n": 5}
    call("evaluate", body=found(ready(1), GOOD, data=data))
    [told] = call("list_evaluations")[1]["evaluations"]
    assert told["version"] == 1
    assert told["data"] == {name: value for name, value in data.items() if name != "profile"}


def test_a_deleted_version_leaves_no_evaluation(call: Call, ready: Callable[[int], str]) -> None:
    call("evaluate", body=found(ready(1), GOOD))
    assert mlflow(call, "mlflow_delete_model")[0] == 200
    ready(1)
    assert call("get_evaluation")[1]["code"] == "no_evaluation"


def test_somebody_else_must_approve_where_that_is_asked(
    call: Call, registry: ModuleType, ready: Callable[[int], str]
) -> None:
    ready(1)  # by anonymous
    registry.registry._approvals = "other"
    assert call("promote")[1]["code"] == "not_approved"
    assert call("approve")[1]["code"] == "own_approval"
    status, body = call("approve", actor="arn:aws:iam::123456789012:user/ada")
    assert (status, body["approval"]["reason"]) == (200, "read its card")
    assert call("promote")[1]["champion"] == 1
    records = call("history", path="/models/sentiment/history")[1]["history"]
    assert [record["action"] for record in records] == ["promote", "approve"]
    assert records[1]["actor"].endswith("user/ada")
    assert records[1]["evidence"]["version"] == 1
    assert audit.faults(reversed(records), 2) == []
