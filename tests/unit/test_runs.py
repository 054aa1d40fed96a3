import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.api import ApiError
from cli.main import main

COMPARED = {
    "run_ids": ["a1", "b2", "c3"],
    "params": {"epochs": ["7", "5", "7"], "dropout": [None, "0.3", None], "empty": ["", None, "-"]},
    "metrics": {"loss": [0.25, None, "NaN"], "accuracy": [None, None, 0]},
}


class FakeApi:
    """Answers COMPARED for the runs a1, b2 and c3."""

    def get(self, path: str) -> dict[str, Any]:
        if path != "/runs/compare?run_ids=a1,b2,c3":
            raise ApiError(404, {"code": "not_found", "message": f"there is nothing at {path}"})
        return COMPARED


@pytest.fixture(autouse=True)
def _api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.api.connect", lambda *_: FakeApi())


def typed(*words: str) -> Result:
    return CliRunner().invoke(main, ["runs", "compare", *words])


def test_runs_stand_side_by_side_by_key_with_their_gaps() -> None:
    result = typed("a1", "b2", "c3")
    assert result.exit_code == 0
    assert [line.split() for line in result.output.splitlines()] == [
        ["key", "a1", "b2", "c3"],
        ["params", "dropout", "(none)", "0.3", "(none)"],
        ["params", "empty", "(none)", "-"],
        ["params", "epochs", "7", "5", "7"],
        ["metrics", "accuracy", "(none)", "(none)", "0"],
        ["metrics", "loss", "0.25", "(none)", "NaN"],
    ]
    lines = result.output.splitlines()
    assert {line.index("(none)") for line in lines if line.endswith("-")} == {lines[0].index("b2")}


def test_json_is_what_the_api_answers() -> None:
    assert json.loads(typed("a1", "b2", "c3", "--json").output) == COMPARED


def test_a_refusal_is_told_and_ids_are_quoted() -> None:
    result = typed("a&b", "c,d")
    assert result.exit_code == 1
    assert "/runs/compare?run_ids=a%26b,c%2Cd" in result.output


def test_at_least_one_run_is_named() -> None:
    assert typed().exit_code == 2
