import math

import pytest
from msgspec import UNSET, UnsetType, field

from zeroloop.errors import Conflict, InvalidInput, NotFound, Unavailable
from zeroloop.mlflow import wire
from zeroloop.mlflow.wire import Int64, KeyValue, Message


class LogMetric(Message):
    run_id: str = ""
    value: float | UnsetType = UNSET
    step: Int64 = 0
    order_by: list[str] = field(default_factory=list)
    tags: list[KeyValue] = field(default_factory=list)


def read(body: str) -> LogMetric:
    return wire.read(LogMetric, body=body.encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", LogMetric()),
        ("{}", LogMetric()),
        ('"{}"', LogMetric()),
        ("null", LogMetric()),
        ('{"runId": "r", "orderBy": ["a"]}', LogMetric(run_id="r", order_by=["a"])),
        ('{"run_id": "r", "unknown": [1]}', LogMetric(run_id="r")),
        ('{"run_id": "null"}', LogMetric(run_id="null")),
        ('{"step": "3"}', LogMetric(step=3)),
        ('{"step": 2.0}', LogMetric(step=2)),
        ('{"step": null, "tags": null}', LogMetric()),
        ('{"tags": [{"key": "a", "value": null}]}', LogMetric(tags=[KeyValue(key="a")])),
        ('{"value": "Infinity"}', LogMetric(value=math.inf)),
        ('{"value": "-Infinity"}', LogMetric(value=-math.inf)),
        ('{"step": 9223372036854775807}', LogMetric(step=2**63 - 1)),
    ],
)
def test_a_body_is_read_as_protobuf_reads_json(body: str, expected: LogMetric) -> None:
    assert read(body) == expected


def test_nan_is_a_text_on_the_wire() -> None:
    assert math.isnan(read('{"value": "NaN"}').value or 0)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"run_id": 5}', "run_id"),
        ('{"run_id": "r", "runId": "r"}', "run_id"),
        ('{"step": 1.5}', "step"),
        ('{"step": true}', "step"),
        ('{"step": 9223372036854775808}', "step"),
        ('{"value": "abc"}', "value"),
        ('{"value": true}', "value"),
        ('{"tags": {}}', "tags"),
        ('{"tags": [{"key": 1}]}', "tags[0].key"),
    ],
)
def test_a_field_of_a_wrong_type_is_named(body: str, named: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(body)

    assert refused.value.field == named
    assert named in refused.value.message


@pytest.mark.parametrize("body", ["{", "[]", "1", '"x"', '"["', "\x00", '{"value": 1e400}', '{"a":' * 5000])
def test_what_is_not_a_json_object_is_a_bad_request(body: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(body)

    assert wire.error(refused.value)[1]["error_code"] == "BAD_REQUEST"


def test_a_query_gives_lists_where_the_message_has_them() -> None:
    query = {"run_id": ["r", "s"], "order_by": ["a"], "step": ["7"]}

    assert wire.read(LogMetric, query=query) == LogMetric(run_id="r", order_by=["a"], step=7)


@pytest.mark.parametrize("name", ["run_id", "value"])
def test_a_required_field_that_is_missing_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"Missing value for required parameter '{name}'"):
        wire.require(LogMetric(), name)


def test_what_is_absent_is_not_written_and_what_was_said_is() -> None:
    assert wire.write(LogMetric(run_id="r", value=0.0)) == '{"run_id":"r","value":0.0}'


@pytest.mark.parametrize(
    ("value", "written"), [(1.5, 1.5), (math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_numbers_that_are_not_finite_are_written_as_texts(value: float, written: float | str) -> None:
    assert wire.number(value) == written


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (InvalidInput("x"), 400, "INVALID_PARAMETER_VALUE"),
        (InvalidInput("x", code="too_large"), 413, "INVALID_PARAMETER_VALUE"),
        (NotFound("x"), 404, "RESOURCE_DOES_NOT_EXIST"),
        (NotFound("x", code="no_route"), 404, "ENDPOINT_NOT_FOUND"),
        (NotFound("x", code="not_supported"), 404, "ENDPOINT_NOT_FOUND"),
        (Conflict("x"), 409, "RESOURCE_CONFLICT"),
        (Conflict("x", code="already_exists"), 400, "RESOURCE_ALREADY_EXISTS"),
        (Unavailable("x"), 503, "TEMPORARILY_UNAVAILABLE"),
        (KeyError("secret"), 500, "INTERNAL_ERROR"),
    ],
)
def test_failures_are_told_in_mlflows_words(failure: Exception, status: int, code: str) -> None:
    told_status, body = wire.error(failure)

    assert (told_status, body["error_code"]) == (status, code)
    assert "secret" not in body["message"]
