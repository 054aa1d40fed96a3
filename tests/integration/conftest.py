"""A function on moto: its table from template.yaml, its bucket, its environment, and its events."""

import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import msgspec
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from moto import mock_aws

from tests import aws_limits
from tests.template import reader
from zeroloop.dynamo import Table
from zeroloop.signed import Refused

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"


@pytest.fixture(scope="module", autouse=True)
def _aws_limits() -> Iterator[None]:
    """What AWS refuses is refused here: installed before the first client is made."""
    with aws_limits.install():
        yield


@cache
def client(service: str) -> Any:
    """One client for all tests, as the functions have one for all requests: making one takes longer than a test."""
    return boto3.Session(region_name=REGION).client(service)  # type: ignore[call-overload]


@pytest.fixture(name="aws")
def _aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty tables and buckets as the template describes them."""
    for name, value in {
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "REGISTRY_TABLE": "registry",
        "ARTIFACTS_BUCKET": "artifacts",
        "ADMISSION_FUNCTION": "admission",
        "MAX_PACKAGE_MEGABYTES": "100",
        "APPROVALS": "none",
        "MAX_WARM_MEGABYTES": "600",
        "BATCH_TABLE": "batch",
        "DATA_BUCKET": "data",
        "BATCH_STATE_MACHINE": f"arn:aws:states:{REGION}:123456789012:stateMachine:batch",
        "TRACKING_TABLE": "tracking",
        "ARTIFACT_ROOT": "s3",
        "DELETED_RUNS_DAYS": "0",
        "MONITORING_TABLE": "monitoring",
        "PREDICT_FUNCTION": "predict",
        "ALERT_TOPIC": f"arn:aws:sns:{REGION}:123456789012:alerts",
        "API_URL": "https://api.example.com",
        "RUNBOOKS_URL": "https://example.com/operations",
        "LOG_SHARE": "1",
        "FEEDBACK_DAYS": "30",
        "ABTEST_TABLE": "abtest",
        "RECEIPT_SECRET": "receipts",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        tables = reader.of_type(reader.read(), "AWS::DynamoDB::Table")
        for word in ("registry", "tracking", "batch", "monitoring"):
            _create_table(word, tables[f"{word.title()}Table"])
        _create_table("abtest", tables["AbTestTable"])
        location = {"LocationConstraint": REGION}
        for bucket in ("artifacts", "data"):
            client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
        versions = {"Status": "Enabled"}
        client("s3").put_bucket_versioning(Bucket="data", VersioningConfiguration=versions)
        yield


def _create_table(name: str, properties: dict[str, Any]) -> None:
    wanted = {"AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode"}
    client("dynamodb").create_table(TableName=name, **{key: properties[key] for key in wanted & properties.keys()})


class DynamoSession:
    """Answers DynamoDB's calls as `signed.Session` does, from moto, and counts them by operation."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def call(self, service: str, target: str, body: dict[str, Any], *, timeout: float) -> bytes:
        assert service == "dynamodb"
        assert timeout > 0
        operation = target.partition(".")[2]
        self.calls[operation] += 1
        try:
            answer = getattr(client("dynamodb"), xform_name(operation))(**body)
        except ClientError as error:
            response: dict[str, Any] = {**error.response}
            told = {"__type": f"com.amazonaws.dynamodb.v20120810#{response['Error']['Code']}"}
            kept = {key: response[key] for key in ("Item", "CancellationReasons") if key in response}
            raise Refused(msgspec.json.encode({**told, **kept})) from error
        return msgspec.json.encode({key: value for key, value in answer.items() if key != "ResponseMetadata"})


@pytest.fixture(name="load")
def _load(aws: None) -> Callable[[str], ModuleType]:
    """A function's module, imported afresh: a cold start."""

    def load(word: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(f"function_{word}", ROOT / "functions" / word / "app.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        for table in [value for value in vars(module).values() if isinstance(value, Table)]:
            table._session = DynamoSession()  # type: ignore[assignment] # what it calls of a session
        return module

    return load


class Context:
    """What Lambda tells a handler."""

    function_name = "test"
    memory_limit_in_mb = 128
    invoked_function_arn = f"arn:aws:lambda:{REGION}:123456789012:function:test"
    aws_request_id = "8c2e0d3f"


@pytest.fixture(name="context")
def _context() -> Context:
    return Context()


def event(word: str, case: str) -> dict[str, Any]:
    """events/<word>/<case>.json."""
    return dict(json.loads((ROOT / "events" / word / f"{case}.json").read_text()))
