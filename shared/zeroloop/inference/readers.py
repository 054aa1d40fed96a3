"""What a model takes, and how a request becomes its inputs: one reader a kind of preprocessing, for both protocols."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from msgspec import Struct

from zeroloop.errors import InvalidInput
from zeroloop.inference import preprocessing, tensors
from zeroloop.inference.columns import Columns
from zeroloop.inference.package import Package, Tensor
from zeroloop.inference.parameters import checked
from zeroloop.inference.preprocessing import Encoder
from zeroloop.inference.tensors import Array, Given
from zeroloop.inference.text import HashedNgrams

MOST_LOGGED = 256
"""Numbers of an instance of tensors that the log keeps; of pictures it keeps the digest alone."""


class Taken(Struct, frozen=True, gc=False):
    """Instances out of a request, the model's inputs for them, and, once it is asked, what the log keeps of each."""

    values: Sequence[Any]
    arrays: list[Array]
    features: Callable[[], list[Any]]


class Reader(Protocol):
    """Makes a model's inputs of requests. `field` is what the friendly protocol calls an instance's content.

    `inputs` are the tensors that the Open Inference Protocol sees; a request may leave those in `optional` out.
    `ends` are the least and the greatest whole number that each of the model's inputs can get.
    """

    encoder: Encoder | None
    field: str
    inputs: Sequence[Tensor]
    optional: frozenset[str]
    ends: Sequence[tuple[float, float] | None]

    def take(self, values: Sequence[Any], where: Sequence[str]) -> Taken:
        """Instances, one a row; `where[i]` is the path of value i, for the message of InvalidInput."""

    def read(self, given: Mapping[str, Given]) -> Taken:
        """Named tensors, which are those of `inputs`."""


class TextReader:
    """BYTES of shape [n] or [n, 1] named `text`, encoded by the package's preprocessing."""

    field = "text"
    inputs: Sequence[Tensor] = (Tensor("text", "string", [-1]),)
    optional: frozenset[str] = frozenset()

    def __init__(self, encoder: Encoder) -> None:
        self.encoder: Encoder | None = encoder
        self._seen = encoder.seen if isinstance(encoder, HashedNgrams) else partial(_seen, encoder)
        self.ends: Sequence[tuple[float, float] | None] = [None if encoder.largest is None else (0, encoder.largest)]

    def take(self, values: Sequence[Any], where: Sequence[str]) -> Taken:
        """As one input: (batch, width) ids."""
        rows, features = self._seen(values, where)
        return Taken(values, [rows], features)

    def read(self, given: Mapping[str, Given]) -> Taken:
        """As one input: (batch, width) ids."""
        text = given["text"]
        values = tensors.elements(self.inputs[0], _column(text))
        return self.take(values, [f"{text.where}.data[{i}]" for i in range(len(values))])


class ColumnsReader:
    """A tensor a column, of shape [n] or [n, 1]: FP64 for numbers, BYTES for categories.

    The protocol has no null: a nullable column that is left out is null in every row.
    """

    field = "features"
    ends: Sequence[tuple[float, float] | None] = (None,)

    def __init__(self, encoder: Columns) -> None:
        self.encoder: Encoder | None = encoder
        self._encode, self._features = encoder.encode, encoder.features
        self.inputs: Sequence[Tensor] = [
            Tensor(name, "float64" if number else "string", [-1]) for name, number, _ in encoder.described
        ]
        self.optional = frozenset(name for name, _, nullable in encoder.described if nullable)

    def take(self, values: Sequence[Any], where: Sequence[str]) -> Taken:
        """As one input: (batch, width) numbers."""
        rows = self._encode(values, where)
        return Taken(values, [rows], partial(self._features, values, rows))

    def read(self, given: Mapping[str, Given]) -> Taken:
        """As one input: (batch, width) numbers."""
        columns = {
            one.name: tensors.elements(one, _column(given[one.name])) for one in self.inputs if one.name in given
        }
        n = len(next(iter(columns.values()), [None]))
        missing = dict.fromkeys(self.optional - given.keys(), [None] * n)
        named = {**columns, **missing}
        values = [dict(zip(named, row, strict=True)) for row in zip(*named.values(), strict=True)]
        return self.take(values, [f"rows[{i}]" for i in range(n)])


class TensorsReader:
    """The model's own inputs, without preprocessing. In the friendly protocol, an object of name to nested row.

    Where the signature states a number and not -1 for the first dimension, there are no rows: an instance is the whole.
    """

    encoder: Encoder | None = None
    field = "inputs"
    optional: frozenset[str] = frozenset()

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self.inputs = inputs
        self.ends: Sequence[tuple[float, float] | None] = [
            tensors.bounds(one) if "int" in one.dtype else None for one in inputs
        ]
        self._rows = inputs[0].shape[:1] == [-1]

    def take(self, values: Sequence[Any], where: Sequence[str]) -> Taken:
        """An array an input, in the signature's order."""
        names = {one.name for one in self.inputs}
        for value, at in zip(values, where, strict=True):
            if not isinstance(value, dict):
                raise InvalidInput("must be an object of input to its row", field=at)
            for name in sorted(names ^ value.keys()):
                raise InvalidInput(
                    "is missing" if name in names else "is not an input of this model", field=f"{at}.{name!s:.80}"
                )
        if not self._rows:
            if len(values) > 1:
                raise InvalidInput("this model takes one instance at a time", field=where[1])
            return self._taken(
                [tensors.whole(one, values[0][one.name], f"{where[0]}.{one.name}") for one in self.inputs]
            )
        return self._taken(
            [
                tensors.rows(one, [value[one.name] for value in values], [f"{at}.{one.name}" for at in where])
                for one in self.inputs
            ]
        )

    def read(self, given: Mapping[str, Given]) -> Taken:
        """An array an input, in the signature's order."""
        return self._taken([tensors.array(one, given[one.name]) for one in self.inputs])

    def _taken(self, arrays: list[Array]) -> Taken:
        columns = [tensors.listed(array) if self._rows else [tensors.listed(array)] for array in arrays]
        names = [one.name for one in self.inputs]
        values = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        n_numbers = sum(array.size for array in arrays) / len(values)
        kept = [one.name for one in self.inputs if one.dtype != "string" and n_numbers <= MOST_LOGGED]
        return Taken(values, arrays, lambda: [{name: value[name] for name in kept} or None for value in values])


def reader(package: Package, tokenizer: bytes | None) -> Reader:
    """The reader of a package; `tokenizer` is its tokenizer.json.

    Raises
    ------
    InvalidInput
        Names the parameter of preprocessing that is unknown, of the wrong type or out of bounds.
    """
    declared = package.preprocessing
    if declared.kind == preprocessing.TENSORS:
        checked(declared.parameters, ())
        return TensorsReader(package.signature.inputs)
    encoder = preprocessing.encoder(declared.kind, declared.parameters, tokenizer)
    return ColumnsReader(encoder) if isinstance(encoder, Columns) else TextReader(encoder)


def _seen(encoder: Encoder, values: Sequence[Any], where: Sequence[str]) -> tuple[Array, Callable[[], list[Any]]]:
    rows = encoder.encode(values, where)
    return rows, partial(encoder.features, values, rows)


def _column(given: Given) -> Given:
    """A column of shape [n, 1] as one of shape [n]."""
    if given.shape[1:] != [1]:
        return given
    return given._replace(data=tensors.flattened(given.data, given.shape, f"{given.where}.data"), shape=given.shape[:1])
