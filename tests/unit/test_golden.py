import copy
import itertools
import json
from typing import Any

import pytest

from tests import models
from zeroloop.errors import InvalidInput, ModelFailed
from zeroloop.inference import golden, preprocessing
from zeroloop.inference.answers import NoScore, NotANumber
from zeroloop.inference.model import Model
from zeroloop.inference.runtime import Runner

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
    with pytest.raises(NoScore, match=r"scores lie in \[0, 1\]"):
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
ROWS = [{"a": 0.1, "b": 0.2, "c": 0.3}, {"a": 0.5, "b": 0.1, "c": 0.2}, {"a": 0.0, "b": 0.6, "c": 0.1}]
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


def of_tensors(model: bytes = models.recommender(), *args: Any, **changes: Any) -> None:
    loaded = Model(models.tensors(model, *args, **changes))
    golden.check(loaded)
    golden.check_greatest(loaded)


ANSWERED = json.loads(models.tensors(models.recommender())["package.json"])["golden"]["cases"]


def with_outputs(**scores: Any) -> dict[str, Any]:
    return {"tolerance": 0.01, "cases": [ANSWERED[0], {**ANSWERED[1], "scores": scores}, ANSWERED[2]]}


@pytest.mark.parametrize("rows", [None, 1, 2])
def test_tensors_that_come_out_as_at_training_pass(rows: int | None) -> None:
    of_tensors(models.recommender(rows=rows))


def test_tensors_of_varying_shape_pass() -> None:
    free = (-1, -1)
    of_tensors(
        models.identity("float32", free), models.signature("float32", free), [{"x": [1]}, {"x": [2, 3]}, {"x": [4]}]
    )


