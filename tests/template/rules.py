"""The rules that the template obeys. Each takes a template and tells what is wrong with it, in sentences."""

import ast
import re
import tomllib
from collections.abc import Iterator
from typing import Any

from tests.template.reader import PROJECT, Template, functions, of_type, referred, word

# Nothing here is billed by the hour or the month for merely being there, but for what `idle_items` prices.
FREE_WHILE_IDLE = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::CodeBuild::Project",  # by the minute that it builds
    "AWS::DynamoDB::Table",
    "AWS::Events::ApiDestination",
    "AWS::Events::Connection",  # its secret's storage is in the price of an API destination's calls
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::Lambda::Permission",
    "AWS::Logs::LogGroup",
    "AWS::Logs::SubscriptionFilter",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::Scheduler::Schedule",
    "AWS::SQS::Queue",
    "AWS::SQS::QueuePolicy",
    "AWS::SecretsManager::Secret",
    "AWS::Serverless::Function",
    "AWS::Serverless::LayerVersion",
    "AWS::StepFunctions::StateMachine",
}

# One bucket's objects, all or below a prefix; the executions of one state machine; routes of the API by their method;
# the stack, which is one whatever its UUID.
_LAWFUL_STARS = re.compile(
    r"^((\$\{\w+\.Arn\}/([\w/]+/)?|arn:.*:execution:\$\{AWS::StackName\}-\w+:)\*"
    r"|arn:[^*]*:\$\{Api\}/\*/(GET|POST)/models/\*(/versions(/\*/(complete|evaluation))?)?"
    r"|arn:[^*]*:stack/\$\{AWS::StackName\}/\*)$"
)

# Its only resource is everything: metrics have no ARNs.
_WITHOUT_ARNS = ["cloudwatch:GetMetricStatistics"]


def functions_are_described(template: Template) -> list[str]:
    return [
        f"{name} has no Description"
        for name, function in functions(template).items()
        if not function.get("Description")
    ]


def functions_publish_every_change(template: Template) -> list[str]:
    """Without AllProperties a new layer reaches no version, and so not the alias that serves."""
    shared = template["Globals"]["Function"]
    return [
        f"{name} needs AutoPublishAlias and AutoPublishAliasAllProperties"
        for name, function in functions(template).items()
        if not (shared | function).get("AutoPublishAlias") or not function.get("AutoPublishAliasAllProperties")
    ] + [
        f"{name} needs PublishLambdaVersion"
        for name, layer in of_type(template, "AWS::Serverless::LayerVersion").items()
        if not layer.get("PublishLambdaVersion")
    ]


def each_function_has_a_role_of_its_own(template: Template) -> list[str]:
    roles = of_type(template, "AWS::IAM::Role")
    wrong = []
    for name, function in functions(template).items():
        role = referred(function.get("Role"))
        if role != name.replace("Function", "Role") or role not in roles:
            wrong.append(f"{name} has not a role of its own name")
        elif roles[role].get("ManagedPolicyArns") or "Policies" in function:
            wrong.append(f"{name} has policies besides its role's own")
    return wrong


def roles_are_for_the_service_that_runs_them_only(template: Template) -> list[str]:
    machines = of_type(template, "AWS::StepFunctions::StateMachine").values()
    schedules = of_type(template, "AWS::Scheduler::Schedule").values()
    runs = {referred(machine["RoleArn"]): "states" for machine in machines}
    runs |= {referred(schedule["Target"]["RoleArn"]): "scheduler" for schedule in schedules}
    builds = of_type(template, "AWS::CodeBuild::Project").values()
    runs |= {referred(build["ServiceRole"]): "codebuild" for build in builds}
    targets = [one for rule in of_type(template, "AWS::Events::Rule").values() for one in rule["Targets"]]
    runs |= {referred(target["RoleArn"]): "events" for target in targets if "RoleArn" in target}
    return [
        f"{name} can be assumed by others than {service}"
        for name, role in of_type(template, "AWS::IAM::Role").items()
        for service in [f"{runs.get(name, 'lambda')}.amazonaws.com"]
        if [one["Principal"] for one in role["AssumeRolePolicyDocument"]["Statement"]] != [{"Service": service}]
    ]


def roles_allow_only_named_actions_on_named_things(template: Template) -> list[str]:
    """`*` may end a prefix of objects in one bucket; it may not stand for an action, a service or an account."""
    return [
        f"{role} allows {part!r}"
        for role, statement in _statements(template)
        for part in [*_listed(statement["Action"]), *map(_text, _listed(statement["Resource"]))]
        if "*" in part and not _LAWFUL_STARS.match(part) and _listed(statement["Action"]) != _WITHOUT_ARNS
    ]


