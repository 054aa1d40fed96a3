"""The limits of AWS at their bound and one past it; nothing leaves the process."""

import doctest
import io
import json
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.handlers
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from pynamodb.exceptions import PutError

from tests import aws_dynamodb_expressions, aws_dynamodb_items, aws_limits
from tests.aws_dynamodb_expressions import count_operators
from tests.aws_dynamodb_items import item_bytes
from tests.aws_limits import KB, MB, LimitExceededError, Limits, check_answer, check_log_lines, check_task_payload
from tests.unit.wire import (
    INDEX,
    KEYS,
    RETRIES,
    T,
    Thing,
    V,
    Wire,
    call,
    create,
    key,
    new_session,
    put,
    puts,
    refusal,
    sized,
    update,
)


@pytest.fixture(scope="module")
def limited() -> Iterator[tuple[Wire, Limits]]:
    """One session for the module: making clients takes time."""
    wire = Wire()
    limits = Limits(KEYS).install(wire.session)
    yield wire, limits
    limits.uninstall()


@pytest.fixture(autouse=True)
def _forgetful(limited: tuple[Wire, Limits]) -> Iterator[None]:
    yield
    wire, limits = limited
    wire.sent.clear()
    wire.body = b"{}"
    limits.refused.clear()


def query(filtered: str, **more: Any) -> dict[str, Any]:
    values = {":p": {"S": "p1"}, ":x": {"S": "x"}}
    asked = {"KeyConditionExpression": "pk = :p", "FilterExpression": filtered, "ExpressionAttributeValues": values}
    return {"TableName": T, **asked, **more}


