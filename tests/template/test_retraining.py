"""What starts a retraining: the rule's pattern, by the events that the monitor sends, and what the build may do."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from moto.events.models import EventPattern

from cli import account
from cli.local.home import Home
from tests.template import reader

CONTRACTS = reader.PROJECT / "docs/contracts"
ALERT = json.loads((CONTRACTS / "alert.schema.json").read_text())["examples"][0]
CONDITIONS = {
    "RetrainByBuild": {"RetrainBuild", "RetrainBuildRole", "RetrainLogGroup", "RetrainOnDrift", "RetrainStartRole"},
    "RetrainByDispatch": {"RetrainConnection", "RetrainDispatch", "RetrainDispatchRole", "RetrainOnGitHub"},
    "Retrains": {"RetrainFailures", "RetrainFailuresPolicy", "RetrainFailuresWaiting"},
}


def resource(name: str) -> dict[str, Any]:
    return dict(reader.read()["Resources"][name]["Properties"])


def filled(text: str, **values: str) -> str:
    """A `Fn::Sub`, as CloudFormation fills it in."""
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    assert "${" not in text
    return text


def event(detail_type: str, /, **detail: Any) -> dict[str, Any]:
    return {"source": "zeroloop", "detail-type": detail_type, "detail": detail}


@pytest.mark.parametrize("rule", ["RetrainOnDrift", "RetrainOnGitHub"])
@pytest.mark.parametrize(
    ("sent", "starts"),
    [
        (event("AlertChanged", **{**ALERT, "kind": "drift"}), True),
        (event("AlertChanged", **{**ALERT, "kind": "drift", "state": "OK"}), False),
        (event("AlertChanged", **ALERT), False),
        (event("AlertChanged", **{**ALERT, "kind": "drift", "model": "machine"}), False),
        (event("RetrainingRequested", schema_version=1, model_id=ALERT["model_id"], model="sentiment", at=1), True),
        (event("RetrainingRequested", schema_version=1, model_id=ALERT["model_id"], model="machine", at=1), False),
        (event("LineupChanged", model="sentiment"), False),
        ({**event("AlertChanged", **{**ALERT, "kind": "drift"}), "source": "aws.s3"}, False),
    ],
    ids=[
        "drift", "drift is over", "latency", "another model's drift", "a wish", "a wish for another", "promotion",
        "another's",
    ],
)  # fmt: skip
def test_drift_of_the_model_and_wishes_for_it_start_a_retraining_and_nothing_else(
    rule: str, sent: dict[str, Any], starts: bool
) -> None:
    pattern = resource(rule)["EventPattern"]
    assert pattern["detail"]["model"] == [{"Ref": "RetrainModel"}]
    pattern["detail"]["model"] = ["sentiment"]
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
    assert template["Conditions"]["Retrains"] == {"Fn::Or": [{"Condition": condition} for condition in asked]}
    assert template["Parameters"]["RetrainModel"]["Default"] == ""


def test_a_retraining_is_of_the_model_that_a_parameter_names() -> None:
    asked = reader.read()["Rules"]["RetrainingIsOfAModel"]
    none = [{"Fn::Equals": [{"Ref": name}, ""]} for name in ("RetrainRepository", "RetrainGitHubRepository")]
    assert asked["RuleCondition"] == {"Fn::Not": [{"Fn::And": none}]}
    [needed] = asked["Assertions"]
    assert needed["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "RetrainModel"}, ""]}]}
    variables = {one["Name"]: one["Value"] for one in resource("RetrainBuild")["Environment"]["EnvironmentVariables"]}
    assert variables["MODEL"] == {"Ref": "RetrainModel"}


def test_either_way_has_its_schedule_and_no_start_is_lost_to_one_under_way() -> None:
    on_time = {"Fn::If": ["RetrainOnTime", {"Ref": "RetrainRate"}, {"Ref": "AWS::NoValue"}]}
    for rule in ("RetrainOnDrift", "RetrainOnGitHub"):
        assert resource(rule)["ScheduleExpression"] == on_time
        [target] = resource(rule)["Targets"]
        assert not {"InputTransformer", "InputPath"} & target.keys()  # a schedule's event has no model
        assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["RetrainFailures", "Arn"]}}
    [build] = resource("RetrainOnDrift")["Targets"]
    assert build["Input"] == "{}"  # an alert's own fields would be taken for overrides of the build
    [statement] = resource("RetrainFailuresPolicy")["PolicyDocument"]["Statement"]
    rules = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert [one["Fn::If"][1] for one in rules] == [
        {"Fn::GetAtt": [rule, "Arn"]} for rule in ("RetrainOnDrift", "RetrainOnGitHub")
    ]
    assert reader.read()["Parameters"]["RetrainRate"]["Default"] == ""
    assert "ConcurrentBuildLimit" not in resource("RetrainBuild")  # it refuses, and doesn't queue


def test_the_build_may_look_its_stack_up_as_the_command_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command asks by name: IAM authorizes that as `stack/NAME/*`, and not by the stack's id."""
    asked: list[str] = []

    class CloudFormation:
        def describe_stacks(self, StackName: str) -> Any:  # noqa: N803 - boto's word
            asked.append(StackName)
            return {"Stacks": [{"Outputs": [{"OutputKey": "ApiUrl", "OutputValue": "https://x"}]}]}

    monkeypatch.setattr(account, "client", lambda _service: CloudFormation())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.setenv(name, "eu-west-1")  # and back to what it was: the command sets the region
    account.find("zeroloop", Home(tmp_path))
    statements = resource("RetrainBuildRole")["Policies"][0]["PolicyDocument"]["Statement"]
    [allowed] = [one["Resource"] for one in statements if one["Action"] == "cloudformation:DescribeStacks"]
    at = {"AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "1", "AWS::StackName": "zeroloop"}
    assert asked == ["zeroloop"]
    assert filled(allowed["Fn::Sub"], **at) == f"arn:aws:cloudformation:eu-west-1:1:stack/{asked[0]}/*"
    spec = resource("RetrainBuild")["Source"]["BuildSpec"]
    variables = {one["Name"]: one["Value"] for one in resource("RetrainBuild")["Environment"]["EnvironmentVariables"]}
    assert ('--stack "$STACK"' in spec, variables["STACK"]) == (True, {"Ref": "AWS::StackName"})


def test_the_build_runs_a_command_that_exists() -> None:
    from cli.main import main  # noqa: PLC0415

    spec = reader.read()["Resources"]["RetrainBuild"]["Properties"]["Source"]["BuildSpec"]
    [line] = [line for line in spec.splitlines() if "zeroloop retrain" in line]
    options = {word for option in main.commands["retrain"].params for word in option.opts}
    assert {word for word in line.split() if word.startswith("--")} <= options


def test_the_workflow_listens_to_what_is_dispatched() -> None:
    workflow = (reader.PROJECT / ".github/workflows/retrain.yml").read_text()
    [target] = resource("RetrainOnGitHub")["Targets"]
    given = {"RetrainModel": "m", "RetrainProjectFolder": "examples/m", "RetrainWindow": "7d"}
    sent = json.loads(filled(target["Input"]["Fn::Sub"], **given))
    assert f"types: [{sent['event_type']}]" in workflow
    assert sent["client_payload"] == {"model": "m", "project": "examples/m", "window": "7d"}
    [run] = [line for line in workflow.splitlines() if "zeroloop retrain" in line and "run:" in line]
    for name in sent["client_payload"]:
        assert f"{name.upper()}: ${{{{ github.event.client_payload.{name} || inputs.{name} }}}}" in workflow
        assert f'"${name.upper()}"' in run
    assert "examples/" not in workflow
