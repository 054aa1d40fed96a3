import copy
import tomllib
from collections.abc import Callable
from typing import Any

import pytest

from tests.template import reader, rules
from tests.template.reader import Template

Rule = Callable[[Template], list[str]]


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_the_template_obeys(rule: Rule) -> None:
    assert rule(reader.read()) == []


def delete(*path: Any) -> Callable[[Template], None]:
    def change(template: Template) -> None:
        *parents, last = path
        del _at(template, parents)[last]

    return change


def put(value: Any, *path: Any) -> Callable[[Template], None]:
    def change(template: Template) -> None:
        *parents, last = path
        _at(template, parents)[last] = copy.deepcopy(value)

    return change


def _at(node: Any, path: list[Any]) -> Any:
    for step in path:
        node = node[step]
    return node


def _resource(name: str, *path: Any) -> tuple[Any, ...]:
    return ("Resources", name, "Properties", *path)


_STATEMENT = _resource("PredictRole", "Policies", 0, "PolicyDocument", "Statement", 1)
_POLICY = _resource("ArtifactsBucketPolicy", "PolicyDocument", "Statement")
_DIMENSION = [{"Name": "FunctionName", "Value": {"Ref": "PredictFunction"}}]
_NAT = {"Type": "AWS::EC2::NatGateway", "Properties": {}}
_SECRET = {"Type": "AWS::SecretsManager::Secret", "Properties": {}}
_ELEVEN_METRICS = [{"Id": f"m{number}"} for number in range(11)]  # beside those of the other alarms

