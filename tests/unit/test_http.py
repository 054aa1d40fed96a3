"""The HTTP edge: statuses by kind, refusals that name the field. The resolver itself is tested with the functions."""

from contextlib import suppress
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from zeroloop import clock, http
from zeroloop.errors import Conflict, InvalidInput, NotFound, Unavailable, ZeroloopError
from zeroloop.registry.rules import StaleRevision


class Inner(Struct, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=0)]


class Order(Struct, forbid_unknown_fields=True):
    reason: str
    files: list[Inner] = []
    free: Any = None


def test_a_query_that_is_not_utf_8_is_refused_and_not_guessed_at() -> None:
    assert http.query({"rawQueryString": "unit=%C3%A9&unit="}) == {"unit": ["é", ""]}
    with pytest.raises(InvalidInput) as refused:
        http.query({"rawQueryString": "unit=%FF"})
    assert refused.value.field == "query"


def test_a_body_becomes_a_value() -> None:
    order = http.parse('{"reason": "because", "files": [{"size": 3}]}', Order)
    assert order == Order("because", [Inner(3)])
    assert http.parse(b'{"reason": "\xc3\xa9"}', Order) == Order("é")


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (None, "not_json", "body"),
        ("", "not_json", "body"),
        ("reason=because", "not_json", "body"),
        ('{"reason": "because"', "not_json", "body"),
        ('{"reason": NaN}', "not_json", "body"),
        (b'{"reason": "\xff"}', "not_json", "body"),
        ('{"reason": "\ud800"}', "not_json", "body"),
        (b'{"reason": "\\ud800"}', "not_json", "body"),
        ('{"reason": "because", "free": ' + "[" * 100_000 + "]" * 100_000 + "}", "too_deep", "body"),
        ("[]", "invalid_input", "body"),
        ("null", "invalid_input", "body"),
        ("{}", "invalid_input", "reason"),
        ('{"reason": 1}', "invalid_input", "reason"),
        ('{"reason": "because", "more": 1}', "invalid_input", "more"),
        ('{"reason": "because", "files": {}}', "invalid_input", "files"),
        ('{"reason": "because", "files": [{"size": 1}, {"size": -1}]}', "invalid_input", "files[1].size"),
        ('{"reason": "because", "files": [{}]}', "invalid_input", "files[0].size"),
        ('{"reason": "because", "files": [{"size": 1, "more": 1}]}', "invalid_input", "files[0].more"),
        ('{"reason": "because", "files": [{"size": true}]}', "invalid_input", "files[0].size"),
    ],
)
def test_what_is_not_asked_for_is_refused_by_name(body: str | bytes | None, code: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        http.parse(body, Order)
    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize("name", ["x" * 3_200_000, " - at `$" * 40_000 + "\n", "unknown field `" * 40_000])
def test_a_name_of_megabytes_is_refused_at_once_and_in_few_words(name: str) -> None:
    started = clock.monotonic()
    with pytest.raises(InvalidInput) as refused:
        http.parse(msgspec.json.encode({"reason": "because", name: 1}), Order)
    assert clock.monotonic() - started < 1
    assert len(msgspec.json.encode(http.refusal(refused.value))) < 5_000


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_body_is_parsed_or_refused(body: str | bytes) -> None:
    with suppress(InvalidInput):
        assert isinstance(http.parse(body, Order), Order)


class Nearer(NotFound, Conflict):
    pass


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("x"), 422),
        (NotFound("x"), 404),
        (Conflict("x"), 409),
        (Unavailable("x"), 503),
        (StaleRevision("x"), 409),
        (Nearer("x"), 404),
        (ZeroloopError("x"), 500),
    ],
)
def test_a_status_is_that_of_the_nearest_kind(error: ZeroloopError, status: int) -> None:
    assert http.status_of(error) == status


def test_a_refusal_tells_code_message_and_the_field_at_fault() -> None:
    assert http.refusal(Conflict("taken", code="name_taken", field="model")) == {
        "code": "name_taken",
        "message": "taken",
        "field": "model",
    }


def test_a_refusal_without_a_field_names_none() -> None:
    assert http.refusal(Unavailable("busy")) == {"code": "unavailable", "message": "busy"}


@given(st.integers(1, 99_999_999))
def test_a_number_in_a_path_is_read(number: int) -> None:
    assert http.number(str(number), "version") == number


@pytest.mark.parametrize("text", ["", "0", "000", "-1", "+1", "1.0", "1e3", " 1", "1_0", "²", "١", "one", "9" * 9])  # noqa: RUF001 - look-alikes
def test_what_is_no_positive_whole_number_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        http.number(text, "version")
    assert refused.value.field == "version"


@pytest.mark.parametrize("text", ["my model", "my%20model"])
def test_a_name_reads_the_same_whether_the_gateway_decoded_it_or_not(text: str) -> None:
    assert http.name(text) == "my model"


@pytest.mark.parametrize(
    ("authorizer", "actor"),
    [
        ({"iam": {"userArn": "arn:aws:iam::123456789012:user/ann"}}, "arn:aws:iam::123456789012:user/ann"),
        ({"jwt": {"claims": {"sub": "ann", "iss": "https://id.example.com"}}}, "ann"),
        ({"jwt": {"claims": {"iss": "https://id.example.com"}}}, "anonymous"),
        ({"jwt": {"claims": None}}, "anonymous"),
        ({"iam": None, "jwt": None}, "anonymous"),
        ({}, "anonymous"),
        (None, "anonymous"),
    ],
)
def test_the_caller_is_who_the_gateway_says(authorizer: dict[str, Any] | None, actor: str) -> None:
    assert http.actor({"requestContext": {"authorizer": authorizer}}) == actor


def test_the_caller_of_an_open_stack_is_anonymous() -> None:
    assert http.actor({"requestContext": {}}) == "anonymous"
    assert http.actor({}) == "anonymous"