@pytest.mark.parametrize(
    ("scores", "message", "field"),
    [
        ({"sums": [0.5, 1.25], "best": 0}, "best should score 0 +- 0.01, the model answers 1", "scores.best"),
        ({"sums": [0.5, 1.3], "best": 1}, "sums should score [0.5, 1.3]", "scores.sums"),
        ({"sums": [0.5], "best": 1}, "sums should score [0.5]", "scores.sums"),
        ({"sums": [[0.5], [1, 2]], "best": 1}, "sums should score", "scores.sums"),
        ({"sums": ["a", "b"], "best": 1}, "sums should score", "scores.sums"),
        ({"sums": [0.5, 1.25]}, "scores of ['sums'], the model answers ['best', 'sums']", "scores"),
    ],
)
def test_other_tensors_than_at_training_are_refused(scores: dict[str, Any], message: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        of_tensors(golden=with_outputs(**scores))
    assert message in refused.value.message
    assert refused.value.field == f"golden.cases[1].{field}"


def test_a_length_is_refused_that_the_model_cannot_take() -> None:
    """Lengths of 1 to 3 in the golden predictions; what the model adds to each row has 3 numbers."""
    free = models.signature("float32", (-1, -1), longest=4)
    added = models.added((0.0, 0.0, 0.0))
    of_tensors(added, models.signature("float32", (-1, -1), longest=3), [{"x": [1]}] * 3)
    with pytest.raises(InvalidInput, match=r"fails on tensors of \[100, 4\],") as refused:
        of_tensors(added, free, [{"x": [1, 2, 3]}] * 3)
    assert (refused.value.code, refused.value.field) == ("bad_package", "signature.inputs")


def test_the_seconds_of_a_greatest_row_are_those_of_a_run_by_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(models.averaging(512, longest=4_000))  # 3 rows at a time
    moments = itertools.count()
    monkeypatch.setattr("zeroloop.clock.monotonic", lambda: next(moments))
    assert golden.check_greatest(model) == pytest.approx(1 / 3)
    assert next(moments) == 2 * 3


def test_an_output_larger_than_stated_is_refused() -> None:
    stated = models.signature("float32", (-1, -1), longest=3)
    stated["outputs"][0]["max_shape"] = [-1, 2]
    with pytest.raises(InvalidInput, match=r"answers y of shape \[100, 3\], not \[-1, -1\] up to \[-1, 2\]") as refused:
        of_tensors(models.identity("float32", (-1, -1)), stated, [{"x": [1, 2]}] * 3)
    assert refused.value.field == "signature.outputs[0].shape"


@pytest.mark.parametrize("side", ["inputs", "outputs"])
@pytest.mark.parametrize("most", [None, [-1, -1], [-1, 0], [8, 8], [-1, 8, 8], [8]])
def test_a_size_that_varies_has_a_greatest(side: str, most: list[int] | None) -> None:
    stated = models.signature("float32", (-1, -1))
    files = models.tensors(models.identity("float32", (-1, -1)), stated, [{"x": [1]}] * 3)
    about = json.loads(files["package.json"])
    about["signature"][side][0]["max_shape"] = most
    with pytest.raises(InvalidInput) as refused:
        Model({**files, "package.json": json.dumps(about).encode()})
    assert (refused.value.code, refused.value.field) == ("bad_package", f"signature.{side}[0].max_shape")


def test_a_text_that_is_off_by_a_letter_is_refused() -> None:
    stated = models.signature("string")
    cases = [{"instance": {"inputs": {"x": ["a", "b"]}}, "scores": {"y": ["a", "c"]}}] * 3
    with pytest.raises(InvalidInput, match="y should score"):
        of_tensors(models.identity("string"), stated, [], golden={"tolerance": 1, "cases": cases})


def test_nan_in_any_tensor_is_refused() -> None:
    cases = [{"instance": {"inputs": {"x": [0, 0, 0]}}, "scores": {"y": [0.5, 0.5]}}] * 3
    stated = {**models.signature("float32", (-1, 3)), "outputs": models.signature("float32")["outputs"]}
    with pytest.raises(InvalidInput, match="y should score"):
        of_tensors(models.dense(bias=float("nan")), stated, [], golden={"tolerance": 1, "cases": cases})


def test_a_model_that_fails_on_ids_that_it_may_get_is_refused() -> None:
    wide = copy.deepcopy(models.RECOMMENDER)
    wide["inputs"][0]["maximum"] = 4  # the table has 0 to 3
    with pytest.raises(InvalidInput, match=r"fails on ids that it may get \(4\)") as refused:
        of_tensors(signature=wide)
    assert (refused.value.code, refused.value.field) == ("bad_package", "signature.inputs")


def test_a_table_smaller_than_its_preprocessing_is_refused() -> None:
    parameters = {"buckets": 8, "length": 1, "ngrams": 1}
    declared = {
        "kind": "hashed_ngrams", "parameters": parameters, "digest": preprocessing.digest("hashed_ngrams", parameters)
    }  # fmt: skip
    rows = preprocessing.encoder("hashed_ngrams", parameters).encode(["a", "b", "c"], [""] * 3)
    scores = [dict(zip(("no", "yes"), row, strict=True)) for row in Runner(models.lookup(8)).run([rows])[0].tolist()]
    cases = [{"instance": {"text": text}, "scores": one} for text, one in zip("abc", scores, strict=True)]
    about: dict[str, Any] = {"preprocessing": declared, "golden": {"tolerance": 0.1, "cases": cases}}
    signature = {
        "inputs": [{"name": "ids", "dtype": "int32", "shape": [-1, 1]}],
        "outputs": [{"name": "scores", "dtype": "float32", "shape": [-1, 2]}],
    }
    check(models.lookup(8), described=models.dense(), signature=signature, **about)
    largest = int(rows.max()) + 1
    assert largest < 8, "else the smaller table is too small for the golden predictions themselves"
    with pytest.raises(InvalidInput, match=r"fails on ids that it may get \(7\)"):
        check(models.lookup(largest), described=models.dense(), signature=signature, **about)


def changed(side: str, number: int, **fields: Any) -> dict[str, Any]:
    stated = copy.deepcopy(models.RECOMMENDER)
    stated[side][number].update(fields)
    return stated


@pytest.mark.parametrize(
    ("stated", "message", "field"),
    [
        ({**models.RECOMMENDER, "inputs": models.RECOMMENDER["inputs"][:1]}, "has 2 inputs, its signature 1", "inputs"),
        (
            {**models.RECOMMENDER, "outputs": models.RECOMMENDER["outputs"][:1]},
            "has 2 outputs, its signature 1",
            "outputs",
        ),
        (changed("inputs", 1, dtype="float64"), "has float32, not float64", "inputs[1].dtype"),
        (changed("outputs", 1, dtype="int32"), "has int64, not int32", "outputs[1].dtype"),
        (changed("inputs", 1, shape=[-1, 3]), "has the shape [-1, 2], not [-1, 3]", "inputs[1].shape"),
        (changed("inputs", 1, shape=[-1, -1]), "has the shape [-1, 2], not [-1, -1]", "inputs[1].shape"),
        (changed("inputs", 1, shape=[-1, 2, 1]), "has the shape [-1, 2], not [-1, 2, 1]", "inputs[1].shape"),
        (changed("inputs", 1, shape=[4, 2]), "has rows (-1 first) in some tensors and not in others", ""),
        (changed("inputs", 0, minimum=None), "state their minimum and maximum", "inputs[0]"),
        (changed("inputs", 0, minimum=5), "a minimum above its maximum", "inputs[0].minimum"),
    ],
)
def test_a_signature_that_is_not_the_models_is_refused(stated: dict[str, Any], message: str, field: str) -> None:
    files = models.tensors(models.recommender())
    about = json.loads(files["package.json"])
    with pytest.raises(InvalidInput) as refused:
        golden.check(Model({**files, "package.json": json.dumps({**about, "signature": stated}).encode()}))
    assert refused.value.code == "bad_package"
    assert message in refused.value.message
    assert refused.value.field == f"signature.{field}".rstrip(".")


def test_a_multilabel_and_a_regression_head_pass() -> None:
    check(models.dense(activation="LOGISTIC"), task="multilabel")
    check(models.dense(outputs=1, activation="LOGISTIC"), scored=["value"], task="regression", labels=[])


def test_scores_are_those_of_the_output_that_is_named() -> None:
    stated = {**models.RECOMMENDER, "outputs": [*models.RECOMMENDER["outputs"]]}
    cases = [{"instance": {"inputs": {"user": [0], "numbers": [-0.75, 0.75]}}, "scores": {"a": 0.25, "b": 0.75}}] * 3
    about: dict[str, Any] = {"task": "multiclass", "labels": ["a", "b"], "golden": {"tolerance": 0.01, "cases": cases}}
    of_tensors(models.recommender(), stated, [], answer="sums", **about)
    with pytest.raises(InvalidInput, match="numbers a row"):
        of_tensors(models.recommender(), stated, [], answer="best", **about)
