from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop import http
from zeroloop.errors import InvalidInput
from zeroloop.inference.requests import MAX_INSTANCES, PredictRequest, carried, inputs

DEEP = "[" * 100_000 + "]" * 100_000


def taken(body: str, field: str = "text") -> tuple[list[Any], list[str]]:
    return inputs(http.parse(body, PredictRequest), field)


@pytest.mark.parametrize(
    ("field", "body", "values", "where"),
    [
        ("text", '{"text": "good"}', ["good"], ["text"]),
        ("text", '{"text": null}', [None], ["text"]),
        ("text", '{"text": "good", "unit": "u", "version": 3}', ["good"], ["text"]),
        ("features", '{"features": {"a": 1}}', [{"a": 1}], ["features"]),
        ("text", '{"instances": [{"text": "good"}]}', ["good"], ["instances[0].text"]),
        ("text", '{"instances": ["good", {"text": 3}]}', ["good", 3], ["instances[0].text", "instances[1].text"]),
        ("inputs", '{"inputs": {"x": [1]}}', [{"x": [1]}], ["inputs"]),
        ("inputs", '{"instances": [{"inputs": {}}]}', [{}], ["instances[0].inputs"]),
        ("features", '{"instances": [{"features": {}}]}', [{}], ["instances[0].features"]),
    ],
)
def test_values_are_taken_with_their_places(field: str, body: str, values: list[Any], where: list[str]) -> None:
    assert taken(body, field) == (values, where)


@pytest.mark.parametrize(("body", "many"), [('{"text": "a"}', False), ('{"instances": ["a"]}', True)])
def test_a_list_is_answered_with_a_list(body: str, many: bool) -> None:
    assert http.parse(body, PredictRequest).many is many


@pytest.mark.parametrize(
    ("field", "body", "at_fault"),
    [
        ("text", "{}", "text"),
        ("features", "{}", "features"),
        ("text", '{"text": "a", "instances": ["a"]}', "text"),
        ("text", '{"text": "a", "features": {}}', "text"),
        ("text", '{"features": {}}', "features"),
        ("features", '{"text": "a"}', "text"),
        ("text", '{"inputs": {}}', "inputs"),
        ("inputs", '{"inputs": {}, "text": "a"}', "inputs"),
        ("text", '{"txt": "a"}', "txt"),
        ("text", '{"instances": []}', "instances"),
        ("text", '{"instances": {}}', "instances"),
        ("text", '{"instances": null}', "instances"),
        ("text", '{"instances": ["a", null]}', "instances[1]"),
        ("text", '{"instances": [["a"]]}', "instances[0]"),
        ("text", '{"instances": [{}]}', "instances[0]"),
        ("text", '{"instances": [{"features": {}}]}', "instances[0]"),
        ("text", '{"instances": [{"text": "a", "unit": "u"}]}', "instances[0]"),
        ("features", '{"instances": ["a"]}', "instances[0]"),
        ("text", '{"text": "a", "unit": ""}', "unit"),
        ("text", '{"text": "a", "unit": 7}', "unit"),
        ("text", f'{{"text": "a", "unit": "{"u" * 257}"}}', "unit"),
        ("text", '{"text": "a", "version": 0}', "version"),
        ("text", '{"text": "a", "version": "1"}', "version"),
        ("text", '{"text": "a", "version": 1.0}', "version"),
        ("text", '{"text": "a", "version": true}', "version"),
        ("text", '{"text": "a", "version": 100000000}', "version"),
        ("text", '{"text": NaN}', "body"),
        ("text", '["a"]', "body"),
        ("text", f'{{"text": {DEEP}}}', "body"),
    ],
)
def test_refusals_name_the_field(field: str, body: str, at_fault: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        taken(body, field)
    assert refused.value.field == at_fault


def test_a_thousand_instances_are_taken_and_no_more() -> None:
    assert len(inputs(PredictRequest(instances=["a"] * MAX_INSTANCES), "text")[0]) == MAX_INSTANCES
    with pytest.raises(InvalidInput, match="send 1 to 1,000 instances, not 1,001"):
        inputs(PredictRequest(instances=["a"] * (MAX_INSTANCES + 1)), "text")


@given(st.text() | st.text('"\\'))
def test_a_body_takes_what_a_string_of_json_takes(text: str) -> None:
    data = msgspec.json.encode({"text": text})
    assert carried(data) + 2 == len(msgspec.json.encode(data.decode()))
