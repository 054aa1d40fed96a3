from typing import Any

import pytest

from tests import models
from zeroloop.errors import InvalidInput
from zeroloop.inference import golden
from zeroloop.inference.answers import NotANumber
from zeroloop.inference.model import Model
from zeroloop.inference.runtime import ModelFailed

CASES: list[dict[str, Any]] = models.contents(models.dense())["golden"]["cases"]


def check(model: bytes = models.dense(), **about: Any) -> None:
    golden.check(Model(models.package(model, **about)))


def with_scores(**scores: float) -> dict[str, Any]:
    """Golden predictions of which the second has other scores."""
    return {"tolerance": 0.01, "cases": [CASES[0], {**CASES[1], "scores": scores}, CASES[2]]}


@pytest.mark.parametrize(
    ("model", "about"),
    [
        (models.dense(), {}),
        (models.dense(rows=1), {}),
        (models.dense(rows=2), {}),
        (models.dense(dtype="int32"), {"kind": "hashed_ngrams"}),
        (models.quantised(), {"scored": ["value"], "task": "regression", "labels": []}),
    ],
)
def test_a_model_that_answers_as_at_training_passes(model: bytes, about: dict[str, Any]) -> None:
    check(model, **about)


def test_scores_within_the_tolerance_pass() -> None:
    no, yes = CASES[1]["scores"].values()
    check(golden=with_scores(no=no + 0.0099, yes=yes - 0.0099))


def test_logits_are_no_scores() -> None:
    with pytest.raises(InvalidInput, match=r"scores lie in \[0, 1\]"):
        check(models.dense(activation="RELU", bias=9.0))


def test_other_weights_do_not_pass() -> None:
    with pytest.raises(InvalidInput, match="golden predictions: no should score") as refused:
        check(models.dense(rows=1), described=models.dense(activation="LOGISTIC"))
    assert refused.value.code == "golden"


@pytest.mark.parametrize(
    ("expected", "message", "field"),
    [
        ({"tolerance": 0.1, "cases": []}, "0 golden predictions, at least 3", "golden.cases"),
        ({"tolerance": 0.1, "cases": CASES[:2]}, "2 golden predictions, at least 3", "golden.cases"),
        (with_scores(no=0.5, yes=0.5), "no should score 0.5 +- 0.01", "golden.cases[1].scores.no"),
        (with_scores(no=0.5), "scores of ['no'], the model answers ['no', 'yes']", "golden.cases[1].scores"),
        (with_scores(no=0.5, yes=0.5, perhaps=0), "scores of ['no', 'perhaps', 'yes']", "golden.cases[1].scores"),
        (
            {"tolerance": 0.1, "cases": [*CASES[:2], {**CASES[2], "instance": {"text": "a"}}]},
            "the instance has no features",
            "golden.cases[2].instance",
        ),
        (
            {"tolerance": 0.1, "cases": [*CASES[:2], {**CASES[2], "instance": {"features": {"a": 1, "b": 2}}}]},
            "is missing",
            "golden.cases[2].instance.features.c",
        ),
    ],
)
def test_golden_predictions_that_do_not_hold_are_refused(expected: dict[str, Any], message: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check(golden=expected)
    assert message in refused.value.message
    assert refused.value.field == field


# Golden predictions of a model that answers each row with itself, which `mixing` does only with a row alone.
ROWS = [{"a": 0.1, "b": 0.2, "c": 0.7}, {"a": 0.5, "b": 0.3, "c": 0.2}, {"a": 0.0, "b": 0.9, "c": 0.1}]
OWN = {"tolerance": 0.1, "cases": [{"instance": {"features": row}, "scores": row} for row in ROWS]}
ABC = {"described": models.dense(outputs=3), "scored": ["a", "b", "c"], "golden": OWN}


def test_a_model_that_mixes_the_rows_of_a_batch_is_refused() -> None:
    with pytest.raises(InvalidInput, match="in a batch of them all the model answers"):
        check(models.mixing(keep=True), **ABC)


def test_a_model_that_loses_rows_of_a_batch_is_refused() -> None:
    with pytest.raises(ModelFailed, match="for 3 rows"):
        check(models.mixing(keep=False), **ABC)


def test_a_model_of_nan_is_refused() -> None:
    with pytest.raises(NotANumber):
        check(models.dense(bias=float("nan")), described=models.dense())
