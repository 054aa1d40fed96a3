from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests import models
from zeroloop.inference.answers import Answer, NoScore, NotANumber, answer, answers
from zeroloop.inference.package import Package


def package(task: str, labels: list[str], threshold: float = 0.5) -> Package:
    about = models.contents(models.dense())
    return msgspec.convert({**about, "task": task, "labels": labels, "threshold": threshold}, Package)


def row(values: list[Any]) -> list[float]:
    """As float32, which is what models answer."""
    told: list[float] = np.array(values, np.float32).tolist()
    return told


BINARY = package("binary", ["no", "yes"])


@pytest.mark.parametrize(
    ("threshold", "outputs", "expected"),
    [
        (0.5, [0.75], Answer("yes", 0.75, {"no": 0.25, "yes": 0.75})),
        (0.5, [0.25], Answer("no", 0.75, {"no": 0.75, "yes": 0.25})),
        (0.5, [0.5], Answer("yes", 0.5, {"no": 0.5, "yes": 0.5})),
        (0.9, [0.75], Answer("no", 0.25, {"no": 0.25, "yes": 0.75})),
        (0.5, [0.25, 0.75], Answer("yes", 0.75, {"no": 0.25, "yes": 0.75})),
        (0.1, [0.75, 0.25], Answer("yes", 0.25, {"no": 0.75, "yes": 0.25})),
        (1.0, [0.25, 0.75], Answer("no", 0.25, {"no": 0.25, "yes": 0.75})),
        (0.0, [0.0], Answer("yes", 0.0, {"no": 1.0, "yes": 0.0})),
    ],
)
def test_a_binary_answer_is_yes_from_the_threshold_on(threshold: float, outputs: list[float], expected: Answer) -> None:
    assert answer(package("binary", ["no", "yes"], threshold), row(outputs)) == expected


def test_a_multiclass_answer_is_the_label_of_the_highest_score() -> None:
    given = answer(package("multiclass", ["a", "b", "c"], 0.99), row([0.25, 0.625, 0.125]))
    assert given == Answer("b", 0.625, {"a": 0.25, "b": 0.625, "c": 0.125})


def test_of_equal_scores_the_first_label_is_answered() -> None:
    assert answer(package("multiclass", ["a", "b"]), row([0.5, 0.5])).prediction == "a"


@pytest.mark.parametrize(
    ("outputs", "labels", "confidence"),
    [
        ([0.75, 0.25, 0.5], ["a", "c"], 0.5),
        ([0.75, 0.875, 1.0], ["a", "b", "c"], 0.75),
        ([0.125, 0.25, 0.375], [], 0.625),
    ],
)
def test_a_multilabel_answer_is_every_label_from_the_threshold_on(
    outputs: list[float], labels: list[str], confidence: float
) -> None:
    given = answer(package("multilabel", ["a", "b", "c"]), row(outputs))
    assert (given.prediction, given.confidence) == (labels, confidence)
    assert given.scores == dict(zip("abc", outputs, strict=True))


def test_a_regression_answers_the_number_itself() -> None:
    assert answer(package("regression", []), row([-12.5])) == Answer(-12.5, None, {})


def test_scores_have_no_more_digits_than_float32_knows() -> None:
    assert answer(BINARY, row([0.1])).scores == {"no": 0.9, "yes": 0.1}


ROWS = st.sampled_from([np.float32, np.float64]).flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        st.tuples(st.sampled_from([1, 40]), st.sampled_from([1, 2])),
        elements=st.one_of(
            st.floats(-1, 1, width=32), st.floats(-(2.0**99), 2.0**99, width=32), st.sampled_from([-0.0, 5e-7, 0.5])
        ),
    )
)


@given(ROWS, st.sampled_from(["binary", "multiclass", "multilabel", "regression"]), st.sampled_from([0.0, 0.3, 0.5]))
def test_many_rows_are_answered_as_each_is_alone(rows: Any, task: str, threshold: float) -> None:
    rows = rows if task == "regression" else np.clip(np.abs(rows), 0, 1)
    labels = [] if task == "regression" else ["a", "b"] if task == "binary" else ["a", "b"][: rows.shape[1]]
    about = package(task, labels, threshold)
    expected = [answer(about, values) for values in rows.tolist()]
    found = models.by_row(answers(about, rows))
    assert list(map(repr, found)) == list(map(repr, expected))  # == holds 0.0 and -0.0 for the same


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize(
    ("value", "fits"), [(-1e-6, False), (-1e-7, True), (1.0 + 1e-7, True), (1.001, False), (8, False)]
)
def test_a_score_lies_from_0_to_1(task: str, value: float, fits: bool) -> None:
    about, values = package(task, ["a", "b"]), [1 - value, value]
    if fits:
        assert set(answer(about, row(values)).scores.values()) == {0.0, 1.0}
        answers(about, np.array([values]))
        return
    for refused in (lambda: answer(about, row(values)), lambda: answers(about, np.array([values]))):
        with pytest.raises(NoScore, match=r"scores lie in \[0, 1\]"):
            refused()


@pytest.mark.parametrize("n_rows", [1, 100])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinities_are_no_answer(n_rows: int, task: str, value: Any) -> None:
    rows = np.array([[0.5, 0.5]] * (n_rows - 1) + [[0.5, value]], np.float32)
    about = package(task, ["a", "b"])
    with pytest.raises(NotANumber) as refused:
        answers(about, rows)
    assert refused.value.code == "model_not_a_number"
    with pytest.raises(NotANumber):
        answer(about, row([0.5, value]))
