"""Texts of which the archive keeps their hashed words alone: they train and measure as the texts did."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroloop.inference.preprocessing import Encoder


class Hashed(str):
    """A text's ids in decimal, with spaces between: `"17 4031"`. They mean nothing but under their preprocessing."""

    __slots__ = ()

    @property
    def ids(self) -> list[int]:
        """The ids, in the order of the words."""
        return [int(one) for one in self.split()]


def encode(encoder: Encoder, values: Sequence[Any], where: Sequence[str]) -> NDArray[Any]:
    """As `encoder.encode`, also of hashed texts, which stand for the row that was made of them."""
    told = [i for i, value in enumerate(values) if not isinstance(value, Hashed)]
    if len(told) == len(values):
        return encoder.encode(values, where)
    rows = np.zeros((len(values), encoder.width), encoder.dtype)
    if told:
        rows[told] = encoder.encode([values[i] for i in told], [where[i] for i in told])
    for row, value in zip(rows, values, strict=True):
        if isinstance(value, Hashed):
            row[: len(value.ids)] = value.ids
    return rows
