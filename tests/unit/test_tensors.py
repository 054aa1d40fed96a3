"""Tensors as callers write them: every dtype, every shape, and every refusal by its place."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zeroloop.errors import InvalidInput
from zeroloop.inference.package import Tensor
from zeroloop.inference.tensors import DATATYPES, Given, array, bounds, rows, whole

IDS = Tensor("ids", "int32", [-1, 2], minimum=0, maximum=9)


def sent(data: list[Any], shape: list[int], datatype: str) -> Given:
    return Given(data, shape, datatype, "inputs[0]")


def refused(tensor: Tensor, data: list[Any], shape: list[int], datatype: str | None = None) -> tuple[str | None, str]:
    with pytest.raises(InvalidInput) as refusal:
        array(tensor, sent(data, shape, datatype or DATATYPES[tensor.dtype]))
    return refusal.value.field, refusal.value.message


@pytest.mark.parametrize("dtype", sorted(DATATYPES.keys() - {"string", "bool"}))
def test_numbers_of_every_dtype_are_taken_to_their_ends(dtype: str) -> None:
    tensor = Tensor("x", dtype, [-1])  # type: ignore[arg-type]
    ends = list(bounds(tensor))
    taken = array(tensor, sent(ends, [2], DATATYPES[dtype]))
    assert taken.dtype == dtype
    assert taken.tolist() == ends
    for beyond in (ends[0] * 1.001 - 1, ends[1] * 1.001 + 1):
        number = beyond if dtype.startswith("float") else int(beyond)
        field, message = refused(tensor, [0, number], [2])
        assert field == "inputs[0].data[1]"
        assert message.startswith("must be from")


def test_truth_and_text_are_taken() -> None:
    assert array(Tensor("x", "bool", [-1]), sent([True, False], [2], "BOOL")).tolist() == [True, False]
    taken = array(Tensor("x", "string", [-1, 1]), sent([["a"], ["\u00e4\0"]], [2, 1], "BYTES"))
    assert taken.tolist() == [[b"a"], [b"\xc3\xa4\0"]]


@given(
    arrays.arrays(np.float64, arrays.array_shapes(min_dims=1, max_dims=4), elements=st.floats(-1e300, 1e300)), st.data()
)
@settings(max_examples=50)
def test_flat_and_nested_data_are_the_same_tensor(value: Any, data: st.DataObject) -> None:
    free = data.draw(st.lists(st.booleans(), min_size=value.ndim, max_size=value.ndim))
    shape = [-1 if one else size for one, size in zip(free, value.shape, strict=True)]
    tensor = Tensor("x", "float64", shape)
    for written in (value.tolist(), value.ravel().tolist()):
        taken = array(tensor, sent(written, list(value.shape), "FP64"))
        assert taken.tolist() == value.tolist()


@pytest.mark.parametrize(
    ("data", "shape", "datatype", "field", "message"),
    [
        ([-1, 0], [1, 2], "INT32", "data[0]", "must be from 0 to 9"),
        ([0, 10], [1, 2], "INT32", "data[1]", "must be from 0 to 9"),
        ([[0, 1], [2, 99]], [2, 2], "INT32", "data[3]", "must be from 0 to 9"),
        ([0, 1.0], [1, 2], "INT32", "data[1]", "must be a whole number"),
        ([0, True], [1, 2], "INT32", "data[1]", "must be a whole number"),
        ([0, None], [1, 2], "INT32", "data[1]", "must be a whole number"),
        ([0, "1"], [1, 2], "INT32", "data[1]", "must be a whole number"),
        ([0, 10**400], [1, 2], "INT32", "data[1]", "must be from 0 to 9"),
        ([0, 1], [1, 2], "INT64", "datatype", "ids is INT32, not INT64"),
        ([0, 1], [1, 2], "int32", "datatype", "ids is INT32, not int32"),
        ([0, 1], [2], "INT32", "shape", "ids has the shape [-1, 2], where -1 varies, not [2]"),
        ([0, 1, 2], [1, 3], "INT32", "shape", "not [1, 3]"),
        ([], [0, 2], "INT32", "shape", "not [0, 2]"),
        ([0, 1], [1, 2], "x" * 1000, "datatype", f"ids is INT32, not {'x' * 80}"),
        ([0, 1], [1] * 1000, "INT32", "shape", "ids has the shape"),
        ([0, 1, 2], [1, 2], "INT32", "data", "has 3 elements"),
        ([], [1, 2], "INT32", "data", "has 0 elements"),
        ([0, 1], [10**30, 2], "INT32", "data", "has 2 elements"),
        ([[0, 1, 2]], [1, 2], "INT32", "data", "is not nested as the shape [1, 2] says"),
        ([[0], [1]], [1, 2], "INT32", "data", "is not nested"),
        ([[0, 1], 2], [2, 2], "INT32", "data", "is not nested"),
        ([[0, [1]]], [1, 2], "INT32", "data[1]", "must be a whole number"),
        ([{"a": 1}, 1], [1, 2], "INT32", "data[0]", "must be a whole number"),
    ],
)
def test_what_breaks_the_signature_is_refused_by_its_place(
    data: list[Any], shape: list[int], datatype: str, field: str, message: str
) -> None:
    at_fault, said = refused(IDS, data, shape, datatype)
    assert at_fault == f"inputs[0].{field}"
    assert message in said
    assert len(said) < 400


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e39, 10**400])
def test_nan_infinities_and_what_float32_can_not_hold_are_refused(number: Any) -> None:
    at_fault, said = refused(Tensor("x", "float32", [-1]), [1.5, number], [2])
    assert at_fault == "inputs[0].data[1]"
    assert said.startswith("must be from -3.40")


@pytest.mark.parametrize(
    ("tensor", "data", "message"),
    [
        (Tensor("x", "bool", [-1]), [True, 1], "must be true or false"),
        (Tensor("x", "string", [-1]), ["a", 1], "must be a string"),
        (Tensor("x", "string", [-1]), ["a", "\ud800"], "half a surrogate pair"),
        (Tensor("x", "float32", [-1]), [0.5, True], "must be a number"),
    ],
)
def test_an_element_of_another_type_is_refused(tensor: Tensor, data: list[Any], message: str) -> None:
    at_fault, said = refused(tensor, data, [2])
    assert at_fault == "inputs[0].data[1]"
    assert message in said
    assert len(said) < 400


def test_rows_are_nested_values_of_one_shape() -> None:
    tensor = Tensor("x", "float32", [-1, -1])
    assert rows(tensor, [[1, 2], [3, 4]], ["a", "b"]).tolist() == [[1, 2], [3, 4]]
    assert rows(Tensor("x", "float32", [-1]), [1, 2], ["a", "b"]).tolist() == [1, 2]
    with pytest.raises(InvalidInput, match="one shape") as refusal:
        rows(tensor, [[1, 2], [3]], ["a", "b"])
    assert refusal.value.field == "b"


def test_a_size_that_varies_goes_up_to_the_greatest() -> None:
    tensor = Tensor("x", "float32", [-1, -1, 2], [-1, 3, 2])
    assert array(tensor, sent([0] * 6, [1, 3, 2], "FP32")).shape == (1, 3, 2)
    at_fault, said = refused(tensor, [0] * 8, [1, 4, 2])
    assert (at_fault, said) == (
        "inputs[0].shape", "x has the shape [-1, -1, 2] up to [-1, 3, 2], where -1 varies, not [1, 4, 2]"
    )  # fmt: skip
    with pytest.raises(InvalidInput, match=r"has the shape \[1, 4, 2\], wanted is .* up to \[-1, 3, 2\]") as refusal:
        rows(tensor, [[[0, 0]] * 4], ["instances[0].inputs.x"])
    assert refusal.value.field == "instances[0].inputs.x"


@pytest.mark.parametrize("value", [[], [[]], 1, [1, [2]], [[1], [2]], [None], {}])
def test_a_row_of_another_shape_or_type_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput) as refusal:
        rows(Tensor("x", "float32", [-1, 2]), [value], ["instances[0].inputs.x"])
    assert refusal.value.field
    assert refusal.value.field.startswith("instances[0].inputs.x")


def test_a_whole_tensor_is_taken_as_it_is() -> None:
    assert whole(Tensor("x", "float32", []), 2.5, "x").shape == ()
    assert whole(Tensor("x", "float32", [2, 1]), [[1], [2]], "x").tolist() == [[1], [2]]
