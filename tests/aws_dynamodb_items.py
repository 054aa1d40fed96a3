"""The size of a DynamoDB item to the byte, as it is billed and limited."""

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.aws_hook import invalid

Value = Mapping[str, Any]
Item = Mapping[str, Value]


def item_bytes(item: Item) -> int:
    """Size as it is billed and limited: names and values, UTF-8."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Value) -> int:
    """Size of one attribute value, its name not included."""
    if len(value) != 1:
        wrong = "has more than one datatypes set" if value else "is empty"
        raise invalid(f"Supplied AttributeValue {wrong}, must contain exactly one of the supported datatypes")
    ((kind, content),) = value.items()
    if kind in {"SS", "NS", "BS"}:
        return sum(_scalar_bytes(kind[0], member) for member in content)
    if kind == "L":
        return 3 + sum(1 + value_bytes(member) for member in content)
    if kind == "M":
        return 3 + len(content) + item_bytes(content)
    return _scalar_bytes(kind, content)


def _scalar_bytes(kind: str, content: Any) -> int:
    if kind == "N":
        return number_bytes(content)
    if kind in {"BOOL", "NULL"}:
        return 1
    return len(content.encode()) if isinstance(content, str) else len(content)


def number_bytes(text: str) -> int:
    """One byte, one for each two digits before and after the point, one for a minus; outer zeros are free.

    Measured by dynamodb-conformance; the developer guide's rule of thumb is a byte short for 3.14159.

    >>> [number_bytes(n) for n in ("123456", "3.14159", "1E125", "-10")]
    [4, 5, 2, 3]
    """
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return len(text)  # not a number: the service's own refusal is the better one
    significant = "".join(map(str, digits)).rstrip("0")
    after = min(len(significant), max(0, len(significant) - len(digits) - int(exponent)))
    return 1 + math.ceil((len(significant) - after) / 2) + math.ceil(after / 2) + sign
