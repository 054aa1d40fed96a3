"""Tensors as callers write them: data of a datatype and a shape, checked before the interpreter sees it. Pure.

The interpreter itself checks next to nothing: it reads what lies before a table for the id -1, and takes NaN.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zeroloop.errors import InvalidInput
from zeroloop.inference.package import Tensor
from zeroloop.inference.text import encoded

Array = NDArray[Any]

# The Open Inference Protocol's word for each dtype of a signature.
DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}
_TAKES: Mapping[str, tuple[str, set[type]]] = {
    "string": ("a string", {str}),
    "bool": ("true or false", {bool}),
    "int": ("a whole number", {int}),
    "float": ("a number", {int, float}),
}

_BOUNDS: Mapping[str, tuple[float, float]] = {
    name: (float(np.finfo(name).min), float(np.finfo(name).max))
    if name.startswith("float")
    else (int(np.iinfo(name).min), int(np.iinfo(name).max))
    for name in DATATYPES.keys() - {"bool", "string"}
}


class Given(NamedTuple):
    """A tensor as it stands in a request: data in row-major order, flat or nested, and its path there."""

    data: list[Any]
    shape: list[int]
    datatype: str
    where: str


def elements(tensor: Tensor, given: Given) -> list[Any]:
    """The elements of `given` in row-major order, after a look at its datatype, its shape and their number.

    Raises
    ------
    InvalidInput
    """
    if given.datatype != DATATYPES[tensor.dtype]:
        raise InvalidInput(
            f"{tensor.name} is {DATATYPES[tensor.dtype]}, not {given.datatype:.80}", field=f"{given.where}.datatype"
        )
    if not fits(given.shape, tensor):
        raise InvalidInput(
            f"{tensor.name} has the shape {stated(tensor)}, not {given.shape!s:.200}", field=f"{given.where}.shape"
        )
    return flattened(given.data, given.shape, f"{given.where}.data")


def array(tensor: Tensor, given: Given) -> Array:
    """`given` as the interpreter takes it; strings as UTF-8.

    Raises
    ------
    InvalidInput
        As `elements`; or names the element that is of the wrong type, not finite, or out of range.
    """
    return _made(tensor, elements(tensor, given), f"{given.where}.data").reshape(given.shape)


def listed(array: Array) -> Any:
    """`array` as nested lists; strings as str."""
    if array.dtype.hasobject:
        array = np.array([text.decode() for text in array.ravel()], object).reshape(array.shape)
    return array.tolist()


def rows(tensor: Tensor, values: Sequence[Any], where: Sequence[str]) -> Array:
    """(batch, ...) array of one nested value a row, each of the tensor's shape without its first dimension.

    Raises
    ------
    InvalidInput
        Names the row, or the element within it.
    """
    parts = [_single(tensor, [value], [1, *_depth(value)], at) for value, at in zip(values, where, strict=True)]
    for part, at in zip(parts, where, strict=True):
        if part.shape != parts[0].shape:
            raise InvalidInput("all rows of a request have one shape", field=at)
    return np.concatenate(parts)


def whole(tensor: Tensor, value: Any, where: str) -> Array:
    """The array of one nested value that is the whole tensor; InvalidInput names the element at fault."""
    return _single(tensor, value if type(value) is list else [value], _depth(value), where)


def _single(tensor: Tensor, nested: list[Any], shape: list[int], where: str) -> Array:
    if not fits(shape, tensor):
        raise InvalidInput(f"has the shape {shape}, wanted is {stated(tensor)}", field=where)
    return _made(tensor, flattened(nested, shape, where), where).reshape(shape)


def _depth(value: Any) -> list[int]:
    """The shape of a nested list, by its first elements."""
    shape = []
    while type(value) is list:
        shape.append(len(value))
        value = value[0] if value else None
    return shape


def fits(shape: Sequence[int], tensor: Tensor) -> bool:
    """Whether `tensor` may have that shape: -1 stands for any size but 0, up to that of `max_shape`."""
    return len(shape) == len(tensor.shape) and all(
        size == wanted or (wanted == -1 and size > 0 and (most == -1 or size <= most))
        for size, wanted, most in zip(shape, tensor.shape, tensor.greatest, strict=True)
    )


def stated(tensor: Tensor) -> str:
    """The shapes that `tensor` may have, in words."""
    most = "" if tensor.max_shape is None else f" up to {tensor.max_shape}"
    return f"{tensor.shape}{most}, where -1 varies"


def flattened(data: list[Any], shape: Sequence[int], where: str) -> list[Any]:
    """The elements of `data`, flat or nested as `shape` says, in row-major order."""
    if list not in set(map(type, data)):
        if len(data) != math.prod(shape):
            raise InvalidInput(f"has {len(data):,} elements, the shape {list(shape)} has another number", field=where)
        return data
    level = [data]
    for size in shape:
        if any(type(part) is not list or len(part) != size for part in level):
            raise InvalidInput(f"is not nested as the shape {list(shape)} says", field=where)
        level = list(chain.from_iterable(level))
    return level


def _made(tensor: Tensor, flat: list[Any], where: str) -> Array:
    kinds = set(map(type, flat))
    what, takes = _TAKES.get(tensor.dtype) or _TAKES["float" if tensor.dtype.startswith("float") else "int"]
    if not kinds <= takes:
        i = next(i for i, value in enumerate(flat) if type(value) not in takes)
        raise InvalidInput(f"must be {what}", field=f"{where}[{i}]")
    if tensor.dtype == "string":
        return np.array([encoded(text, f"{where}[{i}]") for i, text in enumerate(flat)], object)
    return np.array(flat, bool) if tensor.dtype == "bool" else _numbers(tensor, flat, where)


def _numbers(tensor: Tensor, flat: list[Any], where: str) -> Array:
    least, most = bounds(tensor)
    with suppress(OverflowError):  # an integer that float64 can't hold
        numbers: Array = np.array(flat, np.float64) if tensor.dtype.startswith("float") else np.array(flat, object)
        if ((numbers >= least) & (numbers <= most)).all():  # NaN is neither
            return numbers.astype(tensor.dtype)
    i = next(i for i, value in enumerate(flat) if not least <= value <= most)
    raise InvalidInput(f"must be from {least} to {most}", field=f"{where}[{i}]")


def bounds(tensor: Tensor) -> tuple[float, float]:
    """The least and the greatest number that the tensor takes: its dtype's, or its own where they are narrower."""
    least, most = _BOUNDS[tensor.dtype]
    return (
        least if tensor.minimum is None else max(least, tensor.minimum),
        most if tensor.maximum is None else min(most, tensor.maximum),
    )
