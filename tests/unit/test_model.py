"""A package ready to answer, and the packages that never are."""

from typing import Any

import pytest

from tests import models
from zeroloop.errors import InvalidInput
from zeroloop.inference.answers import NotANumber
from zeroloop.inference.model import Model

FEATURES = {"a": 0.0, "b": 2.0, "c": 2.0}
IDS = models.dense(dtype="int32")
ONE_OUTPUT = models.dense(outputs=1, activation="LOGISTIC")


def made(model: bytes, **about: Any) -> Model:
    return Model(models.package(model, **about))


def test_a_table_is_answered_by_label() -> None:
    (answer,) = made(models.dense()).predict([FEATURES], ["features"])
    assert answer.prediction == "no"
    assert answer.confidence == 0.622459  # worked out in test_runtime
    assert answer.scores == {"no": 0.622459, "yes": 0.377541}


def test_a_text_is_answered_by_label() -> None:
    model = made(IDS, kind="hashed_ngrams")
    assert model.field == "text"
    (answer,) = model.predict(["a good film"], ["text"])
    assert answer.prediction in {"no", "yes"}


def test_values_are_answered_in_their_order() -> None:
    model = made(models.dense())
    values = [{**FEATURES, "a": float(a)} for a in range(-3, 3)]
    alone = [model.predict([value], ["features"])[0] for value in values]
    assert model.predict(values, ["features"] * 6) == alone
    assert len({answer.prediction for answer in alone}) == 2


def test_one_output_is_the_score_of_the_second_label() -> None:
    model = made(ONE_OUTPUT, scored=["yes"], task="binary", labels=["no", "yes"])
    # x W' = -2 * 3/8 + 2/4 = -1/4; logistic 0.437823
    (answer,) = model.predict([FEATURES], ["features"])
    assert answer.scores == pytest.approx({"no": 0.562177, "yes": 0.437823}, abs=2e-6)


def test_a_regression_answers_a_number() -> None:
    model = made(ONE_OUTPUT, scored=["value"], task="regression", labels=[])
    assert model.predict([FEATURES], ["features"])[0].prediction == pytest.approx(0.437823, abs=1e-6)


def test_a_quantised_model_takes_a_table() -> None:
    model = made(models.quantised(), scored=["value"], task="regression", labels=[])
    (answer,) = model.predict([{"a": 1, "b": 0.5, "c": 0.75}], ["features"])
    assert answer.prediction == 152 / 256


def test_a_model_of_nan_never_answers() -> None:
    model = made(models.dense(bias=float("nan")), described=models.dense())
    with pytest.raises(NotANumber):
        model.predict([FEATURES], ["features"])


def test_an_input_that_can_not_be_read_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidInput) as refused:
        made(models.dense()).predict([FEATURES, {**FEATURES, "b": "x"}], ["instances[0]", "instances[1]"])
    assert refused.value.field == "instances[1].b"


def test_a_model_is_as_large_as_its_files() -> None:
    files = models.package(models.dense())
    assert Model(files).size == sum(map(len, files.values()))


PREPROCESSING = models.contents(models.dense())["preprocessing"]


@pytest.mark.parametrize(
    ("model", "about", "message", "field"),
    [
        pytest.param(
            models.dense(),
            {"preprocessing": {**PREPROCESSING, "digest": "0" * 64}},
            "was trained with preprocessing 000000000000, this stack has",
            "preprocessing.digest",
            id="preprocessing of another digest",
        ),
        pytest.param(
            models.dense(width=4),
            {},
            "takes [-1, 4], its preprocessing makes rows of 3",
            "signature.inputs[0].shape",
            id="another width",
        ),
        pytest.param(
            IDS, {}, "takes int32, its preprocessing makes float32", "signature.inputs[0].dtype", id="ids for a table"
        ),
        pytest.param(
            models.dense(),
            {"kind": "hashed_ngrams"},
            "takes float32, its preprocessing makes int32",
            "signature.inputs[0].dtype",
            id="a table for ids",
        ),
        pytest.param(
            models.quantised(),
            {"kind": "hashed_ngrams"},
            "takes int8, its preprocessing makes int32",
            "signature.inputs[0].dtype",
            id="ids for a quantised table",
        ),
        pytest.param(models.dense(outputs=3), {}, "answers 3 numbers a row for 2 labels", "labels", id="more outputs"),
        pytest.param(models.dense(outputs=1), {}, "answers 1 numbers a row for 2 labels", "labels", id="fewer outputs"),
        pytest.param(
            models.dense(outputs=3), {"task": "binary"}, "answers 3 numbers a row for 2 labels", "labels", id="binary"
        ),
        pytest.param(
            models.dense(outputs=2),
            {"task": "regression", "labels": []},
            "answers 2 numbers a row for 0 labels",
            "labels",
            id="two numbers for a regression",
        ),
        pytest.param(models.two_inputs(), {}, "has 2 inputs; features fills one", "signature.inputs", id="two inputs"),
    ],
)
def test_a_model_that_its_package_does_not_describe_is_refused(
    model: bytes, about: dict[str, Any], message: str, field: str
) -> None:
    described = IDS if "kind" in about else models.dense()
    with pytest.raises(InvalidInput) as refused:
        made(model, described=described, **about)
    assert refused.value.code == "bad_package"
    assert message in refused.value.message
    assert refused.value.field == field
