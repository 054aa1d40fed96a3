"""A package ready to answer, and the packages that never are."""

from typing import Any

import pytest

from tests import models
from zeroloop.errors import InvalidInput
from zeroloop.inference import golden, preprocessing
from zeroloop.inference.answers import UNLABELLED, NotANumber
from zeroloop.inference.model import Model
from zeroloop.inference.tensors import DATATYPES, Given

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


def tensors(model: bytes = models.recommender(), *args: Any, **changes: Any) -> Model:
    return Model(models.tensors(model, *args, **changes))


def sent(**named: tuple[str, list[int], list[Any]]) -> dict[str, Given]:
    return {
        name: Given(data, shape, datatype, f"inputs[{i}]")
        for i, (name, (datatype, shape, data)) in enumerate(named.items())
    }


ASKED = sent(user=("INT32", [2, 1], [1, 0]), numbers=("FP32", [2, 2], [[0.5, 0.25], [3, 4]]))


@pytest.mark.parametrize("rows", [None, 1, 3])
def test_named_tensors_go_in_and_come_out_for_any_batch(rows: int | None) -> None:
    result = tensors(models.recommender(rows=rows)).infer(ASKED)
    assert [output.tolist() for output in result.outputs.values()] == [[[0.5, 1.25], [4, 4]], [1, 0]]
    assert result.answers == [UNLABELLED] * 2
    assert result.values == [{"user": [1], "numbers": [0.5, 0.25]}, {"user": [0], "numbers": [3, 4]}]


@pytest.mark.parametrize("dtype", sorted(DATATYPES))
def test_every_dtype_goes_through_a_model_unchanged(dtype: str) -> None:
    rows: dict[str, list[Any]] = {"string": ["ä", "\0"], "bool": [True, False]}
    row = rows.get(dtype, [0, 1])
    model = tensors(models.identity(dtype), models.signature(dtype), [{"x": row}] * 3)
    golden.check(model)
    [output] = model.infer(sent(x=(DATATYPES[dtype], [2, 2], [*row, *row]))).outputs.values()
    assert output.ravel().tolist() == [text.encode() if dtype == "string" else text for text in [*row, *row]]


def test_dimensions_may_vary_from_request_to_request() -> None:
    model = tensors(models.identity("float32", (-1, -1)), models.signature("float32", (-1, -1)), [{"x": [1, 2]}] * 3)
    for n, width in [(2, 3), (1, 1), (3, 2), (250, 1), (2, 3)]:
        data = list(range(n * width))
        [output] = model.infer(sent(x=("FP32", [n, width], data))).outputs.values()
        assert output.shape == (n, width)
        assert output.ravel().tolist() == data


@pytest.mark.parametrize("shape", [(2, 3), ()])
def test_a_tensor_without_rows_is_taken_whole(shape: tuple[int, ...]) -> None:
    value: Any = [[1, 2, 3], [4, 5, 6]] if shape else 7
    model = tensors(models.identity("float32", shape), models.signature("float32", shape), [{"x": value}] * 3)
    golden.check(model)
    data = [1, 2, 3, 4, 5, 6] if shape else [7]
    result = model.infer(sent(x=("FP32", list(shape), data)))
    assert (result.outputs["y"].shape, len(result.answers)) == (shape, 1)
    assert result.values == [{"x": value}]
    with pytest.raises(InvalidInput, match="one instance at a time"):
        model.run([{"x": value}] * 2, ["instances[0]", "instances[1]"])


QUANTISED = models.signature("float32", (-1, 3))
QUANTISED["outputs"][0]["shape"] = [-1, 1]
RAW = {
    side: [{**tensor, "dtype": "int8", "minimum": -128, "maximum": 127} for tensor in QUANTISED[side]]
    for side in QUANTISED
}


def test_a_quantised_tensor_is_real_or_raw_as_the_signature_says() -> None:
    real = tensors(models.quantised(), QUANTISED, [{"x": [1, 0.5, 0.75]}] * 3)
    assert real.infer(sent(x=("FP32", [1, 3], [1, 0.5, 0.75]))).outputs["y"].tolist() == [[152 / 256]]  # test_runtime
    raw = tensors(models.quantised(), RAW, [{"x": [19, 11, 15]}] * 3)
    [output] = raw.infer(sent(x=("INT8", [1, 3], [19, 11, 15]))).outputs.values()
    assert (str(output.dtype), output.tolist()) == ("int8", [[152 - 128]])


SCORED = [{"instance": {"inputs": {"x": [0, 2, 2]}}, "scores": {"no": 0.622459, "yes": 0.377541}}] * 3
THREE_TO_TWO = {
    "inputs": [{"name": "x", "dtype": "float32", "shape": [-1, 3]}],
    "outputs": [{"name": "y", "dtype": "float32", "shape": [-1, 2]}],
}


