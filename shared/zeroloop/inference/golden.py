"""Golden predictions: what a version must answer before it may serve."""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from zeroloop import clock
from zeroloop.errors import InvalidInput
from zeroloop.inference.model import Model, Result
from zeroloop.inference.package import LEAST_GOLDEN, Package
from zeroloop.inference.runtime import SUB_BATCH, Array
from zeroloop.inference.tensors import fits, stated

_TIMED = 3
_LONG_SECONDS = 3.0

T = TypeVar("T")


def check(model: Model) -> None:
    """Refuse a model that isn't what its package says: its ids, its golden predictions.

    Each prediction alone, and all in one batch: a model that mixes the rows of a batch would answer some callers
    wrongly. Where rows may differ in shape, each in a batch with itself; where there are no rows, alone only.

    Raises
    ------
    InvalidInput
        `golden`: fewer than 3 cases, or which case is off and by how much. `bad_package`.
    NotANumber
        Its scores are no numbers, or outside [0, 1].
    """
    cases = model.package.golden.cases
    if len(cases) < LEAST_GOLDEN:
        raise _off(f"{len(cases)} golden predictions, at least {LEAST_GOLDEN} are needed", "golden.cases")
    for i, case in enumerate(cases):
        if model.field not in case.instance:
            raise _off(f"the instance has no {model.field}", f"golden.cases[{i}].instance")
    values = [case.instance[model.field] for case in cases]
    where = [f"golden.cases[{i}].instance.{model.field}" for i in range(len(values))]
    for i, (value, place) in enumerate(zip(values, where, strict=True)):
        _compare(model.package, i, _scores(model, model.run([value], [place]), 0), "the model answers")
    for batch in _batches(model, len(values)):
        result = model.run([values[i] for i in batch], [where[i] for i in batch])
        for row, i in enumerate(batch):
            _compare(model.package, i, _scores(model, result, row), "in a batch of them all the model answers")
    model.run_at_the_ends(values[0], where[0])


def check_greatest(model: Model) -> float:
    """Refuse a model that fails on the greatest tensors that its signature allows, or answers greater ones.

    Returns the seconds that a row of them takes.

    Raises
    ------
    InvalidInput
        `bad_package`
    MemoryError
    """
    value = model.package.golden.cases[0].instance[model.field]
    seconds, outputs = _fastest(lambda: model.run_at_its_greatest(value, f"golden.cases[0].instance.{model.field}"))
    _check_shapes(model.package, outputs)
    return seconds / (len(outputs[0]) if model.rows else 1)


def row_seconds(model: Model) -> float:
    """What a row takes in a batch of the first golden instance, of a few batches the fastest."""
    n_rows = SUB_BATCH if model.rows else 1
    values = [model.package.golden.cases[0].instance[model.field]] * n_rows
    return _fastest(lambda: model.run(values, [model.field] * n_rows))[0] / n_rows


def _fastest(run: Callable[[], T]) -> tuple[float, T]:
    """Of a few runs, fewer of those that take long, the shortest time and what the last one came to."""
    times: list[float] = []
    while True:
        started = clock.monotonic()
        found = run()
        times.append(clock.monotonic() - started)
        if len(times) == _TIMED or sum(times) > _LONG_SECONDS:
            return min(times), found


def _batches(model: Model, n: int) -> list[list[int]]:
    if not model.rows:
        return []
    same_shape = model.field != "inputs" or all(-1 not in tensor.shape[1:] for tensor in model.inputs)
    return [list(range(n))] if same_shape else [[i, i] for i in range(n)]


def _scores(model: Model, result: Result, row: int) -> dict[str, Any]:
    """The scores of a row by label; for regression the number itself, as `value`; for tensors each output's."""
    answer = result.answers[row]
    _check_shapes(model.package, list(result.outputs.values()))
    if model.package.task == "tensors":
        return {name: output[row] if model.rows else output for name, output in result.outputs.items()}
    return dict(answer.scores) or {"value": answer.prediction}


def _check_shapes(package: Package, outputs: list[Array]) -> None:
    for i, (output, tensor) in enumerate(zip(outputs, package.signature.outputs, strict=True)):
        if not fits(output.shape, tensor):
            raise InvalidInput(
                f"the model answers {tensor.name} of shape {list(output.shape)}, not {stated(tensor)}",
                code="bad_package",
                field=f"signature.outputs[{i}].shape",
            )


def _compare(package: Package, i: int, got: dict[str, Any], who: str) -> None:
    wanted, where = package.golden.cases[i].scores, f"golden.cases[{i}].scores"
    if got.keys() != wanted.keys():
        raise _off(f"scores of {sorted(wanted)}, {who} {sorted(got)}", where)
    off = {name: _distance(got[name], wanted[name]) for name in got}
    worst = max(off, key=off.__getitem__)
    if not off[worst] <= package.golden.tolerance:
        said = np.asarray(got[worst]).tolist()
        raise _off(
            f"{worst} should score {wanted[worst]!s:.200} +- {package.golden.tolerance}, {who} {said!s:.200}",
            f"{where}.{worst}",
        )


def _distance(got: Any, wanted: Any) -> float:
    """How far two scores are apart at the most; infinitely where they differ in shape or kind, or as strings."""
    one = np.asarray(got)
    if one.dtype.kind == "O":
        one = np.array([text.decode(errors="replace") for text in one.ravel()], object).reshape(one.shape)
    if one.dtype.kind in "Ob":
        return 0.0 if one.tolist() == wanted else np.inf
    try:
        other = np.asarray(wanted, np.float64)
    except (TypeError, ValueError):  # lists of different lengths, or no numbers
        return np.inf
    if one.shape != other.shape:
        return np.inf
    apart = float(np.abs(one.astype(np.float64) - other).max(initial=0.0))
    return np.inf if np.isnan(apart) else apart


def _off(what: str, field: str) -> InvalidInput:
    return InvalidInput(f"golden predictions: {what}", code="golden", field=field)
