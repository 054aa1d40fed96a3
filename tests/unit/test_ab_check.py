"""`zeroloop ab`: what a pipeline is told of a version, and what traffic is read as."""

from typing import Any, cast

import click
import pytest

from cli import ab, demo_abtest
from cli.api import Api
from zeroloop.abtest.planning import Plan, planned


class Registry:
    """An API with two models, of which the second took the name that the first had."""

    def get(self, where: str) -> dict[str, Any]:
        if where.startswith("/models/sentiment/versions/"):
            return {"model_id": "m-new"}
        shared = {"model": "sentiment", "treatments": {"treatment": 2}, "mode": "ab"}
        return {
            "tests": [
                {**shared, "name": "of-the-old", "model_id": "m-old", "created_at": 3},
                {**shared, "name": "second", "model_id": "m-new", "created_at": 2},
                {**shared, "name": "renamed-since", "model": "films", "model_id": "m-new", "created_at": 1},
            ],
            "next": None,
        }


def test_tests_are_those_of_the_model_whatever_it_was_called() -> None:
    assert ab.tested(cast("Api", Registry()), "sentiment", 2) == ["renamed-since", "second"]


WINS = {"outcome": "wins", "winner": "b"}
UNDETERMINED = {"outcome": "undetermined", "winner": None}
CONTROL = {"choice": "control", "applied": True, "actor": "ada", "reason": "No difference."}
OUTCOMES: list[tuple[dict[str, Any], dict[str, Any], int | None, str]] = [
    (WINS, {}, None, "wins"),
    (WINS, {}, 3, "wins"),
    (WINS, {}, 2, "loses"),
    (WINS, {"decision": CONTROL}, 3, "loses"),
    (WINS, {"decision": {**CONTROL, "applied": False}}, 3, "wins"),
    (WINS, {"decision": {**CONTROL, "choice": "b"}}, 3, "wins"),
    (UNDETERMINED, {}, 2, "undetermined"),
    (UNDETERMINED, {"harmed": ["seconds/a"]}, 2, "loses"),
    (UNDETERMINED, {"harmed": ["seconds/a"]}, 3, "undetermined"),
    (UNDETERMINED, {"harmed": ["seconds/a"]}, None, "undetermined"),
    (UNDETERMINED, {"harmed": ["seconds/a", "errors/b"]}, None, "loses"),
]


@pytest.mark.parametrize(("analysis", "changes", "version", "outcome"), OUTCOMES)
def test_a_version_loses_to_a_decision_for_control_and_by_its_guardrail(
    analysis: dict[str, Any], changes: dict[str, Any], version: int | None, outcome: str
) -> None:
    test = {"treatments": {"a": 2, "b": 3}, "decision": None, "harmed": [], **changes}
    assert ab.outcome_for(analysis, test, version) == outcome


def test_a_loss_by_decision_says_so_and_not_what_the_sums_do() -> None:
    assert ab.decided_for_control({"decision": CONTROL}) == "it was decided for control by ada: No difference."
    assert ab.decided_for_control({"decision": {**CONTROL, "applied": False}}) is None
    assert ab.decided_for_control({"decision": None}) is None


EXCESS = {"value": -0.1, "lower": -0.2, "upper": 0.0, "method": "confidence sequence"}
HELD = [
    ({"broken": False, "excess": EXCESS}, "holds"),
    ({"broken": True, "excess": EXCESS}, "BROKEN"),
    ({"broken": True, "excess": {"reason": "neither arm varies"}}, "BROKEN"),
    (
        {"broken": False, "excess": {"reason": "an arm has 0 units, 100 are needed"}},
        "an arm has 0 units, 100 are needed",
    ),
]


@pytest.mark.parametrize(("guardrail", "told"), HELD)
def test_a_guardrail_holds_only_where_that_is_known(guardrail: dict[str, Any], told: str) -> None:
    assert ab.held(guardrail) == told


def test_the_demo_orders_what_its_plan_asks_for() -> None:
    assert planned(Plan("proportion", 0.8, demo_abtest.EFFECT)).planned_units == demo_abtest.UNITS
    assert len(demo_abtest.held_out()) == demo_abtest.UNITS


@pytest.mark.parametrize(("words", "traffic"), [(("0.2",), 0.2), (("a=0.2", "b=0.1"), {"a": 0.2, "b": 0.1})])
def test_traffic_is_one_share_or_each_arms(words: tuple[str, ...], traffic: Any) -> None:
    assert ab.shares(words) == traffic


@pytest.mark.parametrize("words", [("much",), ("0.2", "0.1"), ("a=b",), ("a=0.2=0.1",)])
def test_what_is_no_traffic_is_told(words: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError):
        ab.shares(words)