def functions_log_to_their_own_kept_group(template: Template) -> list[str]:
    groups = of_type(template, "AWS::Logs::LogGroup")
    wrong = [f"{name} has no retention" for name, group in groups.items() if not group.get("RetentionInDays")]
    for name, function in functions(template).items():
        group = referred(function.get("LoggingConfig", {}).get("LogGroup"))
        if group is None or group not in groups:
            wrong.append(f"{name} has no log group in the template")
            continue
        expected = function["FunctionName"]["Fn::Sub"]
        if groups[group]["LogGroupName"] != {"Fn::Sub": f"/aws/lambda/{expected}"}:
            wrong.append(f"{group} is not named for {name}")
        if _log_targets(template, referred(function["Role"])) != {group}:
            wrong.append(f"{name} may not write to {group}, or may write to others")
    return wrong


def functions_raise_an_alarm_on_errors(template: Template) -> list[str]:
    """One that no route leads to is watched by its queue: what a second try mends needs nobody.

    One that only routes lead to may leave it to the API's alarm: its failures are the API's 5xx.
    """
    watched = {_dimension(alarm, "FunctionName") for alarm in _alarms(template, "AWS/Lambda", "Errors")}
    apis = _alarms(template, "AWS/ApiGateway", "5xx")
    return [
        f"{name} has no alarm on Errors"
        for name, function in functions(template).items()
        if name not in watched
        and not (_failure_queue(function) and name not in _routed(template))
        and not (apis and name in _routed(template) - _called_otherwise(template))
    ]


def asynchronous_functions_lose_nothing(template: Template) -> list[str]:
    """A function that no route leads to is called asynchronously."""
    routed, wrong = _routed(template), []
    for name, function in functions(template).items():
        settings = function.get("EventInvokeConfig", {})
        if name in routed:
            continue
        if "MaximumRetryAttempts" not in settings:
            wrong.append(f"{name} doesn't say how often it is tried again")
        if _failure_queue(function) not in of_type(template, "AWS::SQS::Queue"):
            wrong.append(f"{name} has no OnFailure queue")
    return wrong


def failure_queues_are_watched_and_kept(template: Template) -> list[str]:
    watched = {
        _dimension(alarm, "QueueName") for alarm in _alarms(template, "AWS/SQS", "ApproximateNumberOfMessagesVisible")
    }
    wrong = []
    for name, queue in of_type(template, "AWS::SQS::Queue").items():
        if name not in watched:
            wrong.append(f"{name} has no alarm")
        if queue.get("MessageRetentionPeriod") != 14 * 86_400:
            wrong.append(f"{name} keeps messages for less than 14 days")
        if not queue.get("SqsManagedSseEnabled"):
            wrong.append(f"{name} is not encrypted")
    return wrong


def data_outlives_the_stack(template: Template) -> list[str]:
    return [
        f"{name} has no {policy}: Retain"
        for name, body in template["Resources"].items()
        if body["Type"] in {"AWS::DynamoDB::Table", "AWS::S3::Bucket"}
        for policy in ("DeletionPolicy", "UpdateReplacePolicy")
        if body.get(policy) != "Retain"
    ]


def tables_are_safe_and_on_demand(template: Template) -> list[str]:
    wanted = {
        "BillingMode": "PAY_PER_REQUEST",
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": False},  # the key that AWS owns: encrypted, and not billed
    }
    return [
        f"{name} needs {key}: {value}"
        for name, table in of_type(template, "AWS::DynamoDB::Table").items()
        for key, value in wanted.items()
        if table.get(key) != value
    ]


def buckets_are_private_encrypted_and_versioned(template: Template) -> list[str]:
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    wanted = {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "PublicAccessBlockConfiguration": dict.fromkeys(blocks, True),
        "VersioningConfiguration": {"Status": "Enabled"},
    }
    return [
        f"{name} needs {key}: {value}"
        for name, bucket in of_type(template, "AWS::S3::Bucket").items()
        for key, value in wanted.items()
        if bucket.get(key) != value
    ]


def buckets_refuse_plain_http(template: Template) -> list[str]:
    return [
        f"{name} takes requests without TLS"
        for name in of_type(template, "AWS::S3::Bucket")
        if not any(
            _denies_everyone(statement, "s3:*") and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for statement in _bucket_policy(template, name)
        )
    ]


def packages_are_written_once(template: Template) -> list[str]:
    denied = [
        (statement["Action"], statement.get("Condition"))
        for statement in _bucket_policy(template, "ArtifactsBucket")
        if statement["Effect"] == "Deny"
        and statement["Principal"] == "*"
        and statement["Resource"] == {"Fn::Sub": "${ArtifactsBucket.Arn}/models/*"}
    ]
    wanted: list[tuple[Any, Any]] = [
        (["s3:DeleteObject", "s3:DeleteObjectVersion"], None),
        ("s3:PutObject", {"Null": {"s3:if-none-match": "true"}}),
    ]
    return [f"models/* doesn't deny {action} to everyone" for action, when in wanted if (action, when) not in denied]


