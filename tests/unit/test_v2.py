"""The Open Inference Protocol's JSON: what is taken, what is answered, and what is refused by its place."""

import tomllib
import tracemalloc
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests import models
from zeroloop import http
from zeroloop.errors import InvalidInput, NotFound
from zeroloop.inference import v2
from zeroloop.inference.answers import UNLABELLED, NotANumber
from zeroloop.inference.model import Model, Result
from zeroloop.inference.requests import MAX_INSTANCES
from zeroloop.inference.v2 import InferRequest

TABLE = Model(models.package(models.dense()))
TEXT = Model(models.package(models.dense(dtype="int32"), kind="hashed_ngrams"))
TENSORS = Model(models.tensors(models.recommender()))
LABELS = Model(models.package(models.dense(activation="LOGISTIC"), task="multilabel"))
NUMBER = Model(
    models.package(
        models.dense(outputs=1, activation="LOGISTIC"), scored=["value"], task="regression", labels=[]
    )
)  # fmt: skip

WORDS: dict[str, Any] = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["good", "a bad film"]}
USER: dict[str, Any] = {"name": "user", "shape": [1, 1], "datatype": "INT32", "data": [1]}
NUMBERS: dict[str, Any] = {"name": "numbers", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 0.25]}


def parsed(*inputs: dict[str, Any], **fields: Any) -> InferRequest:
    return http.parse(msgspec.json.encode({"inputs": inputs, **fields}), InferRequest)


