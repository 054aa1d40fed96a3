"""A/B tests on the deployed stack: predict assigns, feedback counts, the schedule guards, the lineup follows."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from click.testing import CliRunner

from cli.main import main
from tests import storms
from tests.aws_chaos import Chaos
from tests.chaos_proxy import proxy
from tests.local_stack import Answer, Local
from zeroloop import clock
from zeroloop.inference.lineups import FRESH_SECONDS
from zeroloop.registry import audit

pytestmark = pytest.mark.e2e

SMALL, LARGE = "sentiment/packages/small", "sentiment/packages/large"
OUTCOMES = 1_000
RACERS = 6  # each is a process of its own here, that imports SciPy first


def begin(local: Local, name: str, **changes: Any) -> dict[str, Any]:
    """A test named like its model, whose version 1 serves: it runs."""
    local.serving(name, SMALL)
    local.register(LARGE, name)
    order = {
        "name": name,
        "model": name,
        "control": 1,
        "treatment": 2,
        "traffic": 0.5,
        "metrics": [{"name": "accuracy", "kind": "proportion"}],
        "unit": "user_id",
        **changes,
    }
    answer = local.send("POST", "/ab-tests", order)
    assert (answer.status, answer.body["state"]) == (201, "running"), answer.body
    return dict(answer.body)


def results(local: Local, name: str, right: Callable[[str], bool], n: int) -> Counter[str]:
    """Send an outcome of each of `n` units: how many each arm has."""
    found: Counter[str] = Counter()
    for start in range(0, n, 100):
        units = [f"user-{number}" for number in range(start, min(n, start + 100))]
        listed = [(unit, assigned(local, name, unit)) for unit in units]
        sent = [
            {"unit": unit, "metrics": {"accuracy": int(right(arm))}, "idempotency_key": unit} for unit, arm in listed
        ]
        answer = local.send("POST", f"/ab-tests/{name}/results", {"results": sent})
        assert answer.status == 200, answer.body
        assert [one["variant"] for one in answer.body["results"]] == [arm for _, arm in listed]
        found.update(arm for _, arm in listed)
    return found


def assigned(_local: Local, name: str, unit: str) -> str:
    """By the docs' description of it."""
    from zeroloop.inference.assignment import bucket  # noqa: PLC0415

    return "control" if bucket(f"ab:{name}:arm", unit) < 5000 else "treatment"


