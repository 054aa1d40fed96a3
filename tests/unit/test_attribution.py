"""What each part adds to a score; by hand for models that are linear."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Library
from tokenizers import models as library_models
from tokenizers import pre_tokenizers, processors

from tests import models
from zeroloop.errors import InvalidInput
from zeroloop.inference import attribution
from zeroloop.inference.answers import Answer
from zeroloop.inference.attribution import attribute, parts
from zeroloop.inference.columns import Columns
from zeroloop.inference.model import Model
from zeroloop.inference.text import HashedNgrams
from zeroloop.inference.tokenizer import Tokenizer
from zeroloop.monitoring.counting import Answered, Line, count
from zeroloop.monitoring.frame import Frame, Scale

TABLE: dict[str, Any] = {
    "columns": [
        {"name": "age", "type": "numeric", "mean": 40.0, "std": 10.0},
        {"name": "size", "type": "numeric", "mean": 2.0, "std": 0.5, "nullable": True},
        {"name": "kind", "type": "categorical", "values": ["L", "M"], "nullable": True},
    ]
}
ROW = {"age": 60, "size": 1.5, "kind": "M"}
WEIGHTS = (0.25, 0.5, 1.0, -1.0, 3.0)
"""Of the encoded row's places: age, size, and L, M and any other kind."""
COUNTED = {
    "schema_version": 1,
    "n": 4,
    "features": {
        "age": {"n": 4, "sum": 4000},
        "kind": {"n": 3, "missing": 1, "bins": {"L": 2, "X": 1}},
    },
}


def linear() -> Model:
    """A regression: the encoded row of TABLE times WEIGHTS, plus 1/2."""
    return Model(models.regression(TABLE, WEIGHTS, 0.5))


def explained(model: Model, value: Any, baseline: bytes | None = None) -> tuple[list[float], attribution.Attributed]:
    assert isinstance(model.encoder, attribution.Explainable)
    found = parts(model.encoder, value, model.field, baseline)
    scores = attribution.scores(model.answers_to(found.rows), None)
    return scores, attribute(scores)


def test_a_feature_of_a_linear_model_adds_its_weight_times_its_distance_from_the_mean() -> None:
    model = linear()
    scores, found = explained(model, ROW, json.dumps(COUNTED).encode())
    # age: 0.25 * (60 - 50) / 10. size: 0.5 * (1.5 - 2) / 0.5. kind: -1 less the mean of its weights, 1/2 * 1 + 1/2 * 3.
    assert found.each == [0.25, -0.5, -3.0]
    # the mean row: 0.5 + 0.25 * (50 - 40) / 10 + 0 + 2
    assert scores[:2] == [-0.5, 2.75]
    assert found[1:] == (-3.25, -3.25, 0.0)


def test_without_counts_the_means_are_those_of_the_package() -> None:
    told = parts(Columns(TABLE), ROW, "features", None)
    assert told.told == [
        {"feature": "age", "from": "package", "mean": 40.0},
        {"feature": "size", "from": "package", "mean": 2.0},
        {"feature": "kind", "from": "package"},
    ]
    assert told.rows.tolist() == [
        [2, -1, 0, 1, 0],
        [0, 0, 0.5, 0.5, 0],
        [0, -1, 0, 1, 0],
        [2, 0, 0, 1, 0],
        [2, -1, 0.5, 0.5, 0],
    ]


def test_with_counts_it_says_which_means_come_from_the_baseline() -> None:
    told = parts(Columns(TABLE), ROW, "features", json.dumps(COUNTED).encode())
    assert told.told == [
        {"feature": "age", "from": "baseline", "mean": 50.0},
        {"feature": "size", "from": "package", "mean": 2.0},
        {"feature": "kind", "from": "baseline"},
    ]
    assert told.rows[1].tolist() == [1, 0, 0.5, 0, 0.5]


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b'{"features": {"age": {"n": -1}}}',
        b'{"features": {"age": {"n": 1, "sum": 1e400}}}',
        b'{"features": {"age": {"n": 1, "sum": 9223372036854775808}}}',
    ],
)
def test_a_baseline_that_breaks_its_contract_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parts(Columns(TABLE), ROW, "features", content)
    assert (refusal.value.code, refusal.value.field) == ("bad_package", "baseline.json")


def test_a_row_that_the_encoder_refuses_is_refused_by_its_column() -> None:
    with pytest.raises(InvalidInput) as refusal:
        parts(Columns(TABLE), {**ROW, "age": "old"}, "features", None)
    assert refusal.value.field == "features.age"


def test_a_token_of_a_bag_of_words_adds_its_weight() -> None:
    encoder = HashedNgrams({"buckets": 1000, "length": 4})
    found = parts(encoder, "A GOOD film", "text", None)
    assert found.told == [{"token": "a"}, {"token": "good"}, {"token": "film"}]
    a, good, film = encoder.encode(["a", "good", "film"], [""] * 3)[:, 0].tolist()
    assert found.rows.tolist() == [
        [a, good, film, 0],
        [0, 0, 0, 0],
        [good, film, 0, 0],
        [a, film, 0, 0],
        [a, good, 0, 0],
    ]
    weigh = {0: 0.0, a: 0.25, good: 2.0, film: -0.5}
    sums = [sum(weigh[id_] for id_ in row) for row in found.rows.tolist()]
    assert attribute(sums) == ([0.25, 2.0, -0.5], 1.75, 1.75, 0.0)