BREAKS = [
    (rules.functions_are_described, delete(*_resource("PredictFunction", "Description"))),
    (rules.functions_publish_every_change, delete(*_resource("PredictFunction", "AutoPublishAliasAllProperties"))),
    (rules.functions_publish_every_change, delete(*_resource("CoreLayer", "PublishLambdaVersion"))),
    (rules.each_function_has_a_role_of_its_own, delete(*_resource("PredictFunction", "Role"))),
    (
        rules.each_function_has_a_role_of_its_own,
        put({"Fn::GetAtt": ["RegistryRole", "Arn"]}, *_resource("PredictFunction", "Role")),
    ),
    (
        rules.each_function_has_a_role_of_its_own,
        put(["arn:aws:iam::aws:policy/AmazonS3FullAccess"], *_resource("PredictRole", "ManagedPolicyArns")),
    ),
    (
        rules.roles_are_for_the_service_that_runs_them_only,
        put({"AWS": "*"}, *_resource("PredictRole", "AssumeRolePolicyDocument", "Statement", 0, "Principal")),
    ),
    (
        rules.roles_are_for_the_service_that_runs_them_only,
        put({"Ref": "BatchRole"}, *_resource("BatchStateMachine", "RoleArn")),
    ),
    (
        rules.roles_are_for_the_service_that_runs_them_only,
        put({"Ref": "BatchRole"}, *_resource("AbTestSchedule", "Target", "RoleArn")),
    ),
    (rules.roles_allow_only_named_actions_on_named_things, put("dynamodb:*", *_STATEMENT, "Action")),
    (rules.roles_allow_only_named_actions_on_named_things, put("*", *_STATEMENT, "Resource")),
    (
        rules.roles_allow_only_named_actions_on_named_things,
        put({"Fn::Sub": "arn:aws:states:${AWS::Region}:*:execution:${AWS::StackName}-batch*"}, *_STATEMENT, "Resource"),
    ),
    (
        rules.roles_allow_only_named_actions_on_named_things,
        put({"Fn::Sub": "arn:${AWS::Partition}:s3:::*/models/*"}, *_STATEMENT, "Resource"),
    ),
    (
        rules.roles_allow_only_named_actions_on_named_things,
        put(
            ["cloudwatch:GetMetricStatistics", "cloudwatch:PutMetricData"],
            *_resource("MonitorRole", "Policies", 0, "PolicyDocument", "Statement", 7, "Action"),
        ),
    ),
    (
        rules.roles_are_for_the_service_that_runs_them_only,
        put({"Fn::GetAtt": ["MonitorRole", "Arn"]}, *_resource("MonitorMinutes", "Target", "RoleArn")),
    ),
    (
        rules.roles_are_for_the_service_that_runs_them_only,
        put({"Fn::GetAtt": ["MonitorRole", "Arn"]}, *_resource("RetrainBuild", "ServiceRole")),
    ),
    (
        rules.roles_allow_only_named_actions_on_named_things,
        put(
            {"Fn::Sub": "arn:aws:execute-api:eu-west-1:1:${Api}/*/POST/models/*/promote"},
            *_resource("RetrainBuildRole", "Policies", 0, "PolicyDocument", "Statement", 5, "Resource", 0),
        ),
    ),
    (rules.functions_log_to_their_own_kept_group, delete(*_resource("PredictLogGroup", "RetentionInDays"))),
    (rules.functions_log_to_their_own_kept_group, delete(*_resource("PredictFunction", "LoggingConfig"))),
    (
        rules.functions_log_to_their_own_kept_group,
        put({"Ref": "RegistryLogGroup"}, *_resource("PredictFunction", "LoggingConfig", "LogGroup")),
    ),
    (rules.functions_raise_an_alarm_on_errors, delete("Resources", "MonitorErrors")),
    (rules.functions_raise_an_alarm_on_errors, put(_DIMENSION, *_resource("BatchErrors", "Dimensions"))),
    (rules.functions_raise_an_alarm_on_errors, delete("Resources", "ApiErrors")),
    (rules.asynchronous_functions_lose_nothing, delete(*_resource("AdmissionFunction", "EventInvokeConfig"))),
    (
        rules.asynchronous_functions_lose_nothing,
        delete(*_resource("AdmissionFunction", "EventInvokeConfig", "DestinationConfig")),
    ),
    (rules.asynchronous_functions_lose_nothing, delete("Resources", "PredictIntegration")),
    (rules.failure_queues_are_watched_and_kept, delete("Resources", "AdmissionFailuresWaiting")),
    (rules.failure_queues_are_watched_and_kept, delete(*_resource("AdmissionFailures", "SqsManagedSseEnabled"))),
    (rules.failure_queues_are_watched_and_kept, delete(*_resource("AdmissionFailures", "MessageRetentionPeriod"))),
    (rules.data_outlives_the_stack, delete("Resources", "RegistryTable", "DeletionPolicy")),
    (rules.data_outlives_the_stack, put("Delete", "Resources", "DataBucket", "UpdateReplacePolicy")),
    (rules.tables_are_safe_and_on_demand, delete(*_resource("RegistryTable", "PointInTimeRecoverySpecification"))),
    (rules.tables_are_safe_and_on_demand, put("PROVISIONED", *_resource("RegistryTable", "BillingMode"))),
    (
        rules.tables_are_safe_and_on_demand,
        put({"SSEEnabled": True, "KMSMasterKeyId": "x"}, *_resource("RegistryTable", "SSESpecification")),
    ),
    (rules.buckets_are_private_encrypted_and_versioned, delete(*_resource("DataBucket", "BucketEncryption"))),
    (
        rules.buckets_are_private_encrypted_and_versioned,
        put(False, *_resource("DataBucket", "PublicAccessBlockConfiguration", "BlockPublicPolicy")),
    ),
    (rules.buckets_refuse_plain_http, delete("Resources", "DataBucketPolicy")),
    (rules.packages_are_written_once, delete(*_POLICY, 1)),
    (rules.packages_are_written_once, delete(*_POLICY, 2, "Condition")),
    (rules.packages_are_written_once, put("Allow", *_POLICY, 2, "Effect")),
    (rules.routes_are_authorized_by_the_parameter, put("NONE", *_resource("PredictRoute", "AuthorizationType"))),
    (rules.routes_are_authorized_by_the_parameter, put("NONE", "Parameters", "ApiAuthorization", "Default")),
    (rules.nothing_is_billed_by_the_hour, put(_NAT, "Resources", "Nat")),
    (rules.nothing_is_billed_by_the_hour, put(1, "Parameters", "ProvisionedConcurrency", "Default")),
    (rules.the_idle_stack_costs_at_most_a_dollar, put(_SECRET, "Resources", "Another")),
    (rules.the_idle_stack_costs_at_most_a_dollar, put(_ELEVEN_METRICS, *_resource("ApiErrors", "Metrics"))),
    (
        rules.environments_are_the_settings,
        delete(*_resource("PredictFunction", "Environment", "Variables", "REGISTRY_TABLE")),
    ),
    (
        rules.environments_are_the_settings,
        put("x", *_resource("PredictFunction", "Environment", "Variables", "FORGOTTEN")),
    ),
    (rules.one_word_names_everything, put("functions/other", *_resource("PredictFunction", "CodeUri"))),
    (rules.one_word_names_everything, put("fixed-name", *_resource("PredictFunction", "FunctionName"))),
    (
        rules.the_readme_has_a_row_for_each,
        put({"Type": "AWS::Serverless::Function", "Properties": {}}, "Resources", "UndocumentedFunction"),
    ),
    (rules.snapstart_and_provisioned_concurrency_exclude_each_other, delete("Rules", "OneWayToStartWarm")),
    (
        rules.inference_and_stats_are_never_together,
        put([{"Ref": "InferenceLayer"}, {"Ref": "StatsLayer"}], *_resource("PredictFunction", "Layers")),
    ),
]


@pytest.mark.parametrize(
    ("rule", "change"), BREAKS, ids=[f"{number}-{rule.__name__}" for number, (rule, _) in enumerate(BREAKS)]
)
def test_a_deliberate_break_is_caught(rule: Rule, change: Callable[[Template], None]) -> None:
    template = reader.read()
    before = rule(template)

    change(template)

    assert set(rule(template)) - set(before)


