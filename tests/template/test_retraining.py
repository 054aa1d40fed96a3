"""What starts a retraining: the rule's pattern, by the events that the monitor sends, and what the build may do."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from moto.events.models import EventPattern

from tests.template import reader

CONTRACTS = reader.PROJECT / "docs/contracts"
ALERT = json.loads((CONTRACTS / "alert.schema.json").read_text())["examples"][0]
CONDITIONS = {
    "RetrainByBuild": {"RetrainBuild", "RetrainBuildRole", "RetrainLogGroup", "RetrainOnDrift", "RetrainStartRole"},
    "RetrainByDispatch": {"RetrainConnection", "RetrainDispatch", "RetrainDispatchRole", "RetrainOnGitHub"},
    "RetrainOnTime": {"RetrainSchedule", "RetrainScheduleRole"},
}


def event(detail_type: str, /, **detail: Any) -> dict[str, Any]:
    return {"source": "zeroloop", "detail-type": detail_type, "detail": detail}


@pytest.mark.parametrize("rule", ["RetrainOnDrift", "RetrainOnGitHub"])
@pytest.mark.parametrize(
    ("sent", "starts"),
    [
        (event("AlertChanged", **{**ALERT, "kind": "drift"}), True),
        (event("AlertChanged", **{**ALERT, "kind": "drift", "state": "OK"}), False),
        (event("AlertChanged", **ALERT), False),
        (event("RetrainingRequested", schema_version=1, model_id=ALERT["model_id"], model="sentiment", at=1), True),
        (event("LineupChanged", model="sentiment"), False),
        ({**event("AlertChanged", **{**ALERT, "kind": "drift"}), "source": "aws.s3"}, False),
    ],
    ids=["drift", "drift is over", "latency", "a wish", "promotion", "another's"],
)
def test_drift_and_wishes_start_a_retraining_and_nothing_else(rule: str, sent: dict[str, Any], starts: bool) -> None:
    pattern = reader.read()["Resources"][rule]["Properties"]["EventPattern"]
    assert EventPattern.load(json.dumps(pattern)).matches_event(cast(Any, sent)) is starts


def test_nothing_of_it_exists_unless_it_is_asked_for() -> None:
    template = reader.read()
    for name, resource in template["Resources"].items():
        if name.startswith("Retrain"):
            assert name in CONDITIONS[resource["Condition"]], name
    asked = {"RetrainByBuild": "RetrainRepository", "RetrainByDispatch": "RetrainGitHubRepository"}
    for condition, parameter in asked.items():
        assert template["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]}
        assert template["Parameters"][parameter]["Default"] == ""
    assert template["Parameters"]["RetrainModel"]["Default"] == ""


def test_targets_are_told_the_model() -> None:
    """The input transformer, as EventBridge fills it in: a text comes with its quotes."""
    for rule in ("RetrainOnDrift", "RetrainOnGitHub"):
        [target] = reader.read()["Resources"][rule]["Properties"]["Targets"]
        assert target["InputTransformer"]["InputPathsMap"] == {"model": "$.detail.model"}
        assert '"a model"' in json.dumps(
            json.loads(target["InputTransformer"]["InputTemplate"].replace("<model>", '"a model"'))
        )


def test_the_build_runs_a_command_that_exists() -> None:
    from cli.main import main  # noqa: PLC0415

    spec = reader.read()["Resources"]["RetrainBuild"]["Properties"]["Source"]["BuildSpec"]
    [line] = [line for line in spec.splitlines() if "zeroloop retrain" in line]
    options = {word for option in main.commands["retrain"].params for word in option.opts}
    assert {word for word in line.split() if word.startswith("--")} <= options


def test_the_workflow_listens_to_what_is_dispatched() -> None:
    workflow = Path(reader.PROJECT / ".github/workflows/retrain.yml").read_text()
    [target] = reader.read()["Resources"]["RetrainOnGitHub"]["Properties"]["Targets"]
    sent = json.loads(target["InputTransformer"]["InputTemplate"].replace("<model>", '"m"'))
    assert f"types: [{sent['event_type']}]" in workflow
    assert "github.event.client_payload.model" in workflow
