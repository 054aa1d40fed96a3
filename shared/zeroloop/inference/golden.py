"""Golden predictions: what a version must answer before it may serve."""

from zeroloop.errors import InvalidInput
from zeroloop.inference.answers import Answer
from zeroloop.inference.model import Model
from zeroloop.inference.package import LEAST_GOLDEN


def check(model: Model) -> None:
    """Refuse a model that doesn't reproduce its package's golden predictions within their tolerance.

    Raises
    ------
    InvalidInput
        `golden`: fewer than 3 cases, or which case is off and by how much.
    """
    golden = model.package.golden
    if len(golden.cases) < LEAST_GOLDEN:
        raise _off(f"{len(golden.cases)} golden predictions, at least {LEAST_GOLDEN} are needed", "golden.cases")
    for i, case in enumerate(golden.cases):
        where = f"golden.cases[{i}]"
        if model.field not in case.instance:
            raise _off(f"the instance has no {model.field}", f"{where}.instance")
        got = _scores(model.predict([case.instance[model.field]], [f"{where}.instance.{model.field}"])[0])
        if got.keys() != case.scores.keys():
            raise _off(f"scores of {sorted(case.scores)}, the model answers {sorted(got)}", f"{where}.scores")
        worst = max(got, key=lambda label: abs(got[label] - case.scores[label]))
        if abs(got[worst] - case.scores[worst]) > golden.tolerance:
            raise _off(
                f"{worst} should score {case.scores[worst]} +- {golden.tolerance}, the model answers {got[worst]}",
                f"{where}.scores.{worst}",
            )


def _scores(answer: Answer) -> dict[str, float]:
    """The scores by label; for regression the number itself, as `value`."""
    return answer.scores or {"value": float(answer.prediction)}  # type: ignore[arg-type]


def _off(what: str, field: str) -> InvalidInput:
    return InvalidInput(f"golden predictions: {what}", code="golden", field=field)
