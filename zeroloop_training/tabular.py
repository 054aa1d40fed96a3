"""A model of a table's rows as a package, proven to answer what it answered where it was trained."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zeroloop.digests import canonical, sha256
from zeroloop.errors import InvalidInput
from zeroloop.inference import golden
from zeroloop.inference.answers import Answer
from zeroloop.inference.model import Model
from zeroloop.inference.package import LEAST_GOLDEN, Dataset
from zeroloop_training.packaging import Draft, HeldOut, Rows, build, number, predict

TOLERANCE = 1e-5
"""How far an answer may be from the trained model's, of 1 or of the number itself: float32 has 7 digits."""
N_GOLDEN = 5

Column = Mapping[str, Any]


class Table(NamedTuple):
    """Rows, an array or a data frame (rows, columns), and what is true of each: its class, or its number."""

    rows: Any
    truth: Any


def names(rows: Any) -> list[str]:
    """The columns' names; an array's are x0, x1, ..., as scikit-learn calls them."""
    columns = getattr(rows, "columns", None)
    return [f"x{i}" for i in range(np.shape(rows)[1])] if columns is None else [str(name) for name in columns]


def plain(name: str, mean: float = 0.0, std: float = 1.0) -> Column:
    """A numeric column; as it is, unless `mean` and `std` say otherwise."""
    return {"name": name, "type": "numeric", "mean": float(mean), "std": float(std)}


def records(rows: Any, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """`rows` as callers send them: an object of column to value each, null where a data frame has none."""
    known, cells = names(rows), np.asarray(rows, object)
    wanted = [(column["name"], known.index(column["name"]), column["type"] == "numeric") for column in columns]
    return [{name: _cell(row[place], numeric=numeric) for name, place, numeric in wanted} for row in cells]


def _cell(value: Any, *, numeric: bool) -> Any:
    if value is None or value != value:  # noqa: PLR0124 - NaN, and pandas' own kinds of nothing, differ from themselves
        return None
    return float(value) if numeric else value


def dataset(train: Table, columns: Sequence[Column]) -> Dataset:
    """What the model was trained on, by a digest of its rows and their truths."""
    rows = records(train.rows, columns)
    return Dataset(sha256(canonical([rows, [str(true) for true in train.truth]])), len(rows), "a table")


def package(tflite: bytes, draft: Draft, held_out: Table, expected: NDArray[Any]) -> dict[str, bytes]:
    """The files of a package whose answers to `held_out` were compared with `expected`.

    `expected` is what the trained model itself answers to these rows: (rows, labels) probabilities, or (rows,) numbers.

    Raises
    ------
    InvalidInput
        Fewer than 3 rows, scores that aren't probabilities, or the first answer that is off by more than 1e-5.
    """
    values = records(held_out.rows, draft.encoding["columns"])
    if len(values) < LEAST_GOLDEN:
        raise InvalidInput(f"{len(values)} held-out rows, at least {LEAST_GOLDEN} are needed", field="held_out")
    truth = [str(true) if draft.labels else float(true) for true in held_out.truth]
    rows = Rows(values, truth)
    files = build(draft, tflite, HeldOut(rows, rows, values[:: math.ceil(len(values) / N_GOLDEN)]))
    model = Model(files)
    golden.check(model)
    for i, (answer, wanted) in enumerate(zip(predict(model, values), expected, strict=True)):
        _compare(i, _numbers(answer), np.atleast_1d(wanted))
    return files


def _numbers(answer: Answer) -> list[float]:
    return list(answer.scores.values()) or [number(answer)]


def _compare(i: int, got: list[float], wanted: NDArray[Any]) -> None:
    if np.any(np.abs(np.array(got) - wanted) > TOLERANCE * np.maximum(1, np.abs(wanted))):
        raise InvalidInput(f"the package answers {got}, the trained model {wanted.tolist()}", field=f"held_out[{i}]")