def routes_are_authorized_by_the_parameter(template: Template) -> list[str]:
    wrong = [
        f"{name} is not authorized by ApiAuthorization"
        for name, route in of_type(template, "AWS::ApiGatewayV2::Route").items()
        if route["AuthorizationType"] != {"Ref": "ApiAuthorization"} and not route["RouteKey"].startswith("OPTIONS ")
    ]
    if template["Parameters"]["ApiAuthorization"]["Default"] != "AWS_IAM":
        wrong.append("ApiAuthorization is not AWS_IAM by default")
    return wrong


def nothing_is_billed_by_the_hour(template: Template) -> list[str]:
    defaults = {"SnapStart": "false", "ProvisionedConcurrency": 0}
    wrong = [
        f"{name}: is {body['Type']} free while idle?"
        for name, body in template["Resources"].items()
        if body["Type"] not in FREE_WHILE_IDLE
    ]
    return wrong + [
        f"{name} is billed by the hour and not off by default"
        for name, off in defaults.items()
        if template["Parameters"][name]["Default"] != off
    ]


def idle_items(template: Template) -> dict[str, float]:
    """What a month of the idle stack costs, in USD, by item."""
    prices = tomllib.loads((PROJECT / "tests/template/prices.toml").read_text())
    price, held = prices["a_month"], prices["held_gigabytes"]
    schedules = of_type(template, "AWS::Scheduler::Schedule").values()
    buckets, tables, groups = (
        len(of_type(template, kind)) for kind in ("AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::Logs::LogGroup")
    )
    return {
        "secrets": len(of_type(template, "AWS::SecretsManager::Secret")) * price["secret"],
        "alarms": max(0, _alarm_metrics(template) - price["free_alarm_metrics"]) * price["alarm_metric"],
        "objects": buckets * held["each_bucket"] * price["bucket_gigabyte"],
        "items": tables * held["each_table"] * (price["table_gigabyte"] + price["recovery_gigabyte"]),
        "schedules": sum(_runs_a_month(template, schedule) for schedule in schedules) * price["watch"],
        "log lines": groups * held["each_log_group"] * price["log_gigabyte"],
    }


def _runs_a_month(template: Template, schedule: dict[str, Any]) -> float:
    expression = schedule["ScheduleExpression"]
    if name := referred(expression):
        expression = template["Parameters"][name]["Default"]
    found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    assert found, f"{expression} is none of the rates that are priced"
    return 43_800 / (int(found[1]) * {"minute": 1, "hour": 60, "day": 1440}[found[2]])


def the_idle_stack_costs_at_most_a_dollar(template: Template) -> list[str]:
    items = idle_items(template)
    listed = ", ".join(f"{name} {cost:.2f}" for name, cost in items.items())
    wrong = [f"a month idle costs {sum(items.values()):.2f} USD: {listed}"] if sum(items.values()) > 1 else []
    if (metrics := _alarm_metrics(template)) > 11:  # ten are free of charge, the eleventh is the monitor's own
        wrong.append(f"{metrics} alarm metrics")
    if (secrets := len(of_type(template, "AWS::SecretsManager::Secret"))) > 1:
        wrong.append(f"{secrets} secrets")
    return wrong


def environments_are_the_settings(template: Template) -> list[str]:
    wrong = []
    for name, function in functions(template).items():
        given = set(function["Environment"]["Variables"])
        required, optional = _settings(word(name))
        if missing := required - given:
            wrong.append(f"{name} lacks {sorted(missing)}")
        if unread := given - required - optional:
            wrong.append(f"{name} sets {sorted(unread)}, which nothing reads")
    return wrong


def one_word_names_everything(template: Template) -> list[str]:
    """Of a function: its folder, its events, its code's place, its name on AWS."""
    wrong = []
    for name, function in functions(template).items():
        own = word(name)
        if function["CodeUri"] != f"functions/{own}" or not (PROJECT / "functions" / own / "app.py").exists():
            wrong.append(f"{name}: no functions/{own}/app.py")
        if function["FunctionName"] != {"Fn::Sub": f"${{AWS::StackName}}-{own}"}:
            wrong.append(f"{name} is not called {own} on AWS")
        if not list((PROJECT / "events" / own).glob("*.json")):
            wrong.append(f"{name}: no events/{own}/*.json")
    return wrong


def the_readme_has_a_row_for_each(template: Template) -> list[str]:
    readme = (PROJECT / "README.md").read_text()
    return [f"{name}: no row in the README" for name in functions(template) if f"functions/{word(name)}" not in readme]