def test_parts_that_only_count_together_leave_a_gap() -> None:
    # Whole, without both, without either: a conjunction credits both with all of it.
    assert attribute([1.0, 0.0, 0.0, 0.0]) == ([1.0, 1.0], 2.0, 1.0, -1.0)


WORDS = st.lists(st.text("abé", min_size=1, max_size=3), min_size=1, max_size=9)


@given(WORDS, st.integers(1, 6), st.integers(1, 2))
def test_leaving_a_token_out_is_what_predict_makes_of_the_text_without_it(
    words: list[str], length: int, ngrams: int
) -> None:
    encoder = HashedNgrams({"buckets": 64, "length": length, "ngrams": ngrams})
    names, total, rows = encoder.left_out(", ".join(words), "text", 3)
    assert names == words[: min(3, length)]
    assert total == min(len(words), length)
    left = [words, words[len(names) :], *(words[:i] + words[i + 1 :] for i in range(len(names)))]
    for row, rest in zip(rows, left, strict=True):
        wanted = encoder.encode([" ".join(rest)], ["text"])[0] if rest else np.zeros(length)
        assert row.tolist() == wanted.tolist()


def test_at_most_64_tokens_are_explained_and_the_rest_stays() -> None:
    encoder = HashedNgrams({"buckets": 1000, "length": 200})
    found = parts(encoder, " ".join(f"w{i}" for i in range(90)), "text", None)
    assert (len(found.told), found.total, found.rows.shape) == (64, 90, (66, 200))
    assert found.rows[1, :26].tolist() == found.rows[0, 64:90].tolist()


def test_a_text_without_tokens_has_no_parts() -> None:
    found = parts(HashedNgrams({"buckets": 8, "length": 2}), "?!", "text", None)
    assert (found.told, found.total, found.rows.tolist()) == ([], 0, [[0, 0], [0, 0]])
    assert attribute([0.5, 0.5]) == ([], 0.0, 0.0, 0.0)


def tokenizer(**padding: Any) -> Tokenizer:
    library = Library(library_models.WordLevel({"[PAD]": 0, "[CLS]": 1, "[UNK]": 2, "good": 3, "film": 4}, "[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.post_processor = processors.TemplateProcessing("[CLS] $A", None, [("[CLS]", 1)])
    if padding:
        library.enable_padding(**padding)
    return Tokenizer({"length": 5}, library.to_str().encode())


def test_a_tokenizers_tokens_leave_the_row_and_its_own_marks_stay() -> None:
    found = parts(tokenizer(), "A good Film", "text", None)
    assert found.told == [{"token": "A"}, {"token": "good"}, {"token": "Film"}]
    assert found.rows.tolist() == [[1, 2, 3, 2, 0], [1, 0, 0, 0, 0], [1, 3, 2, 0, 0], [1, 2, 2, 0, 0], [1, 2, 3, 0, 0]]


def test_a_tokenizer_that_pads_on_the_left_moves_the_rest_right() -> None:
    rows = parts(tokenizer(direction="left", pad_id=0), "good film", "text", None).rows
    assert rows.tolist() == [[0, 0, 1, 3, 4], [0, 0, 0, 0, 1], [0, 0, 0, 1, 4], [0, 0, 0, 1, 3]]


def test_what_a_tokenizer_cuts_off_is_no_part() -> None:
    found = parts(tokenizer(), "good film good film good film", "text", None)
    assert (len(found.told), found.total) == (4, 4)


SCORES = {"bad": 0.25, "good": 0.75}


@pytest.mark.parametrize(
    ("answer", "asked", "label"),
    [
        (Answer("good", 0.75, SCORES), None, "good"),
        (Answer("good", 0.75, SCORES), "bad", "bad"),
        (Answer([], 0.5, {"bad": 0.25, "good": 0.5}), None, "good"),
        (Answer(["bad", "good"], 0.75, {"bad": 0.9, "good": 0.75}), None, "bad"),
    ],
)
def test_the_label_is_the_one_asked_for_else_the_predicted_else_the_surest(
    answer: Answer, asked: str | None, label: str
) -> None:
    package = Model(models.package(models.dense(), scored=("bad", "good"))).package
    assert attribution.label(package, answer, asked) == label


@pytest.mark.parametrize("asked", ["other", "value"])
def test_a_label_that_the_model_lacks_is_refused(asked: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        attribution.label(linear().package, Answer(1.5, None, {}), asked)
    assert refusal.value.field == "label"


def test_a_number_has_no_label() -> None:
    answer = Answer(1.5, None, {})
    assert attribution.label(linear().package, answer, None) is None
    assert attribution.scores([answer], None) == [1.5]


def test_the_baselines_mean_is_that_of_what_monitoring_counts() -> None:
    frame = Frame(numbers={"age": Scale(40.0, 10.0)}, categories={"kind": frozenset({"L", "M"})})
    rows = [{"age": 30, "size": 2.0, "kind": "L"}, {"age": 70, "size": 2.0, "kind": "?"}]
    line = Line(status=200, latency_ms=1.0, predictions=[Answered(features=row) for row in rows])
    found = parts(Columns(TABLE), ROW, "features", msgspec.json.encode(count([line], frame)))
    assert found.told[0] == {"feature": "age", "from": "baseline", "mean": 50.0}
    assert found.rows[1].tolist() == [1.0, 0.0, 0.5, 0.0, 0.5]
