"""`zeroloop ab check`: what a pipeline is told of a version."""

from typing import Any, cast

import pytest

from cli import ab
from cli.api import Api


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
CONTROL = {"choice": "control", "applied": True}
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