def test_every_rule_has_a_break() -> None:
    assert {rule for rule, _ in BREAKS} == set(rules.RULES)


def test_only_the_local_environment_is_open_to_all() -> None:
    environments = tomllib.loads((reader.PROJECT / "samconfig.toml").read_text())
    del environments["version"]

    open_to_all = {name for name, commands in environments.items() if "ApiAuthorization=NONE" in str(commands)}

    assert open_to_all == {"local"}
    assert {"local", "staging", "production"} <= set(environments)


def test_the_idle_price_is_itemised() -> None:
    items = rules.idle_items(reader.read())

    assert set(items) == {"secrets", "alarms", "objects", "items", "schedules", "log lines"}
    assert items["secrets"] == pytest.approx(0.40)
    assert items["alarms"] == 0
    assert items["objects"] == pytest.approx(2 * 2.0 * 0.023)


LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}
# Distributed Map's, as the Step Functions Developer Guide lists them for an ItemReader, children and a ResultWriter.
STATES = {
    "lambda:InvokeFunction", "s3:AbortMultipartUpload", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:PutObject",
    "states:DescribeExecution", "states:StartExecution", "states:StopExecution",
}  # fmt: skip
ACTIONS = {
    "PredictRole": {"dynamodb:GetItem", "s3:GetObject", "s3:ListBucket", "secretsmanager:GetSecretValue"},
    "ExplainRole": {"dynamodb:GetItem", "s3:GetObject", "s3:ListBucket"},
    "IngestRole": {
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "s3:GetObject", "s3:ListBucket", "s3:PutObject",
        "sqs:SendMessage",
    },
    "FeedbackRole": {
        "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "s3:GetObject",
        "s3:ListBucket", "secretsmanager:GetSecretValue",
    },
    "AbTestRole": {
        "dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query",
        "dynamodb:UpdateItem", "secretsmanager:GetSecretValue",
    },
    "RegistryRole": {
        "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
        "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem", "lambda:InvokeFunction",
        "s3:GetObject", "s3:ListBucket", "s3:PutObject",
    },
    "TrackerRole": {
        "dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
        "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject",
    },
    "BatchRole": {
        "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "s3:GetObject",
        "s3:GetObjectVersion", "s3:ListBucket", "s3:PutObject", "sqs:SendMessage", "states:StartExecution",
        "states:StopExecution",
    },
    "MonitorRole": {
        "cloudwatch:GetMetricStatistics", "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem",
        "dynamodb:Query", "dynamodb:UpdateItem", "events:PutEvents", "s3:GetObject", "s3:ListBucket",
        "sns:Publish",
    },
    "AdmissionRole": {
        "dynamodb:GetItem", "dynamodb:UpdateItem", "s3:GetObject", "s3:ListBucket", "s3:PutObject", "sqs:SendMessage",
    },
}  # fmt: skip


def test_each_role_has_exactly_the_actions_that_its_code_uses() -> None:
    """Each of these is seen in use by the e2e tests that run with policies enforced; no other is allowed."""
    given = {
        name: {action for policy in role["Policies"] for action in _actions(policy["PolicyDocument"]["Statement"])}
        for name, role in reader.of_type(reader.read(), "AWS::IAM::Role").items()
    }
    assert given == {
        "BatchStateMachineRole": STATES,
        "AbTestScheduleRole": {"lambda:InvokeFunction"},
        "MonitorSchedulesRole": {"lambda:InvokeFunction"},
        "RetrainStartRole": {"codebuild:StartBuild"},
        "RetrainDispatchRole": {"events:InvokeApiDestination"},
        "RetrainBuildRole": {
            "cloudformation:DescribeStacks",
            "dynamodb:GetItem",
            "execute-api:Invoke",
            "s3:GetObject",
            "s3:ListBucket",
            *LOGS,
        },
        **{name: actions | LOGS for name, actions in ACTIONS.items()},
    }


def test_who_reads_packages_may_learn_that_a_file_is_gone() -> None:
    """Without it S3 says 403 of what isn't there, and predict "try again" of a package that is corrupt."""
    for name, role in reader.of_type(reader.read(), "AWS::IAM::Role").items():
        statements = [one for policy in role["Policies"] for one in policy["PolicyDocument"]["Statement"]]
        reads = {"Fn::Sub": "${ArtifactsBucket.Arn}/models/*"}
        if any(one.get("Resource") == reads and "s3:GetObject" in one["Action"] for one in statements):
            listed = {"Fn::GetAtt": ["ArtifactsBucket", "Arn"]}
            assert any(one["Action"] == "s3:ListBucket" and one["Resource"] == listed for one in statements), name


def _actions(statements: list[dict[str, Any]]) -> set[str]:
    listed = [statement["Action"] for statement in statements]
    return {action for some in listed for action in ([some] if isinstance(some, str) else some)}