def typed(local: Local, *words: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(main, ["ab", *words, "--url", local.record.api_url])
    assert result.exit_code == 0, result.output
    return str(result.output)


def state(local: Local, name: str) -> dict[str, Any]:
    return dict(local.send("GET", f"/ab-tests/{name}").body)


def whole_history(local: Local, name: str) -> list[dict[str, Any]]:
    lineup = local.send("GET", f"/models/{name}/lineup").body
    records = local.send("GET", f"/models/{name}/history").body["history"]
    assert audit.faults(reversed(records), lineup["revision"]) == []
    return list(records)


def test_predict_assigns_and_feedback_counts(local: Local) -> None:
    begin(local, "ab-counted")
    clock.sleep(FRESH_SECONDS + 0.2)
    variants = Counter[str]()
    for number in range(8):
        unit = f"user-{number}"
        told = local.send("POST", "/predict/ab-counted", {"text": "A moving film.", "unit": unit}).body
        assert told["variant"] == assigned(local, "ab-counted", unit)
        assert told["model_version"] == {"control": 1, "treatment": 2}[told["variant"]]
        variants[told["variant"]] += 1
        heard = {"prediction_id": told["prediction_id"], "label": "positive"}
        assert local.send("POST", "/feedback", heard).status == 200
        assert local.send("POST", "/feedback", heard).status == 200
    nobody = local.send("POST", "/predict/ab-counted", {"text": "A moving film."}).body
    assert nobody["variant"] == "control"
    assert (
        local.send("POST", "/feedback", {"prediction_id": nobody["prediction_id"], "label": "positive"}).status == 200
    )
    found = local.send("GET", "/ab-tests/ab-counted/analysis").body
    assert found["balance"]["units"] == {"control": variants["control"], "treatment": variants["treatment"]}
    assert "No clear winner: an arm has" in typed(local, "analysis", "ab-counted")
    assert "ab-counted" in typed(local, "list")
    assert typed(local, "plan", "--baseline", "0.7", "--effect", "0.05").startswith("5,193 units")
    said = local.send("GET", "/ab-tests/ab-counted/assignment?unit=user-1").body
    assert (said["variant"], said["in_test"]) == (assigned(local, "ab-counted", "user-1"), True)


def test_a_broken_treatment_is_stopped_by_its_guardrail(local: Local) -> None:
    """Nobody asks for it: the schedule's own minute does."""
    begin(local, "ab-broken", guardrails=[{"metric": "accuracy", "max_harm": 0.05}])
    dice = iter(range(10_000))
    results(local, "ab-broken", lambda arm: arm == "control" or next(dice) % 3 == 0, 300)
    deadline = clock.monotonic() + 150
    while (test := state(local, "ab-broken"))["state"] == "running":
        assert clock.monotonic() < deadline, test
        clock.sleep(5)
    assert test["stopped_because"].startswith("guardrail: accuracy of treatment is worse by more than 0.05")
    lineup = local.send("GET", "/models/ab-broken/lineup").body
    assert (lineup["champion"], lineup["test"]) == (1, None)
    assert whole_history(local, "ab-broken")[0]["evidence"]["analysis"]["guardrails"][0]["broken"]
    clock.sleep(FRESH_SECONDS + 0.2)
    answer = local.send("POST", "/predict/ab-broken", {"text": "Fine.", "unit": "user-1"}).body
    assert (answer["variant"], answer["model_version"]) == ("champion", 1)
    checked = CliRunner().invoke(main, ["ab", "check", "ab-broken", "--url", local.record.api_url])
    assert (checked.exit_code, checked.output.split(":")[0]) == (1, "loses")


def test_of_racing_decisions_one_holds(local: Local) -> None:
    begin(local, "ab-raced")

    def decide(number: int) -> Answer:
        choice = ("treatment", "control")[number % 2]
        return local.send("POST", "/ab-tests/ab-raced/decision", {"choice": choice, "reason": f"by {number}"})

    answers = local.at_once([partial(decide, number) for number in range(RACERS)])
    assert Counter(answer.status for answer in answers) == {200: 1, 409: RACERS - 1}
    [won] = [answer.body for answer in answers if answer.status == 200]
    test, lineup = state(local, "ab-raced"), local.send("GET", "/models/ab-raced/lineup").body
    assert (test["state"], test["decision"]) == ("decided", won["decision"])
    assert (lineup["champion"], lineup["test"]) == ({"treatment": 2, "control": 1}[won["decision"]["choice"]], None)
    assert len(whole_history(local, "ab-raced")) == 3, "the first promotion, the test's begin, and one decision"


def test_a_promotion_stops_the_test_in_its_own_transaction(local: Local) -> None:
    begin(local, "ab-overtaken")
    assert local.promote("ab-overtaken", 2).status == 200
    assert local.send("GET", "/models/ab-overtaken/lineup").body["test"] is None
    assert state(local, "ab-overtaken")["state"] == "stopped"
    late = {"unit": "user-1", "metrics": {"accuracy": 1}, "idempotency_key": "1"}
    assert local.send("POST", "/ab-tests/ab-overtaken/results", late).body["code"] == "not_running"


def test_a_shadow_answers_nobody_and_its_agreement_is_told(local: Local) -> None:
    begin(local, "ab-shadow", mode="shadow", traffic=1.0)
    clock.sleep(FRESH_SECONDS + 0.2)
    body = {"instances": [{"text": "A wonderful, moving film."}, {"text": "A dull mess."}], "unit": "user-1"}
    for _ in range(3):
        told = local.send("POST", "/predict/ab-shadow", body).body
        assert (told["variant"], told["model_version"]) == ("control", 1)
    deadline = clock.monotonic() + 60
    while True:
        found = local.send("GET", "/ab-tests/ab-shadow/analysis").body["agreement"]["treatment"]
        if found["agree"] + found["differ"] == 6:
            break
        assert clock.monotonic() < deadline, found
        clock.sleep(3)
    assert found["failed"] == 0
    assert found["share"] == found["agree"] / 6


def test_a_thousand_outcomes_at_once_twice_and_through_faults_add_up(local: Local) -> None:
    """The other 49 of 50 are in bench/ab.py."""
    record, chaos = local.record, Chaos(5, throttle=0.05, conflict=0.05, server_error=0.02, lost_answer=0.02)
    with proxy(record.endpoint_url, chaos) as url:
        opened = storms.opener(url, record.region, record.tables["abtest"])
        storm = storms.rage(opened, "ab-storm", OUTCOMES, threads=8, seed=7)
    assert storm.sums == storm.expected
    assert storm.sent == OUTCOMES + OUTCOMES // 5 + OUTCOMES // 20
    assert {fault for _, fault in chaos.injected} == {"throttle", "conflict", "server_error", "lost_answer"}