@pytest.mark.parametrize(
    ("task", "labels", "prediction"),
    [("multiclass", ["no", "yes"], "no"), ("binary", ["no", "yes"], "no"), ("multilabel", ["no", "yes"], ["no"])],
)
def test_a_model_that_takes_tensors_answers_by_label_too(task: str, labels: list[str], prediction: Any) -> None:
    about = {"task": task, "labels": labels, "golden": {"tolerance": 0.01, "cases": SCORED}}
    model = tensors(models.dense(), THREE_TO_TWO, [], **about)
    golden.check(model)
    assert model.field == "inputs"
    assert model.predict([{"x": [0, 2, 2]}], ["inputs"])[0].prediction == prediction


def test_the_answer_may_be_another_output_than_the_first() -> None:
    cases = [{"instance": {"inputs": models.USERS[0]}, "scores": {"value": 1.5}}]
    about: dict[str, Any] = {"golden": {"tolerance": 0.1, "cases": cases}}
    with pytest.raises(InvalidInput, match="scores are float"):
        tensors(task="regression", answer="best", **about)
    model = tensors(task="binary", labels=["a", "b"], answer="sums", **about)
    instance = {"user": [3], "numbers": [0.5, 0.25]}  # its row of the table holds nothing
    assert model.predict([instance], ["inputs"])[0].scores == {"a": 0.5, "b": 0.25}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"user": ("INT32", [2, 1], [-1, 0])}, "inputs[0].data[0]"),
        ({"user": ("INT32", [2, 1], [0, 4])}, "inputs[0].data[1]"),
        ({"user": ("INT64", [2, 1], [0, 0])}, "inputs[0].datatype"),
        ({"user": ("INT32", [2], [0, 0])}, "inputs[0].shape"),
    ],
)
def test_ids_out_of_range_never_reach_the_interpreter(changed: dict[str, Any], field: str) -> None:
    model = tensors()
    model._runner = None  # type: ignore[assignment]
    with pytest.raises(InvalidInput) as refused:
        model.infer({**ASKED, **sent(**changed)})
    assert refused.value.field == field


def test_a_model_of_tensors_has_nothing_to_say_in_labels() -> None:
    with pytest.raises(InvalidInput, match="answers tensors: ask it by /v2"):
        tensors().predict([models.USERS[0]], ["inputs"])


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (7, "inputs"),
        ({}, "inputs.numbers"),
        ({"user": [0]}, "inputs.numbers"),
        ({**models.USERS[0], "other": 1}, "inputs.other"),
        ({**models.USERS[0], "user": [4]}, "inputs.user[0]"),
        ({**models.USERS[0], "numbers": [1]}, "inputs.numbers"),
    ],
)
def test_an_instance_of_tensors_is_refused_by_its_place(value: Any, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        tensors().run([value], ["inputs"])
    assert refused.value.field == field


def test_a_table_and_a_text_are_read_from_tensors_as_from_instances() -> None:
    table = made(models.dense())
    columns = {
        name: ("FP64", [2, 1] if name == "a" else [2], [[0.0], [1.0]] if name == "a" else [2, 2]) for name in "abc"
    }
    asked = [{"a": 0.0, "b": 2, "c": 2}, {"a": 1.0, "b": 2, "c": 2}]
    assert table.infer(sent(**columns)).answers == table.predict(asked, ["", ""])
    text = made(IDS, kind="hashed_ngrams")
    for shape, data in (([2], ["good", "bad"]), ([2, 1], ["good", "bad"]), ([2, 1], [["good"], ["bad"]])):
        assert text.infer(sent(text=("BYTES", shape, data))).answers == text.predict(["good", "bad"], ["", ""])


def test_a_blank_text_is_refused_by_its_place_in_the_tensor() -> None:
    with pytest.raises(InvalidInput, match="blank") as refused:
        made(IDS, kind="hashed_ngrams").infer(sent(text=("BYTES", [2], ["good", " "])))
    assert refused.value.field == "inputs[0].data[1]"


def test_a_nullable_column_that_is_left_out_is_null() -> None:
    columns = [{**column, "nullable": column["name"] == "c"} for column in models.PARAMETERS["columns"]["columns"]]
    parameters = {"columns": columns}
    declared = {"kind": "columns", "parameters": parameters, "digest": preprocessing.digest("columns", parameters)}
    model = made(models.dense(), preprocessing=declared)
    assert model.optional == {"c"}
    given = sent(a=("FP64", [1], [1]), b=("FP64", [1], [2]))
    assert model.infer(given).answers == model.predict([{"a": 1, "b": 2, "c": None}], [""])


@pytest.mark.parametrize(
    ("dtype", "width", "kept"),
    [("float32", 2, True), ("float32", 257, False), ("string", 2, False), ("int8", 256, True)],
)
def test_the_log_keeps_small_tensors_of_numbers_and_no_words(dtype: str, width: int, kept: bool) -> None:
    row = ["a"] * width if dtype == "string" else [1] * width
    stated = models.signature(dtype, (-1, width))
    model = tensors(models.identity(dtype, (-1, width)), stated, [{"x": row}] * 3)
    result = model.run([{"x": row}], ["inputs"])
    assert result.values == [{"x": row}]
    assert result.features() == [{"x": row} if kept else None]