def asked(model: Model, *inputs: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The outputs that `model` answers."""
    request = parsed(*inputs, **fields)
    outputs = v2.wanted(request, model.package)
    given = v2.given(request, model)
    return v2.tensors(outputs, model.package, model.infer(given))


def columns(n: int = 1) -> list[dict[str, Any]]:
    return [
        {"name": name, "shape": [n], "datatype": "FP64", "data": [value] * n}
        for name, value in zip("abc", (0, 2, 2), strict=True)
    ]


def test_a_text_is_answered_by_label_confidence_and_scores() -> None:
    prediction, confidence, scores = asked(TEXT, WORDS)
    answers = TEXT.predict(["good", "a bad film"], ["", ""])
    assert prediction == {
        "name": "prediction", "datatype": "BYTES", "shape": [2], "data": [answer.prediction for answer in answers]
    }  # fmt: skip
    assert confidence["data"] == [answer.confidence for answer in answers]
    assert (scores["shape"], scores["datatype"]) == ([2, 2], "FP64")
    assert scores["data"] == [score for answer in answers for score in answer.scores.values()]


def test_a_table_is_a_tensor_a_column() -> None:
    prediction, confidence, scores = asked(TABLE, *columns())
    assert (prediction["data"], confidence["data"], scores["data"]) == (["no"], [0.622459], [0.622459, 0.377541])


def test_several_labels_are_a_truth_each() -> None:
    prediction, _, scores = asked(LABELS, *columns(2))
    # x W' = -1/4 and -3/4: neither is above one half
    assert (prediction["datatype"], prediction["shape"], prediction["data"]) == ("BOOL", [2, 2], [False] * 4)
    assert scores["data"] == pytest.approx([0.437823, 0.320821] * 2, abs=1e-6)


def test_a_regression_is_a_number_a_row() -> None:
    [prediction] = asked(NUMBER, *columns(2))
    assert (prediction["datatype"], prediction["shape"]) == ("FP64", [2])
    assert prediction["data"] == pytest.approx([0.437823] * 2, abs=1e-6)


def test_tensors_are_answered_by_their_names() -> None:
    assert asked(TENSORS, USER, NUMBERS) == [
        {"name": "sums", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1.25]},
        {"name": "best", "datatype": "INT64", "shape": [1], "data": [1]},
    ]


def test_inputs_may_come_in_any_order_and_outputs_be_chosen() -> None:
    outputs = [{"name": "best", "parameters": {"binary_data": True}}, {"name": "sums"}]
    told = asked(TENSORS, NUMBERS, USER, outputs=outputs)
    assert [output["name"] for output in told] == ["best", "sums"]
    assert asked(TENSORS, USER, NUMBERS, outputs=[{"name": "best"}]) == told[:1]


def test_a_text_model_offers_its_other_outputs_by_name() -> None:
    described = models.contents(models.dense())
    outputs = [{"name": "embedding", "dtype": "float32", "shape": [-1, 3]}, *described["signature"]["outputs"]]
    signature = {**described["signature"], "outputs": outputs}
    package = msgspec.convert({**described, "signature": signature, "answer": "scores"}, type(TABLE.package))
    assert [output.name for output in v2.offered(package)] == ["prediction", "confidence", "scores", "embedding"]


def test_what_a_model_takes_and_answers_is_told() -> None:
    assert v2.metadata("sentiment", [2, 1], TEXT) == {
        "name": "sentiment",
        "versions": ["2", "1"],
        "platform": "tflite",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
            {"name": "confidence", "datatype": "FP64", "shape": [-1]},
            {"name": "scores", "datatype": "FP64", "shape": [-1, 2], "parameters": {"labels": ["no", "yes"]}},
        ],
    }
    told = v2.metadata("recommender", [1], TENSORS)
    assert told["inputs"][0] == {
        "name": "user", "datatype": "INT32", "shape": [-1, 1], "parameters": {"minimum": 0, "maximum": 3}
    }  # fmt: skip
    assert [output["datatype"] for output in told["outputs"]] == ["FP32", "INT64"]


def test_the_server_tells_the_version_of_the_project() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert v2.SERVER["version"] == project["version"]


@pytest.mark.parametrize(
    ("model", "inputs", "fields", "at_fault"),
    [
        (TEXT, [], {}, "inputs"),
        (TEXT, [WORDS, WORDS], {}, "inputs[1].name"),
        (TEXT, [{**WORDS, "name": "texts"}], {}, "inputs[0].name"),
        (TEXT, [{**WORDS, "datatype": "FP32"}], {}, "inputs[0].datatype"),
        (TEXT, [{**WORDS, "shape": [1]}], {}, "inputs[0].data"),
        (TEXT, [{**WORDS, "shape": [2, 1, 1]}], {}, "inputs[0].shape"),
        (TEXT, [{**WORDS, "shape": [0], "data": []}], {}, "inputs[0].shape"),
        (TEXT, [{**WORDS, "shape": []}], {}, "inputs[0].shape"),
        (TEXT, [{**WORDS, "shape": [-1]}], {}, "inputs[0].shape[0]"),
        (TEXT, [{**WORDS, "shape": [MAX_INSTANCES + 1]}], {}, "inputs[0].shape"),
        (TEXT, [{**WORDS, "data": ["good", 7]}], {}, "inputs[0].data[1]"),
        (TEXT, [{**WORDS, "data": ["good", ""]}], {}, "inputs[0].data[1]"),
        (TEXT, [{**WORDS, "data": "good"}], {}, "inputs[0].data"),
        (TEXT, [{**WORDS, "parameters": {"binary_data_size": 7}}], {}, "inputs[0].data"),
        (TEXT, [{name: WORDS[name] for name in ("name", "shape", "datatype")}], {}, "inputs[0].data"),
        (TEXT, [{**WORDS, "parameters": {"shared_memory_offset": 1}}], {}, "inputs[0].parameters.shared_memory_offset"),
        (TEXT, [{**WORDS, "other": 1}], {}, "inputs[0].other"),
        (TEXT, [WORDS], {"other": 1}, "other"),
        (TEXT, [WORDS], {"outputs": [{"name": "logits"}]}, "outputs[0].name"),
        (TEXT, [WORDS], {"outputs": [{"name": "scores", "parameters": {"top": 1}}]}, "outputs[0].parameters.top"),
        (TEXT, [WORDS], {"parameters": {"uint": "user-17"}}, "parameters.uint"),
        (TEXT, [WORDS], {"parameters": {"unit": 17}}, "parameters.unit"),
        (TEXT, [WORDS], {"parameters": {"unit": ""}}, "parameters.unit"),
        (TEXT, [WORDS], {"parameters": {"sequence_id": 1}}, "parameters.sequence_id"),
        (TEXT, [WORDS], {"id": 7}, "id"),
        (TEXT, [WORDS], {"id": "x" * 1001}, "id"),
        (TABLE, columns()[:2], {}, "inputs"),
        (TABLE, [*columns()[:2], {**columns(2)[2]}], {}, "inputs[2].shape"),
        (TABLE, [*columns()[:2], {**columns()[2], "data": ["x"]}], {}, "rows[0].c"),
        (TENSORS, [USER], {}, "inputs"),
        (TENSORS, [USER, {**NUMBERS, "shape": [1, 3], "data": [1, 2, 3]}], {}, "inputs[1].shape"),
        (TENSORS, [{**USER, "data": [-1]}, NUMBERS], {}, "inputs[0].data[0]"),
        (TENSORS, [{**USER, "data": [4]}, NUMBERS], {}, "inputs[0].data[0]"),
    ],
)  # fmt: skip
def test_refusals_name_the_field(model: Model, inputs: list[Any], fields: dict[str, Any], at_fault: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        asked(model, *inputs, **fields)
    assert refused.value.field == at_fault


def test_binary_tensors_are_refused_with_what_to_set() -> None:
    with pytest.raises(InvalidInput, match="binary_data=False"):
        asked(TEXT, {**WORDS, "parameters": {"binary_data_size": 7}})


def test_answers_are_json_also_for_clients_that_would_rather_have_bytes() -> None:
    assert asked(TEXT, WORDS, parameters={"binary_data_output": True, "unit": "u"}) == asked(TEXT, WORDS)


def test_unit_and_slice_are_parameters() -> None:
    told = parsed(WORDS, parameters={"unit": "user-17", "slice": "de"}).parameters
    assert (told.unit, told.slice) == ("user-17", "de")
    assert parsed(WORDS).parameters.unit is None


def test_the_metadata_says_how_large_a_tensor_may_be() -> None:
    told = v2.metadata("mean", [1], Model(models.averaging(8, longest=100)))
    bounds = {"max_shape": [-1, 100], "minimum": 0, "maximum": 3}
    assert told["inputs"] == [{"name": "ids", "datatype": "INT32", "shape": [-1, -1], "parameters": bounds}]
    stated = models.signature("float32", (-1, -1), longest=4)
    same = Model(models.tensors(models.identity("float32", (-1, -1)), stated, [{"x": [1]}] * 3))
    [output] = v2.metadata("same", [1], same)["outputs"]
    assert output["parameters"] == {"max_shape": [-1, 4]}


def test_nan_is_no_answer() -> None:
    stated = {**models.signature("float32", (-1, 3)), "outputs": models.signature("float32")["outputs"]}
    broken = Model(models.tensors(models.dense(bias=float("nan")), stated, [], golden={"tolerance": 1, "cases": []}))
    with pytest.raises(NotANumber, match="in y"):
        asked(broken, {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [0, 0, 0]})


def test_an_answer_that_lambda_could_not_give_is_refused() -> None:
    stated = models.signature("float32", (-1, -1), longest=300_000)
    wide = Model(models.tensors(models.identity("float32", (-1, -1)), stated, [{"x": [1]}] * 3))
    with pytest.raises(InvalidInput, match="too large") as refused:
        asked(wide, {"name": "x", "shape": [1, 300_000], "datatype": "FP32", "data": [0] * 300_000})
    assert refused.value.field == "outputs"


def test_long_strings_count_by_their_length() -> None:
    echo = Model(models.echo(["string"]))
    [tensor] = echo.package.signature.inputs
    words = {"name": tensor.name, "shape": [2, 2], "datatype": "BYTES", "data": ["x" * 1_500_000] * 4}
    with pytest.raises(InvalidInput, match="too large"):
        asked(echo, words)


def test_strings_count_as_lambda_carries_them() -> None:
    echo = Model(models.echo(["string"]))
    for text, fits in ((b"x", True), (b'"', False)):  # 6 bytes with comma and quotes; 9, for it is JSON within JSON
        answered = Result([None], [UNLABELLED], list, {"y_string": np.array([[text] * 700_000], object)})
        with nullcontext() if fits else pytest.raises(InvalidInput, match="too large"):
            v2.tensors(v2.offered(echo.package), echo.package, answered)


def test_strings_are_not_decoded_where_they_are_too_long() -> None:
    echo = Model(models.echo(["string"]))
    long = Result([None], [UNLABELLED], list, {"y_string": np.array([[b"x" * 1_000_000] * 50], object)})
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="too large"):
        v2.tensors(v2.offered(echo.package), echo.package, long)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("task", "outputs", "rows", "fits"),
    [
        ("multiclass", ["prediction"], 1000, True),
        ("multiclass", ["scores"], 1000, False),
        ("multiclass", ["scores"], 1, True),
        ("multilabel", ["confidence"], 1000, False),  # its receipts name the labels
        ("multilabel", ["confidence"], 10, True),
    ],
)
def test_what_lambda_could_not_answer_is_refused_before_it_is_run(
    task: str, outputs: list[str], rows: int, fits: bool
) -> None:
    labels = [f"label number {i}" for i in range(1000)]
    described = msgspec.structs.replace(TEXT.package, task=task, labels=labels)
    wanted = v2.wanted(parsed(WORDS, outputs=[{"name": name} for name in outputs]), described)
    with nullcontext() if fits else pytest.raises(InvalidInput, match="too large"):
        v2.check_size(rows, wanted, described)


def test_an_output_that_varies_is_bounded_by_the_greatest_that_it_may_be() -> None:
    stated = models.signature("float32", (-1, -1), longest=50_000)
    wide = Model(models.tensors(models.identity("float32", (-1, -1)), stated, [{"x": [1]}] * 3)).package
    outputs = v2.offered(wide)
    v2.check_size(300, outputs, wide)
    v2.check_size(1000, [], wide)
    with pytest.raises(InvalidInput, match="too large"):
        v2.check_size(1000, outputs, wide)


def test_scores_that_nobody_asked_for_have_a_bound_too() -> None:
    described = msgspec.structs.replace(TEXT.package, task="multiclass", labels=[f"{i}" for i in range(2_000)])
    wanted = v2.wanted(parsed(WORDS, outputs=[{"name": "prediction"}]), described)
    v2.check_size(500, wanted, described)
    with pytest.raises(InvalidInput, match="at most 500 rows to a model of 2,000 labels") as refused:
        v2.check_size(1000, wanted, described)
    assert refused.value.code == "too_large"


def test_an_output_is_answered_once() -> None:
    with pytest.raises(InvalidInput, match="there twice") as refused:
        asked(TEXT, WORDS, outputs=[{"name": "scores"}, {"name": "prediction"}, {"name": "scores"}])
    assert refused.value.field == "outputs[2].name"


def test_a_refusal_has_the_shape_of_the_protocol_and_our_code_beside_it() -> None:
    assert v2.refusal(InvalidInput("must not", field="inputs[0].data")) == {
        "error": "must not", "code": "invalid_input", "field": "inputs[0].data"
    }  # fmt: skip
    assert v2.refusal(NotFound("none", code="unknown_model")) == {"error": "none", "code": "unknown_model"}