def snapstart_and_provisioned_concurrency_exclude_each_other(template: Template) -> list[str]:
    wanted = {
        "RuleCondition": {"Fn::Equals": [{"Ref": "SnapStart"}, "true"]},
        "Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "ProvisionedConcurrency"}, "0"]}}],
    }
    stated = [
        {**rule, "Assertions": [{"Assert": assertion["Assert"]} for assertion in rule["Assertions"]]}
        for rule in template["Rules"].values()
    ]
    return [] if wanted in stated else ["no rule refuses SnapStart together with provisioned concurrency"]


def inference_and_stats_are_never_together(template: Template) -> list[str]:
    heavy = {"InferenceLayer", "StatsLayer"}
    return [
        f"{name} has both {sorted(heavy)}: no room is left in 250 MB"
        for name, function in functions(template).items()
        if heavy <= {referred(layer) for layer in function["Layers"]}
    ]


RULES = [
    functions_are_described,
    functions_publish_every_change,
    each_function_has_a_role_of_its_own,
    roles_are_for_the_service_that_runs_them_only,
    roles_allow_only_named_actions_on_named_things,
    functions_log_to_their_own_kept_group,
    functions_raise_an_alarm_on_errors,
    asynchronous_functions_lose_nothing,
    failure_queues_are_watched_and_kept,
    data_outlives_the_stack,
    tables_are_safe_and_on_demand,
    buckets_are_private_encrypted_and_versioned,
    buckets_refuse_plain_http,
    packages_are_written_once,
    routes_are_authorized_by_the_parameter,
    nothing_is_billed_by_the_hour,
    the_idle_stack_costs_at_most_a_dollar,
    environments_are_the_settings,
    one_word_names_everything,
    the_readme_has_a_row_for_each,
    snapstart_and_provisioned_concurrency_exclude_each_other,
    inference_and_stats_are_never_together,
]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(resource: Any) -> str:
    """A resource as text; what the template's own things are called in full is not for this test to know."""
    return resource if isinstance(resource, str) else str(resource.get("Fn::Sub", ""))


def _statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for policy in role["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def _log_targets(template: Template, role: str | None) -> set[str | None]:
    return {
        referred(statement["Resource"])
        for name, statement in _statements(template)
        if name == role and any(action.startswith("logs:") for action in _listed(statement["Action"]))
    }


def _alarms(template: Template, namespace: str, metric: str) -> list[dict[str, Any]]:
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    return [alarm for alarm in alarms if (alarm["Namespace"], alarm["MetricName"]) == (namespace, metric)]


def _alarm_metrics(template: Template) -> int:
    """Of the alarms that a stack has whose parameters were left alone: what starts retrainings is asked for."""
    alarms = (one for one in template["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm")
    return sum(len(one["Properties"].get("Metrics", [1])) for one in alarms if one.get("Condition") != "Retrains")


def _dimension(alarm: dict[str, Any], name: str) -> str | None:
    return next((referred(one["Value"]) for one in alarm["Dimensions"] if one["Name"] == name), None)


def _routed(template: Template) -> set[str | None]:
    """The functions that a route leads to."""
    return {referred(one["IntegrationUri"]) for one in of_type(template, "AWS::ApiGatewayV2::Integration").values()}


def _called_otherwise(template: Template) -> set[str | None]:
    """The functions that something else than the API may call."""
    permissions = of_type(template, "AWS::Lambda::Permission").values()
    named = {referred(one["FunctionName"]) for one in permissions if one["Principal"] != "apigateway.amazonaws.com"}
    for role in of_type(template, "AWS::IAM::Role").values():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                actions, resources = statement["Action"], statement.get("Resource", [])
                if "lambda:InvokeFunction" in ([actions] if isinstance(actions, str) else actions):
                    named |= {referred(one) for one in (resources if isinstance(resources, list) else [resources])}
    return named


def _failure_queue(function: dict[str, Any]) -> str | None:
    target = function.get("EventInvokeConfig", {}).get("DestinationConfig", {}).get("OnFailure", {})
    return referred(target.get("Destination"))


def _bucket_policy(template: Template, bucket: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in of_type(template, "AWS::S3::BucketPolicy").values()
        if referred(policy["Bucket"]) == bucket
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def _denies_everyone(statement: dict[str, Any], action: str) -> bool:
    return (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", action)


def _settings(own: str) -> tuple[set[str], set[str]]:
    """The variables that a function's `Settings` requires, and those that have a default; read without importing it."""
    tree = ast.parse((PROJECT / "functions" / own / "app.py").read_text())
    [settings] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    fields = [node for node in settings.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    named = {(node.target.id.upper(), node.value is None) for node in fields if isinstance(node.target, ast.Name)}
    return {name for name, required in named if required}, {name for name, required in named if not required}
