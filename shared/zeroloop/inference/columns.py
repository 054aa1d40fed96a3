"""Rows of a table as numbers: standardised numeric columns and one-hot categories."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zeroloop.errors import InvalidInput
from zeroloop.inference.parameters import PATH, checked, finite

MAX_COLUMNS = 1000
MAX_WIDTH = 16_384
FEW_CELLS = 24
"""Up to here a loop (about 0.7 us a cell) beats setting numpy up (about 17 us)."""
MAX_SCORE = float(np.finfo(np.float32).max)


class Numeric(NamedTuple):
    """A column of finite numbers, standardised to (value - mean) / std, with std > 0."""

    name: str
    nullable: bool
    mean: float
    std: float

    @property
    def width(self) -> int:
        """Places in the encoded row."""
        return 1

    def score(self, value: Any, where: str) -> float:
        """The standardised value, which float32 can hold; null is the mean, where it is allowed."""
        if value is None and self.nullable:
            return 0.0
        score = (finite(value, where) - self.mean) / self.std
        if not abs(score) <= MAX_SCORE:
            raise InvalidInput("is too far from the values that the model knows", field=where)
        return score


class Categorical(NamedTuple):
    """A column of strings: one place for each of `values`, and a last one for all others."""

    name: str
    nullable: bool
    values: Mapping[str, int]

    @property
    def width(self) -> int:
        """Places in the encoded row."""
        return len(self.values) + 1

    def place(self, value: Any, where: str) -> int:
        """Where the 1 stands within the column's places; null is an unknown value, where it is allowed."""
        if value is None and self.nullable:
            return len(self.values)
        if type(value) is not str:
            raise InvalidInput("must be a string", field=where)
        return self.values.get(value, len(self.values))


class Columns:
    """The columns of a row, one after the other in the order of the parameters; every one must be there, and no other.

    Parameters
    ----------
    parameters
        columns: 1 to 1000 of ``{"name", "type": "numeric", "mean", "std"}`` and
        ``{"name", "type": "categorical", "values": [string, ...]}``, each with ``"nullable": true`` where null is
        allowed. Together at most 16,384 places.

    Attributes
    ----------
    described
        Of each column its name, whether it is numeric, and whether null is allowed.
    placed
        Each column, and where its places begin in the encoded row.

    """

    kind = "columns"
    code_version = 1
    field = "features"
    dtype = "float32"
    largest: int | None = None

    def __init__(self, parameters: Mapping[str, Any], _tokenizer: bytes | None = None) -> None:
        columns = _columns(checked(parameters, {"columns"}))
        ends = list(accumulate(column.width for column in columns))
        starts = [end - column.width for end, column in zip(ends, columns, strict=True)]
        self.placed = placed = list(zip(columns, starts, strict=True))
        self.width = ends[-1]
        self.described = [(column.name, isinstance(column, Numeric), column.nullable) for column in columns]
        self._names = {column.name for column in columns}
        self._numeric = [column for column in columns if isinstance(column, Numeric)]
        self._places = [start for column, start in placed if isinstance(column, Numeric)]
        self._categorical = [(column, start) for column, start in placed if isinstance(column, Categorical)]
        self._means = np.array([column.mean for column in self._numeric])
        self._stds = np.array([column.std for column in self._numeric])

    def encode(self, values: Sequence[Any], where: Sequence[str]) -> NDArray[np.float32]:
        """(batch, width) numbers of `values`, objects of column to value; `where` names each one for the caller.

        Raises
        ------
        InvalidInput
            Names the column that is missing, unknown, of the wrong type, not finite or beyond float32.
        """
        for value, place in zip(values, where, strict=True):
            self._check_names(value, place)
        rows = np.zeros((len(values), self.width), np.float32)
        rows[:, self._places] = self._scores(values, where)
        for column, start in self._categorical:
            places = [
                start + column.place(row[column.name], f"{at}.{column.name}")
                for row, at in zip(values, where, strict=True)
            ]
            rows[np.arange(len(values)), places] = 1
        return rows

    def features(self, values: Sequence[dict[str, Any]], _rows: NDArray[np.float32]) -> list[dict[str, Any]]:
        """The numbers as given and the categories that the model knows; null for any other, which may be words."""
        known = {column.name: column.values for column, _ in self._categorical}
        return [
            {name: None if name in known and cell not in known[name] else cell for name, cell in row.items()}
            for row in values
        ]

    def _check_names(self, row: Any, where: str) -> None:
        if not isinstance(row, dict):
            raise InvalidInput("must be an object of column to value", field=where)
        if row.keys() != self._names:
            for name in sorted(self._names - row.keys()):
                raise InvalidInput("is missing", field=f"{where}.{name}")
            raise InvalidInput("is not a column of this model", field=f"{where}.{min(row.keys() - self._names)!s:.80}")

    def _scores(self, rows: Sequence[dict[str, Any]], where: Sequence[str]) -> NDArray[np.float64]:
        """(batch, numeric columns) standardised; all at once, or one by one when any is out of the ordinary."""
        shape = (len(rows), len(self._numeric))
        cells = [[row[column.name] for column in self._numeric] for row in rows]
        if shape[0] * shape[1] > FEW_CELLS and set(map(type, chain.from_iterable(cells))) <= {int, float}:
            with suppress(OverflowError), np.errstate(all="ignore"):
                scores: NDArray[np.float64] = (np.array(cells, np.float64).reshape(shape) - self._means) / self._stds
                if (np.abs(scores) <= MAX_SCORE).all():
                    return scores
        slow = [
            [column.score(cell, f"{at}.{column.name}") for column, cell in zip(self._numeric, row, strict=True)]
            for row, at in zip(cells, where, strict=True)
        ]
        return np.array(slow, np.float64).reshape(shape)