def condition(operators: int) -> str:
    """`a<:v or a<:v or ...`: two operators a term but for the first."""
    assert operators % 2
    return " or ".join(["a<:v"] * ((operators + 1) // 2))


def writes(*tables: int) -> dict[str, Any]:
    return {
        "RequestItems": {
            f"{T}{t}": [{"PutRequest": {"Item": key(n)}} for n in range(count)] for t, count in enumerate(tables)
        }
    }


def gets(*tables: int) -> dict[str, Any]:
    return {"RequestItems": {f"{T}{t}": {"Keys": [key(n) for n in range(c)]} for t, c in enumerate(tables)}}


LONG = "Member must have length less than or equal to"
TOO_LARGE = "Item size has exceeded the maximum allowed size"
DYNAMODB: list[tuple[Any, ...]] = [
    # operation, just allowed, just too much, in the message
    (
        "UpdateItem",
        update(f"SET {'a' * 4087} = :v", V),
        update(f"SET {'a' * 4088} = :v", V),
        "Invalid UpdateExpression: Expression size has exceeded the maximum allowed size; expression size: 4097",
    ),
    (
        "UpdateItem",
        update(f"SET {'ä' * 10} = :v", V, ConditionExpression=f"attribute_exists({'a' * 4078})"),
        update("SET a = :v", V, ConditionExpression=f"attribute_exists({'ä' * 2039}a)"),
        "Invalid ConditionExpression: Expression size has exceeded",
    ),
    ("GetItem", *({"TableName": T, "Key": key(), "ProjectionExpression": "a" * n} for n in (4096, 4097)), "size: 4097"),
    ("Scan", *({"TableName": T, "ProjectionExpression": "a" * n} for n in (4096, 4097)), "Invalid ProjectionExp"),
    (
        "BatchGetItem",
        *({"RequestItems": {T: {"Keys": [key()], "ProjectionExpression": "a" * n}}} for n in (4096, 4097)),
        "Invalid ProjectionExpression: Expression size",
    ),
    (
        "TransactWriteItems",
        *({"TransactItems": [{"Update": update(f"SET {'a' * n} = :v", V)}]} for n in (4087, 4088)),
        "Invalid UpdateExpression: Expression size",
    ),
    (
        "PutItem",
        put(key(), ConditionExpression=condition(299), ExpressionAttributeValues=V),
        put(key(), ConditionExpression=condition(301), ExpressionAttributeValues=V),
        "Invalid ConditionExpression: The expression contains too many operators; operator count: 301",
    ),
    (
        "UpdateItem",
        update("SET " + ",".join(f"a{n}=:v+:v" for n in range(150)), V),
        update("SET " + ",".join(f"a{n}=:v+:v" for n in range(150)) + ",b=:v", V),
        "Invalid UpdateExpression: The expression contains too many operators",
    ),
    ("PutItem", put(key()), put(key(), ExpressionAttributeValues=V), "ExpressionAttributeValues can only be specified"),
    (
        "UpdateItem",
        update("SET #a = :v", V, ExpressionAttributeNames={"#a": "a"}),
        update("SET a = :v", V, ExpressionAttributeNames={"#a": "a", "#b": "b"}),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}",
    ),
    (
        "UpdateItem",
        update("SET a = :v", V),
        update("SET a = :v", {**V, ":vv": {"S": "x"}}),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:vv}",
    ),
    (
        "PutItem",
        put(key(), ConditionExpression="a = :b", ExpressionAttributeValues={":b": {"B": b"x" * (2 * MB - 2)}}),
        put(key(), ConditionExpression="a = :b", ExpressionAttributeValues={":b": {"B": b"x" * (2 * MB - 1)}}),
        "",
    ),
    ("PutItem", put(sized(400 * KB)), put(sized(400 * KB + 1)), TOO_LARGE),
    ("PutItem", put({**key(), "ü": {"S": "é" * 204790}}), put({**key(), "ü": {"S": "é" * 204796}}), TOO_LARGE),
    (
        "BatchWriteItem",
        *({"RequestItems": {T: [{"PutRequest": {"Item": sized(400 * KB + n)}}]}} for n in (0, 1)),
        TOO_LARGE,
    ),
    ("TransactWriteItems", puts(sized(400 * KB)), puts(sized(400 * KB + 1)), TOO_LARGE),
    (
        "UpdateItem",
        update("SET b = :v", {":v": {"B": b"x" * (400 * KB - 7)}}),
        update("SET b = :v", {":v": {"B": b"x" * (400 * KB - 6)}}),
        "Item size to update has exceeded the maximum allowed size",
    ),
    (
        "TransactWriteItems",
        puts(*map(key, range(100))),
        puts(*map(key, range(101))),
        f"1 validation error detected: Value at 'TransactItems' failed to satisfy constraint: {LONG} 100",
    ),
    (
        "TransactGetItems",
        *({"TransactItems": [{"Get": {"TableName": T, "Key": key(n)}} for n in range(most)]} for most in (100, 101)),
        f"Value at 'TransactItems' failed to satisfy constraint: {LONG} 100",
    ),
    (
        "TransactWriteItems",
        {"TransactItems": [{"Put": put(key(1))}, {"Update": {**update("SET a = :v", V), "Key": key(2)}}]},
        {"TransactItems": [{"Put": put({**key(1), "a": {"S": "x"}})}, {"Update": update("SET a = :v", V)}]},
        "Transaction request cannot include multiple operations on one item",
    ),
    (
        "TransactGetItems",
        {"TransactItems": [{"Get": {"TableName": T, "Key": key(n)}} for n in (1, 2)]},
        {"TransactItems": [{"Get": {"TableName": T, "Key": key(n)}} for n in (1, 1)]},
        "Transaction request cannot include multiple operations on one item",
    ),
    (
        "BatchGetItem",
        {"RequestItems": {T: {"Keys": [key(1), key(2)]}}},
        {"RequestItems": {T: {"Keys": [key(1), key(1)]}}},
        "Provided list of item keys contains duplicates",
    ),
    (
        "TransactWriteItems",
        puts(*(sized(4 * MB // 16, n) for n in range(16))),
        puts(*(sized(4 * MB // 16, n) for n in range(15)), sized(4 * MB // 16 + 1, 15)),
        "",
    ),
    (
        "BatchWriteItem",
        writes(25),
        writes(26),
        f"1 validation error detected: Value at 'RequestItems.{T}0.member' failed to satisfy constraint: {LONG} 25",
    ),
    ("BatchWriteItem", writes(12, 13), writes(13, 13), "Too many items requested for the BatchWriteItem call"),
    ("BatchGetItem", gets(100), gets(101), f"'RequestItems.{T}0.member.Keys' failed to satisfy constraint: {LONG} 100"),
    ("BatchGetItem", gets(50, 50), gets(50, 51), "Too many items requested for the BatchGetItem call"),
    (
        "GetItem",
        {"TableName": T, "Key": key()},
        {"TableName": T, "Key": {**key(), "pk": {"S": ""}}},
        "not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: pk",
    ),
    ("PutItem", put(key()), put({**key(), "sk": {"B": b""}}), "cannot contain an empty binary value. Key: sk"),
    (
        "PutItem",
        put({**key(), "pk": {"S": "ä" * 1024}}),
        put({**key(), "pk": {"S": "ä" * 1024 + "x"}}),
        "Size of hashkey has exceeded the maximum size limit of2048 bytes",
    ),
    (
        "DeleteItem",
        {"TableName": T, "Key": {**key(), "sk": {"S": "x" * 1024}}},
        {"TableName": T, "Key": {**key(), "sk": {"S": "x" * 1025}}},
        "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
    ),
    ("PutItem", put(key()), put({**key(), "a": {}}), "Supplied AttributeValue is empty"),
    (
        "Query",
        query("a = :x"),
        query("sk = :x"),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
    ),
    (
        "Query",
        query("#r.sk = :x OR size(b) > :x", ExpressionAttributeNames={"#r": "r"}),
        query("a = :x AND contains(#k, :x)", ExpressionAttributeNames={"#k": "sk"}),
        "Primary key attribute: sk",
    ),
    (
        "Query",
        {"TableName": T, "KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}},
        query("attribute_exists(o) AND a = :x", KeyConditionExpression="o = :p", IndexName="unknown"),
        "Primary key attribute: o",
    ),
]


@pytest.mark.parametrize(("operation", "allowed", "too_much", "message"), DYNAMODB)
def test_dynamodb_refuses_what_is_just_too_much(
    limited: tuple[Wire, Limits], operation: str, allowed: dict[str, Any], too_much: dict[str, Any], message: str
) -> None:
    wire, limits = limited
    error = refusal(wire, "dynamodb", operation, too_much)
    assert (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]) == (
        "ValidationException",
        400,
    )
    assert message in error.response["Error"]["Message"]
    assert limits.refused
    call(wire, "dynamodb", operation, allowed)
    assert wire.sent[operation] == 1


def message(size: int, **more: Any) -> dict[str, Any]:
    return {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q", "MessageBody": "x" * size, **more}


def batch(*sizes: int) -> dict[str, Any]:
    entries = [{"Id": str(n), "MessageBody": "x" * size} for n, size in enumerate(sizes)]
    return {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q", "Entries": entries}


def event(detail: int) -> dict[str, Any]:
    return {"Entries": [{"Source": "s", "DetailType": "t", "Detail": "x" * detail, "Resources": ["r"]}]}


ARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:m"
SYNC = {"FunctionName": "f"}
ASYNC = {"FunctionName": "f", "InvocationType": "Event"}
ATTRIBUTES = {"MessageAttributes": {"ab": {"DataType": "String", "StringValue": "cd"}}}
OTHERS: list[tuple[Any, ...]] = [
    (
        "lambda",
        "Invoke",
        {**SYNC, "Payload": b"x" * 6291456},
        {**SYNC, "Payload": b"x" * 6291457},
        "RequestEntityTooLargeException",
        413,
        "Request must be smaller than 6291456 bytes for the InvokeFunction operation",
    ),
    (
        "lambda",
        "Invoke",
        {**ASYNC, "Payload": io.BytesIO(b"x" * MB)},
        {**ASYNC, "Payload": io.BytesIO(b"x" * (MB + 1))},
        "RequestEntityTooLargeException",
        413,
        "1048577 byte payload is too large for the Event invocation type (limit 1048576 bytes)",
    ),
    (
        "stepfunctions",
        "StartExecution",
        {"stateMachineArn": ARN, "input": "ü" * (128 * KB)},
        {"stateMachineArn": ARN, "input": "ü" * (128 * KB) + "x"},
        "ValidationException",
        400,
        f"Value at 'input' failed to satisfy constraint: {LONG} 262144",
    ),
    (
        "stepfunctions",
        "SendTaskSuccess",
        {"taskToken": "t", "output": "x" * (256 * KB)},
        {"taskToken": "t", "output": "x" * (256 * KB + 1)},
        "ValidationException",
        400,
        "Value at 'output' failed",
    ),
    (
        "events",
        "PutEvents",
        event(MB - 3),
        event(MB - 2),
        "ValidationException",
        400,
        "Total size of the entries in the request is over the limit.",
    ),
    (
        "sqs",
        "SendMessage",
        message(MB),
        message(MB + 1),
        "InvalidParameterValue",
        400,
        "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.",
    ),
    (
        "sqs",
        "SendMessage",
        message(MB - 10, **ATTRIBUTES),
        message(MB - 9, **ATTRIBUTES),
        "InvalidParameterValue",
        400,
        "shorter than",
    ),
    (
        "sqs",
        "SendMessageBatch",
        batch(MB // 2, MB // 2),
        batch(MB // 2, MB // 2 + 1),
        "AWS.SimpleQueueService.BatchRequestTooLong",
        400,
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
    ),
    (
        "s3",
        "PutObject",
        {"Bucket": "b", "Key": "ü" * 512},
        {"Bucket": "b", "Key": "ü" * 512 + "x"},
        "KeyTooLongError",
        400,
        "Your key is too long",
    ),
]


@pytest.mark.parametrize("case", OTHERS, ids=lambda case: f"{case[0]}-{case[4]}")
def test_other_services_refuse_what_is_just_too_much(limited: tuple[Wire, Limits], case: tuple[Any, ...]) -> None:
    wire, _ = limited
    service, operation, allowed, too_much, code, status, text = case
    error = refusal(wire, service, operation, too_much)
    assert error.response["Error"]["Code"] == code
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert text in error.response["Error"]["Message"]
    wire.body = b"" if service == "s3" else b"{}"
    call(wire, service, operation, allowed)
    assert wire.sent[operation] == 1


def test_a_transaction_with_too_large_an_update_is_cancelled(limited: tuple[Wire, Limits]) -> None:
    wire, _ = limited

    def transaction(size: int) -> dict[str, Any]:
        large = update("SET b = :v", {":v": {"B": b"x" * (size - item_bytes(key()))}})
        return {"TransactItems": [{"Put": put(key(2))}, {"Update": large}]}

    with pytest.raises(wire.client("dynamodb").exceptions.TransactionCanceledException) as caught:
        call(wire, "dynamodb", "TransactWriteItems", transaction(400 * KB + 1))
    assert [reason["Code"] for reason in caught.value.response["CancellationReasons"]] == ["None", "ValidationError"]
    call(wire, "dynamodb", "TransactWriteItems", transaction(400 * KB))


def test_a_scan_may_filter_on_keys(limited: tuple[Wire, Limits]) -> None:
    wire, _ = limited
    call(wire, "dynamodb", "Scan", {"TableName": T, "FilterExpression": "pk = :v", "ExpressionAttributeValues": V})


def test_only_the_last_part_may_be_small(limited: tuple[Wire, Limits]) -> None:
    wire, _ = limited
    upload = {"Bucket": "b", "Key": "k", "UploadId": "u"}
    wire.body = b""
    for number, size in [(1, 5 * MB), (2, 5 * MB - 1), (3, 1)]:
        call(wire, "s3", "UploadPart", {**upload, "PartNumber": number, "Body": b"x" * size})

    def complete(*numbers: int) -> dict[str, Any]:
        return {**upload, "MultipartUpload": {"Parts": [{"PartNumber": n, "ETag": "e"} for n in numbers]}}

    wire.sent.clear()
    error = refusal(wire, "s3", "CompleteMultipartUpload", complete(1, 2, 3))
    assert error.response["Error"]["Code"] == "EntityTooSmall"
    wire.body = b"<CompleteMultipartUploadResult/>"
    call(wire, "s3", "CompleteMultipartUpload", complete(1, 2))


@pytest.mark.parametrize(("size", "error"), [(6 * MB + 100, None), (6 * MB + 101, "Function.ResponseSizeTooLarge")])
def test_a_result_over_6_mb_is_an_error_of_the_function(
    limited: tuple[Wire, Limits], size: int, error: str | None
) -> None:
    wire, _ = limited
    wire.body = b"1" * size
    answer = call(wire, "lambda", "Invoke", SYNC)
    result = answer["Payload"].read()
    assert answer.get("FunctionError") == ("Unhandled" if error else None)
    assert (json.loads(result)["errorType"] == error) if error else (len(result) == size)


def test_log_lines_payloads_and_answers() -> None:
    check_log_lines(["x" * 256 * KB, b"short"])
    with pytest.raises(LimitExceededError, match="262145"):
        check_log_lines(["short", "ü" * (128 * KB) + "x"])
    check_task_payload("x" * (256 * KB - 2))
    with pytest.raises(LimitExceededError, match=r"States\.DataLimitExceeded"):
        check_task_payload("x" * (256 * KB - 1))
    check_answer(30.0, 200, "")
    with pytest.raises(LimitExceededError, match="30 s"):
        check_answer(30.1, 200, "")
    envelope = len('{"statusCode": 200, "body": ""}')
    check_answer(1, 200, "x" * (6 * MB + 100 - envelope))
    with pytest.raises(LimitExceededError, match="answer"):
        check_answer(1, 200, "x" * (6 * MB + 101 - envelope))
    with pytest.raises(LimitExceededError):
        check_answer(1, 200, b"\xff" * 5_000_000)  # base64 makes it 6.7 MB


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("a = :x AND b > :y AND c IN (:p, :q, :r)", 5),  # the three examples of AWS's code library
        ("(attribute_exists(c) AND s BETWEEN :a AND :b) OR (p > :p AND contains(d, :k) AND (r >= :r OR v > :v))", 12),
        ("SET a = :v, b = b + :v, c = if_not_exists(c, :v)", 5),
        ("a<b or (a<b or (a<b))", 5),
        ("ADD h0 :a, h1 :b REMOVE x DELETE s :s", 0),
        ("#and <> :or and not attribute_type (begins, :in)", 4),
        ("SET l = list_append(l, :v), n = n-:x", 4),
        ("a.b[0].c, d", 0),
    ],
)
def test_operators_are_counted_as_aws_counts_them(expression: str, count: int) -> None:
    assert count_operators(expression) == count


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "é"}, 2),
        ({"N": "3.14159"}, 5),
        ({"N": "-12"}, 3),
        ({"N": "not a number"}, 12),
        ({"B": b"abc"}, 3),
        ({"BOOL": False}, 1),
        ({"NULL": True}, 1),
        ({"SS": ["a", "bc"]}, 3),
        ({"NS": ["1", "1000"]}, 4),
        ({"L": []}, 3),
        ({"L": [{"S": "ab"}, {"NULL": True}]}, 8),
        ({"M": {"ab": {"S": "c"}}}, 7),
    ],
)
def test_items_are_sized_as_aws_sizes_them(value: dict[str, Any], size: int) -> None:
    assert item_bytes({"name": value}) == 4 + size


@pytest.mark.parametrize("module", [aws_dynamodb_expressions, aws_dynamodb_items])
def test_the_examples_in_docstrings_hold(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


@pytest.fixture
def moto() -> Iterator[Any]:
    with mock_aws():
        yield new_session().create_client("dynamodb", "eu-west-1", config=RETRIES)


def test_keys_are_learnt_from_the_table_that_moto_makes(moto: Any) -> None:
    with Limits().install(moto):
        create(moto)
        with pytest.raises(ClientError, match="Primary key attribute: sk"):
            moto.query(**query("sk = :x"))
        by_owner = {"KeyConditionExpression": "#o = :p", "ExpressionAttributeNames": {"#o": "owner"}}
        with pytest.raises(ClientError, match="Primary key attribute: sk"):
            moto.query(**query("sk = :x", IndexName=INDEX, **by_owner))
        assert moto.query(**query("pk = :x", IndexName=INDEX, **by_owner))["Count"] == 0
        with pytest.raises(ClientError, match=f"IndexName: {INDEX}, IndexKey: owner"):
            moto.put_item(**put({**key(), "owner": {"S": ""}}))
        moto.put_item(**put(key()))


def test_every_session_made_later_has_it_until_it_is_taken_out(moto: Any) -> None:
    limits = aws_limits.install(keys=KEYS)
    try:
        create(moto)  # made before: not listened to
        assert not limits.refused
        with pytest.raises(PutError, match=TOO_LARGE):
            Thing("p", "s", text="x" * 410_000).save()
        later = new_session().create_client("dynamodb", "eu-west-1")
        with pytest.raises(ClientError, match="operator count: 301"):
            later.put_item(**put(key(), ConditionExpression=condition(301), ExpressionAttributeValues=V))
        assert len(limits.refused) == 2
    finally:
        aws_limits.uninstall(limits)
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):  # moto does not mind
        later.put_item(**put(key(), ConditionExpression=condition(301), ExpressionAttributeValues=V))
    assert not [handler for _, handler, *_ in botocore.handlers.BUILTIN_HANDLERS if handler == limits._before]


def test_boto3_has_it_by_session_and_by_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire()
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", boto3.Session(botocore_session=wire.session, region_name="eu-west-1"))
    boto3.resource("dynamodb")  # loads the resource's model
    for target in (None, boto3.DEFAULT_SESSION, wire.session):
        with Limits(KEYS).install(target), pytest.raises(ClientError, match=TOO_LARGE):
            boto3.resource("dynamodb").Table(T).put_item(Item={"pk": "p", "sk": "s", "b": "x" * 410_000})
    made_before = boto3.resource("dynamodb")
    with Limits(KEYS).install(made_before), pytest.raises(ClientError, match="Key: sk"):
        made_before.Table(T).get_item(Key={"pk": "p", "sk": ""})
    assert not wire.sent
