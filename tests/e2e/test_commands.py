"""The operator's command against the deployed stack, as it is typed."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from tests.local_stack import PACKAGES, Local

pytestmark = pytest.mark.e2e

SMALL, LARGE = PACKAGES / "sentiment/packages/small", PACKAGES / "sentiment/packages/large"
METRIC = {"key": "loss", "value": 0.5, "timestamp": 1, "step": 0}


def typed(local: Local, *words: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, words), "--url", local.record.api_url])


def told(local: Local, *words: str | Path) -> Any:
    result = typed(local, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_a_model_from_its_registration_to_its_rollback(local: Local, tmp_path: Path) -> None:
    for number, package in enumerate((SMALL, LARGE), start=1):
        result = typed(local, "model", "register", package, "--model", "typed")
        assert (result.exit_code, result.output) == (0, f"typed version {number} is READY\n")
    assert told(local, "model", "promote", "typed", "1", "--reason", "first")["champion"] == 1
    assert told(local, "model", "challenge", "typed", "2", "--traffic", "0.1", "--reason", "canary")["traffic"] == 0.1
    lineup = typed(local, "model", "lineup", "typed").output
    assert lineup == "typed: champion 1, challenger 2 with 10% (revision 2)\n"
    assert (
        told(local, "model", "promote", "typed", "2", "--reason", "better", "--expected-revision", "2")["previous"] == 1
    )
    assert told(local, "model", "get", "typed", "--output", tmp_path / "it")["version"] == 2
    assert (tmp_path / "it" / "model.tflite").read_bytes() == (LARGE / "model.tflite").read_bytes()
    assert told(local, "model", "rollback", "typed", "--reason", "worse")["champion"] == 1
    assert [v["stage"] for v in told(local, "model", "versions", "typed")] == ["archived", "production"]
    assert [r["action"] for r in told(local, "model", "history", "typed")] == [
        "rollback", "promote", "challenger", "promote"
    ]  # fmt: skip
    assert "typed" in typed(local, "model", "list").output
    assert typed(local, "audit", "verify", "typed").output == "typed: 4 records, the chain is whole\n"


def test_runs_are_compared_and_what_is_left_of_old_ones_is_purged(local: Local) -> None:
    logged: list[dict[str, Any]] = [{"params": [{"key": "epochs", "value": "7"}]}, {"metrics": [METRIC]}]
    ids = []
    for batch in logged:
        run = local.send("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"}).body["run"]
        ids.append(run["info"]["run_id"])
        assert local.send("POST", "/api/2.0/mlflow/runs/log-batch", {"run_id": ids[-1], **batch}).status == 200
    compared = {"run_ids": ids, "params": {"epochs": ["7", None]}, "metrics": {"loss": [None, 0.5]}}
    assert told(local, "runs", "compare", *ids) == compared
    assert typed(local, "runs", "purge").output == "removed 0 rows\n"


def test_a_tampered_history_fails_its_verification(local: Local) -> None:
    local.serving("forged", SMALL, LARGE)
    model_id = local.send("GET", "/models/forged/versions/1").body["model_id"]
    client, table = local.aws("dynamodb"), local.record.tables["registry"]
    key = {"pk": {"S": f"MODEL#{model_id}"}, "sk": {"S": "AUDIT#00000001"}}
    body = client.get_item(TableName=table, Key=key)["Item"]["body"]["S"]
    client.put_item(TableName=table, Item={**key, "body": {"S": body.replace('"reason":"test"', '"reason":"forged"')}})
    result = typed(local, "audit", "verify", "forged")
    assert result.exit_code == 1
    assert "revision 1 was changed after it was written" in result.output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model", "lineup", "nobody"], "there is no model 'nobody' (field: model) [404 unknown_model]"),
        (["model", "promote", "nobody", "1", "--reason", "x"], "[404 unknown_model]"),
        (["model", "register", str(PACKAGES), "--model", "x"], "holds no package.json"),
        (["model", "rollback", "nobody"], "Missing option '--reason'"),
    ],
)
def test_a_refusal_says_what_is_wrong_in_a_line(local: Local, words: list[str], says: str) -> None:
    result = typed(local, *words)
    assert result.exit_code != 0
    assert says in result.output
    assert "Traceback" not in result.output


def test_a_stack_that_is_not_there_is_told(local: Local) -> None:
    result = CliRunner().invoke(main, ["model", "list", "--url", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "can't be reached" in result.output