def _columns(parameters: Mapping[str, Any]) -> list[Numeric | Categorical]:
    listed, path = parameters.get("columns"), f"{PATH}.columns"
    if type(listed) is not list or not 1 <= len(listed) <= MAX_COLUMNS:
        raise InvalidInput(f"must be a list of 1 to {MAX_COLUMNS} columns", field=path)
    columns = [_column(column, f"{path}[{i}]") for i, column in enumerate(listed)]
    if len({column.name for column in columns}) < len(columns):
        raise InvalidInput("must have different names", field=path)
    if sum(column.width for column in columns) > MAX_WIDTH:
        raise InvalidInput(f"take more than {MAX_WIDTH} places", field=path)
    return columns


def _column(column: Any, path: str) -> Numeric | Categorical:
    if type(column) is not dict:
        raise InvalidInput("must be an object", field=path)
    name, nullable = column.get("name"), column.get("nullable", False)
    if type(name) is not str or not 1 <= len(name) <= 200:
        raise InvalidInput("must be a string of 1 to 200 characters", field=f"{path}.name")
    if type(nullable) is not bool:
        raise InvalidInput("must be true or false", field=f"{path}.nullable")
    if column.get("type") == "numeric":
        _only(column, {"name", "type", "nullable", "mean", "std"}, path)
        return Numeric(name, nullable, finite(column.get("mean"), f"{path}.mean"), _std(column, f"{path}.std"))
    if column.get("type") == "categorical":
        _only(column, {"name", "type", "nullable", "values"}, path)
        return Categorical(name, nullable, _values(column.get("values"), f"{path}.values"))
    raise InvalidInput("must be numeric or categorical", field=f"{path}.type")


def _only(column: dict[str, Any], names: set[str], path: str) -> None:
    for name in column.keys() - names:
        raise InvalidInput("unknown parameter", field=f"{path}.{name!s:.80}")


def _std(column: dict[str, Any], path: str) -> float:
    std = finite(column.get("std"), path)
    if std <= 0:
        raise InvalidInput("must be more than 0", field=path)
    return std


def _values(values: Any, path: str) -> dict[str, int]:
    """Place of each category."""
    if type(values) is not list or not 1 <= len(values) <= MAX_WIDTH:
        raise InvalidInput(f"must be a list of 1 to {MAX_WIDTH} strings", field=path)
    if {type(value) for value in values} != {str}:
        raise InvalidInput("must be strings", field=path)
    if len(set(values)) < len(values):
        raise InvalidInput("must be different", field=path)
    return {value: place for place, value in enumerate(values)}
