"""Metric points as bytes whose order is the points' own: what is greater in DynamoDB's eyes is later. Pure.

A point takes 24 bytes: three big-endian integers of 64 bits. Whole numbers are shifted to be unsigned; floats keep
their order by flipping the sign bit, or, if negative, all bits (M. Herf, Radix Tricks, 2001). NaN is below all of them,
and minus zero is zero.
"""

import math
import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

SIZE = 24

_PACKED = struct.Struct(">QQQ")
_FLOAT, _BITS = struct.Struct(">d"), struct.Struct(">Q")
_SHIFT = 1 << 63
_ALL = (1 << 64) - 1


class Point(NamedTuple):
    """One value of a metric, in the order of its history. `timestamp` in ms since 1970; all but `value` int64."""

    timestamp: int
    step: int
    value: float


def pack_latest(point: Point) -> bytes:
    """`point` so that bytes compare as (step, timestamp, value): the greatest is the latest."""
    return _PACKED.pack(point.step + _SHIFT, point.timestamp + _SHIFT, _order(point.value))


def unpack_latest(data: bytes) -> Point:
    """The point that `pack_latest` packed."""
    step, timestamp, value = _PACKED.unpack(data)
    return Point(timestamp - _SHIFT, step - _SHIFT, _float(value))


def latest_value(data: bytes) -> float:
    """The value of the point that `pack_latest` packed."""
    return _float(_BITS.unpack_from(data, 16)[0])


def pack_history(points: Iterable[Point]) -> bytes:
    """`points` in the order of (timestamp, step, value), each once, 24 bytes a point."""
    packed = {_PACKED.pack(point.timestamp + _SHIFT, point.step + _SHIFT, _order(point.value)) for point in points}
    return b"".join(sorted(packed))


def split_history(data: bytes) -> Iterator[bytes]:
    """The packed points of a chunk, each comparable with those of other chunks."""
    return (data[start : start + SIZE] for start in range(0, len(data), SIZE))


def unpack_history(packed: Iterable[bytes]) -> list[Point]:
    """Packed points as points; all at once, since a page has 25,000."""
    data = b"".join(packed)
    n = len(data) // SIZE
    whole = struct.unpack(f">{3 * n}Q", data)
    timestamps, steps = ([number - _SHIFT for number in whole[column::3]] for column in (0, 1))
    values = struct.unpack(f">{n}d", struct.pack(f">{n}Q", *map(_bits, whole[2::3])))
    return list(map(Point._make, zip(timestamps, steps, values, strict=True)))


def _order(value: float) -> int:
    if math.isnan(value):
        return 0
    bits: int = _BITS.unpack(_FLOAT.pack(value + 0.0))[0]
    return bits ^ _ALL if bits & _SHIFT else bits | _SHIFT


def _bits(order: int) -> int:
    return order ^ _SHIFT if order & _SHIFT else order ^ _ALL  # of 0 all bits, which are a NaN


def _float(order: int) -> float:
    value: float = _FLOAT.unpack(_BITS.pack(_bits(order)))[0]
    return value
