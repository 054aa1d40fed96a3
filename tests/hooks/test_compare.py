"""The comparison sees what differs, and excuses what the table says and no more."""

from typing import Any

import pytest

from tests.conformance.compare import Answer, Ignored, compare

A, B, C = "a" * 32, "b" * 32, "c" * 32


def unexcused(stock: Any, ours: Any, *ignored: Ignored) -> list[str]:
    return compare({"case": Answer(200, stock)}, {"case": Answer(200, ours)}, ignored).unexcused


@pytest.mark.parametrize(
    ("stock", "ours"),
    [
        ({"a": 1}, {}),
        ({}, {"a": None}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1}, {"a": True}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": [1]}, {"a": [1, 1]}),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}),
        ({"tags": [{"key": "a", "value": "1"}]}, {"tags": [{"key": "a", "value": "2"}]}),
        ({"id": A}, {"id": A[:-1]}),
        ({"id": A, "other": A}, {"id": B, "other": C}),
        ({"id": A, "other": B}, {"id": C, "other": C}),
        ({"uri": f"x/{A}/y"}, {"uri": f"x/{B}/z"}),
        ([{"experiment_id": "1"}, {"experiment_id": "1"}], [{"experiment_id": "7"}, {"experiment_id": "8"}]),
        ("text", "other"),
        ({}, "text"),
    ],
)
def test_a_difference_is_seen(stock: Any, ours: Any) -> None:
    assert unexcused(stock, ours)


@pytest.mark.parametrize(
    ("stock", "ours"),
    [
        ({"a": 1, "b": [1, {"c": None}]}, {"b": [1, {"c": None}], "a": 1}),
        ({"id": A, "again": A, "uri": f"x/{A}"}, {"id": B, "again": B, "uri": f"x/{B}"}),
        ({"run": {"experiment_id": "1"}}, {"run": {"experiment_id": "123"}}),
        (
            {"tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]},
            {"tags": [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}]},
        ),
    ],
)
def test_the_same_is_the_same(stock: Any, ours: Any) -> None:
    assert not unexcused(stock, ours)


def test_a_row_excuses_a_value_and_nothing_else() -> None:
    row = Ignored("case", "body/*/time", "a reason")
    assert not unexcused({"a": {"time": 1}}, {"a": {"time": 2}}, row)
    assert unexcused({"a": {"time": 1}}, {"a": {"time": "2"}}, row)
    assert unexcused({"a": {"time": 1}}, {"a": {}}, row)
    assert not unexcused({"a": {"time": 1}}, {"a": {}}, row._replace(anything=True))
    assert unexcused({"a": {"time": 1}}, {"a": {"time": 2}}, row._replace(case="other"))
    assert unexcused({"a": {"time": 1}}, {"a": {"time": 2}}, row._replace(ours="3"))


def test_another_status_is_one_difference_and_excused_as_such() -> None:
    stock, ours = {"case": Answer(500, "page")}, {"case": Answer(400, {"error_code": "X"})}
    assert len(compare(stock, ours, []).unexcused) == 1
    assert not compare(stock, ours, [Ignored("case", "status", "a reason")]).unexcused


def test_a_case_that_one_side_lacks_is_a_difference() -> None:
    assert compare({"case": Answer(200, {})}, {}, []).unexcused
    assert compare({}, {"case": Answer(200, {})}, []).unexcused


def test_a_row_that_excuses_nothing_is_told_where_its_case_was_asked() -> None:
    needed, idle, elsewhere = (
        Ignored("case", "body/a", "a reason"),
        Ignored("case", "body/b", "a reason"),
        Ignored("other", "body/b", "a reason"),
    )
    told = compare({"case": Answer(200, {"a": 1})}, {"case": Answer(200, {"a": 2})}, [needed, idle, elsewhere])
    assert told.unused == [idle]
