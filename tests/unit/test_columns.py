"""Columns of a table: standardised numbers, one-hot categories, and what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.errors import InvalidInput
from zeroloop.inference.columns import FEW_CELLS, MAX_WIDTH, Columns

AGE = {"name": "age", "type": "numeric", "mean": 40.0, "std": 8}
COLOUR = {"name": "colour", "type": "categorical", "values": ["red", "blue"]}
SIZE = {"name": "size", "type": "numeric", "mean": 1, "std": 0.5, "nullable": True}
SHAPE = {"name": "shape", "type": "categorical", "values": ["round"], "nullable": True}
ALL = {"columns": [AGE, COLOUR, SIZE, SHAPE]}
ROW = {"age": 44, "colour": "blue", "size": 0.75, "shape": "round"}


def encode(*rows: Any, parameters: dict[str, Any] = ALL) -> Any:
    return Columns(parameters).encode(rows, [f"instances[{i}].features" for i in range(len(rows))])


def test_a_row_is_the_one_worked_out_by_hand() -> None:
    # age 4 of 8 above its mean; red, blue, other; size 0.25 of 0.5 below; round, other
    rows = encode(ROW)
    assert rows.tolist() == [[0.5, 0, 1, 0, -0.5, 1, 0]]
    assert rows.dtype == np.float32


def test_the_order_of_a_rows_keys_does_not_matter() -> None:
    assert np.array_equal(encode(dict(reversed(ROW.items()))), encode(ROW))


def test_an_unlisted_category_and_a_null_take_the_last_place() -> None:
    rows = encode({**ROW, "colour": "green", "shape": None}, {**ROW, "colour": "green", "shape": "square"})
    assert rows[0].tolist() == [0.5, 0, 0, 1, -0.5, 0, 1]
    assert np.array_equal(rows[0], rows[1])


def test_a_null_number_is_the_mean() -> None:
    assert encode({**ROW, "size": None}).tolist() == [[0.5, 0, 1, 0, 0, 1, 0]]


@pytest.mark.parametrize("column", [AGE, COLOUR])
def test_a_table_may_have_columns_of_one_type_only(column: dict[str, Any]) -> None:
    row = {column["name"]: ROW[column["name"]]}
    assert encode(row, row, parameters={"columns": [column]}).shape[0] == 2


def test_no_rows_make_an_empty_array_of_the_right_width() -> None:
    assert encode().shape == (0, Columns(ALL).width) == (0, 7)


@given(st.lists(st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6), min_size=1))
def test_few_and_many_rows_are_encoded_alike_whatever_stands_beside_them(ages: list[float]) -> None:
    rows = [{**ROW, "age": age} for age in ages]
    together = encode(*rows * FEW_CELLS)[: len(rows)]
    assert np.array_equal(encode(*rows, {**ROW, "size": None})[:-1], together)
    assert np.allclose(together[:, 0], (np.array(ages) - 40) / 8)


@pytest.mark.parametrize(
    ("row", "field", "message"),
    [
        ("text", "", "must be an object"),
        (None, "", "must be an object"),
        ({key: value for key, value in ROW.items() if key != "age"}, ".age", "is missing"),
        ({**ROW, "height": 1}, ".height", "is not a column"),
        ({**ROW, "age": "44"}, ".age", "must be a finite number"),
        ({**ROW, "age": True}, ".age", "must be a finite number"),
        ({**ROW, "age": None}, ".age", "must be a finite number"),
        ({**ROW, "age": [44]}, ".age", "must be a finite number"),
        ({**ROW, "age": float("nan")}, ".age", "must be a finite number"),
        ({**ROW, "size": float("-inf")}, ".size", "must be a finite number"),
        ({**ROW, "age": 10**400}, ".age", "must be a finite number"),
        ({**ROW, "size": 1e300}, ".size", "too far"),
        ({**ROW, "colour": 3}, ".colour", "must be a string"),
        ({**ROW, "colour": None}, ".colour", "must be a string"),
        ({**ROW, "shape": ["round"]}, ".shape", "must be a string"),
    ],
)
def test_refuses_a_row_and_names_the_column(row: Any, field: str, message: str) -> None:
    for before in (1, FEW_CELLS):
        with pytest.raises(InvalidInput, match=message) as refusal:
            encode(*[ROW] * before, row)
        assert refusal.value.field == f"instances[{before}].features{field}"


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ([], ""),
        ({"rows": 1}, ".rows"),
        ({}, ".columns"),
        ({"columns": []}, ".columns"),
        ({"columns": {}}, ".columns"),
        ({"columns": [AGE, AGE]}, ".columns"),
        ({"columns": [{**AGE, "name": str(i)} for i in range(1001)]}, ".columns"),
        ({"columns": [AGE, {**COLOUR, "values": [str(i) for i in range(MAX_WIDTH)]}]}, ".columns"),
        ({"columns": ["age"]}, ".columns[0]"),
        ({"columns": [AGE, {**COLOUR, "name": ""}]}, ".columns[1].name"),
        ({"columns": [{**AGE, "type": "date"}]}, ".columns[0].type"),
        ({"columns": [{**AGE, "std": 0}]}, ".columns[0].std"),
        ({"columns": [{**AGE, "std": -1}]}, ".columns[0].std"),
        ({"columns": [{**AGE, "mean": None}]}, ".columns[0].mean"),
        ({"columns": [{**AGE, "mean": 10**400}]}, ".columns[0].mean"),
        ({"columns": [{**AGE, "values": []}]}, ".columns[0].values"),
        ({"columns": [{**AGE, "nullable": 1}]}, ".columns[0].nullable"),
        ({"columns": [{**COLOUR, "values": []}]}, ".columns[0].values"),
        ({"columns": [{**COLOUR, "values": ["a", 1]}]}, ".columns[0].values"),
        ({"columns": [{**COLOUR, "values": ["a", "a"]}]}, ".columns[0].values"),
        ({"columns": [{**COLOUR, "mean": 1}]}, ".columns[0].mean"),
    ],
)
def test_refuses_parameters_and_names_them(parameters: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        Columns(parameters)
    assert refusal.value.field == f"preprocessing.parameters{field}"


def test_the_log_keeps_numbers_and_known_categories_and_no_words_of_the_caller() -> None:
    rows = [ROW, {**ROW, "colour": "Jane Doe, 12 High Street", "size": None, "shape": None}]
    encoder = Columns(ALL)
    encoded = encoder.encode(rows, ["features"] * 2)
    assert encoder.features(rows, encoded) == [ROW, {**ROW, "colour": None, "size": None, "shape": None}]
