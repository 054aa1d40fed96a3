"""Parameters of preprocessing as a package states them: they may be hostile, so each is checked and bounded."""

import math
from collections.abc import Collection, Mapping
from typing import Any

from zeroloop.errors import InvalidInput

PATH = "preprocessing.parameters"
"""Where parameters stand in package.json."""


def checked(parameters: Any, names: Collection[str]) -> Mapping[str, Any]:
    """`parameters`, which must be an object with none but these names.

    Raises
    ------
    InvalidInput
        Names the first parameter, in their order, that isn't known.
    """
    if not isinstance(parameters, Mapping):
        raise InvalidInput("must be an object", field=PATH)
    for name in parameters:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise InvalidInput(f"unknown parameter; known are {known}", field=f"{PATH}.{name!s:.80}")
    return parameters


def integer(parameters: Mapping[str, Any], name: str, bounds: tuple[int, int], default: int | None = None) -> int:
    """The whole number `name`, within `bounds` (both inclusive); without a default it is required."""
    least, most = bounds
    value = parameters.get(name, default)
    if type(value) is not int or not least <= value <= most:
        raise InvalidInput(f"must be a whole number from {least} to {most}", field=f"{PATH}.{name}")
    return value


def finite(value: Any, field: str) -> float:
    """`value` as a finite float; true and false are no numbers."""
    if type(value) in {int, float} and abs(value) <= 1e300 and math.isfinite(value):  # 1e300: no overflow in float()
        return float(value)
    raise InvalidInput("must be a finite number", field=field)
