"""Golden predictions: what a version must answer before it may serve."""

from zeroloop import clock
from zeroloop.errors import InvalidInput
from zeroloop.inference.answers import Answer
from zeroloop.inference.model import Model
from zeroloop.inference.package import LEAST_GOLDEN, Golden
from zeroloop.inference.runtime import SUB_BATCH

_TIMED = 3


def check(model: Model) -> None:
    """Refuse a model that doesn't reproduce its package's golden predictions within their tolerance.

    Each alone, and all in one batch: a model that mixes the rows of a batch would answer some callers wrongly.

    Raises
    ------
    InvalidInput
        `golden`: fewer than 3 cases, scores outside [0, 1], or which case is off and by how much.
    """
    golden = model.package.golden
    if len(golden.cases) < LEAST_GOLDEN:
        raise _off(f"{len(golden.cases)} golden predictions, at least {LEAST_GOLDEN} are needed", "golden.cases")
    for i, case in enumerate(golden.cases):
        if model.field not in case.instance:
            raise _off(f"the instance has no {model.field}", f"golden.cases[{i}].instance")
    values = [case.instance[model.field] for case in golden.cases]
    where = [f"golden.cases[{i}].instance.{model.field}" for i in range(len(values))]
    for i, (value, place) in enumerate(zip(values, where, strict=True)):
        _compare(golden, i, model.predict([value], [place])[0], "the model answers")
    for i, got in enumerate(model.predict(values, where)):
        _compare(golden, i, got, "in a batch of them all the model answers")


def row_seconds(model: Model) -> float:
    """What a row takes in a batch of golden instances, of a few batches the fastest."""
    cases = model.package.golden.cases
    values = [cases[i % len(cases)].instance[model.field] for i in range(SUB_BATCH)]
    where, times = [model.field] * SUB_BATCH, []
    for _ in range(_TIMED):
        started = clock.monotonic()
        model.predict(values, where)
        times.append(clock.monotonic() - started)
    return min(times) / SUB_BATCH


def _compare(golden: Golden, i: int, answer: Answer, who: str) -> None:
    wanted, got = golden.cases[i].scores, _scores(answer)
    if got.keys() != wanted.keys():
        raise _off(f"scores of {sorted(wanted)}, {who} {sorted(got)}", f"golden.cases[{i}].scores")
    beyond = [label for label, score in answer.scores.items() if not 0 <= score <= 1]
    if beyond:
        raise _off(f"scores lie in [0, 1], {who} {got[beyond[0]]} (logits?)", f"golden.cases[{i}].scores.{beyond[0]}")
    worst = max(got, key=lambda label: abs(got[label] - wanted[label]))
    if abs(got[worst] - wanted[worst]) > golden.tolerance:
        raise _off(
            f"{worst} should score {wanted[worst]} +- {golden.tolerance}, {who} {got[worst]}",
            f"golden.cases[{i}].scores.{worst}",
        )


def _scores(answer: Answer) -> dict[str, float]:
    """The scores by label; for regression the number itself, as `value`."""
    return answer.scores or {"value": float(answer.prediction)}  # type: ignore[arg-type]


def _off(what: str, field: str) -> InvalidInput:
    return InvalidInput(f"golden predictions: {what}", code="golden", field=field)
