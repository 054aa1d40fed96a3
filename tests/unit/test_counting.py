"""Prediction lines as aggregates."""

import json
import math
import random
from functools import reduce
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from zeroloop.monitoring import figures
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, Feature, merge
from zeroloop.monitoring.counting import Answered, Line, Outcome, Shadowed, count, judge, score_bin
from zeroloop.monitoring.frame import Frame, Scale, bin_of
from zeroloop.stats.quantiles import bucket

CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts"
FRAME = Frame(
    labels=frozenset({"yes", "no"}),
    slices=frozenset({"de"}),
    numbers={"age": Scale(40.0, 10.0)},
    length=Scale(10.0, 5.0),
    unseen=Scale(0.5, 0.25),
    categories={"city": frozenset({"Rome", "Oslo"})},
    seen=bytes([0] * 8 + [1] * 8),
)


def line(*predictions: Answered, **facts: Any) -> Line:
    defaults: dict[str, Any] = {"status": 200, "latency_ms": 1.0, "predictions": list(predictions)}
    return Line(**defaults | facts)


def test_rows_are_counted_as_worked_out_by_hand() -> None:
    made = count(
        [
            line(Answered("yes", 0.93, {"age": 45, "city": "Rome"}), latency_ms=10.0, slice="de"),
            line(Answered("no", 1.0, {"age": 30.0, "city": None}), Answered("?", 0.0, {"age": None, "city": "Oslo"})),
            line(status=422, code="invalid_input", latency_ms=0.1),
        ],
        FRAME,
    )
    assert made == Aggregate(
        n=3,
        requests={"200": 2000, "422": 1000},
        errors={"invalid_input": 1},
        latency={bucket(10.0): 1, bucket(1.0): 1},
        labels={"yes": 1, "no": 1, "": 1},
        scores={46: 1, 49: 1, 0: 1},
        slices={"de": 1},
        features={
            # (45 - 40) / 10 = .5, the third quarter; (30 - 40) / 10 = -1
            "age": Feature(n=2, missing=1, sum=-500, sum_squares=1_250_000, bins={"2": 1, "-4": 1}),
            "city": Feature(n=2, missing=1, bins={"Rome": 1, "Oslo": 1}),
        },
    )


def test_texts_are_counted_as_worked_out_by_hand() -> None:
    made = count(
        [line(Answered("yes", 0.5, [3, 259, 9, 10]), *(Answered("yes", 0.5, ids) for ids in ([], [9])))], ids_only()
    )
    # four words add 10,000 / 2 each, 3 and 259 to the same place; one word 10,000
    assert {place: n for place, n in enumerate(made.tokens) if n} == {3: 10_000, 9: 15_000, 10: 5000}
    assert made.features["length"].n == 3


def test_the_share_of_unseen_words_is_of_texts_with_words() -> None:
    made = count([line(Answered(features=[16, 9, 10, 11])), line(Answered(features=[]))], FRAME)
    # one of four, which is beyond all known ids: (.25 - .5) sqrt(4) / .25 = -2
    assert made.features["unseen"] == Feature(n=1, sum=-2000, sum_squares=4_000_000, bins={"-8": 1})
    assert made.features["length"] == Feature(n=2, sum=-1200 - 2000, sum_squares=5_440_000, bins={"-5": 1, "-8": 1})


def test_of_words_and_their_pairs_only_the_words_are_counted() -> None:
    words, with_pairs = [5, 6, 7], [5, 6, 7, 9001, 9002]
    assert count([line(Answered(features=with_pairs))], ids_only(2)) == count(
        [line(Answered(features=words))], ids_only()
    )


def test_ids_that_no_model_has_are_counted_all_the_same() -> None:
    made = count([line(Answered(features=[2**32 + 3, 9, -1, 9]))], FRAME)
    assert {place: n for place, n in enumerate(made.tokens) if n} == {3: 5000, 9: 10_000, 255: 5000}


def test_more_texts_than_go_at_once_are_counted_as_one_by_one() -> None:
    dice = random.Random(5)
    lines = [line(Answered(features=[dice.randrange(20) for _ in range(dice.randrange(9))])) for _ in range(2500)]
    assert count(lines, FRAME) == reduce(merge, [count([one], FRAME) for one in lines])


def test_a_regression_is_counted_by_its_numbers() -> None:
    made = count([line(Answered(None, 130.0)), line(Answered(None, 90.0))], Frame(answer=Scale(100.0, 10.0)))
    assert made.answer == Feature(n=2, sum=2000, sum_squares=10_000_000, bins={"11": 1, "-4": 1})
    assert (made.scores, made.labels) == ({}, {})


def test_what_a_shadow_said_is_counted_by_its_version() -> None:
    made = count(
        [
            line(
                Answered("yes", 0.9, shadow=Shadowed(7, "yes")),
                Answered("yes", 0.9, shadow=Shadowed(7, "no")),
                Answered("yes", 0.9, shadow=Shadowed(7, code="model_failed")),
                Answered(None, 1.5, shadow=Shadowed(8)),
                Answered("yes", 0.9),
            )
        ],
        FRAME,
    )
    assert made.shadow == {"7\tagree": 1, "7\tdiffer": 1, "7\tfailed": 1, "8\tunlabelled": 1}
    assert merge(made, made).shadow["7\tagree"] == 2


def test_a_continued_line_is_no_request_and_a_sampled_one_is_several() -> None:
    made = count([line(Answered("yes"), weight=10 / 3), line(Answered("no"), continued=True, weight=10 / 3)], FRAME)
    assert (made.n, made.requests, sum(made.latency.values())) == (2, {"200": 3333}, 1)


def test_the_contracts_example_lines_are_counted() -> None:
    examples = json.loads((CONTRACTS / "log-record.schema.json").read_text())["examples"]
    made = count([msgspec.json.decode(json.dumps(example), type=Line) for example in examples], FRAME)
    assert (made.n, made.requests) == (1, {"200": 1000, "422": 1000})


def test_labels_that_came_later_are_counted_as_worked_out_by_hand() -> None:
    outcomes = [
        Outcome("yes", 0.9, "de", "yes"),
        Outcome("yes", 0.91, None, "no"),
        Outcome("no", None, "fr", "mistake"),
        Outcome("unsure", None, "de", "mistake"),
        Outcome("unsure", None, None, "unsure"),
    ]
    assert judge(outcomes, FRAME) == Aggregate(
        n=0,
        labelled={45: 2},
        correct={45: 1},
        confusion={"yes\tyes": 1, "yes\tno": 1, "no\t": 1, "\t?": 1, "\t": 1},
        slices={"de\tyes\tyes": 1, "\tno\t": 1, "de\t\t?": 1},
    )


def test_answers_are_right_or_wrong_whatever_labels_have_names() -> None:
    outcomes = [Outcome(said, 0.9, None, actual) for said, actual in [("yes", "no")] * 7 + [("yes", "yes")] * 3]
    for frame in (Frame(), Frame(labels=frozenset({"yes"})), FRAME):
        made = judge(outcomes, frame)
        assert figures.outcomes(made)["accuracy"] == 0.3
        assert float(figures.accuracy(made).mean) == 0.3  # type: ignore[union-attr] # there are labels


def test_names_with_a_tab_count_as_any_other() -> None:
    frame = Frame(labels=frozenset({"a\tb", "c"}), slices=frozenset({"d\te"}))
    made = judge([Outcome("a\tb", 0.9, "d\te", "c"), Outcome("a\tb", 0.9, None, "a\tb")], frame)
    assert (made.confusion, made.slices) == ({"\tc": 1, "\t": 1}, {"\t\tc": 1})
    assert figures.outcomes(made)["accuracy"] == 0.5
    assert count([line(Answered("c"), slice="d\te")], frame).slices == {"": 1}


CELLS = st.one_of(
    st.none(), st.floats(-1e300, 1e300), st.integers(-(10**30), 10**30), st.text(max_size=3), st.booleans()
)
ANSWERS = st.builds(
    Answered,
    label=st.one_of(st.none(), st.text(max_size=5), st.just("yes")),
    score=st.one_of(st.none(), st.floats(0, 1)),
    features=st.one_of(
        st.none(),
        st.lists(st.integers(0, 15), max_size=9),
        st.dictionaries(st.sampled_from(["age", "city", "other"]), CELLS),
    ),
)
LINES = st.builds(
    Line,
    status=st.sampled_from([200, 422, 500]),
    code=st.sampled_from([None, "internal"]),
    latency_ms=st.floats(0, 1e7),
    weight=st.floats(1, 1000),
    slice=st.one_of(st.none(), st.text(max_size=3), st.just("de")),
    predictions=st.lists(ANSWERS, max_size=3),
    continued=st.booleans(),
)


@given(st.lists(LINES, max_size=5), st.integers(0, 5), st.randoms(use_true_random=False))
def test_lines_in_any_order_and_any_parts_give_one_aggregate(lines: list[Line], cut: int, rng: random.Random) -> None:
    whole = count(lines, FRAME)
    parts = [count(lines[:cut], FRAME), count(lines[cut:], FRAME)]
    rng.shuffle(parts)
    assert reduce(merge, parts, EMPTY) == whole
    rng.shuffle(lines)
    assert count(lines, FRAME) == whole


@given(st.lists(LINES, max_size=3))
def test_what_is_counted_holds_by_the_contract(lines: list[Line]) -> None:
    written = json.loads(msgspec.json.encode(count(lines, FRAME)))
    Draft202012Validator(json.loads((CONTRACTS / "aggregate.schema.json").read_text())).validate(written)


def test_the_size_does_not_depend_on_traffic() -> None:
    rng = random.Random(15)

    def traffic(n: int) -> Aggregate:
        return count(
            [
                line(
                    Answered(
                        rng.choice(["yes", "no", str(rng.random())]),
                        rng.random(),
                        rng.choice(
                            [
                                [rng.randrange(16) for _ in range(20)],
                                {"age": rng.gauss(40, 10**9), "city": rng.choice(["Rome", "Oslo", str(rng.random())])},
                            ]
                        ),
                    ),
                    slice=str(rng.random()),
                    latency_ms=math.exp(rng.uniform(-9, 15)),
                )
                for _ in range(n)
            ],
            FRAME,
        )

    small, large = traffic(2000), traffic(20_000)
    assert numbers(large) <= numbers(small) * 1.1
    assert numbers(large) < 1200


def numbers(value: Any) -> int:
    value = msgspec.to_builtins(value)
    if isinstance(value, dict | list):
        return sum(map(numbers, value.values() if isinstance(value, dict) else value))
    return 1


@pytest.mark.parametrize(("score", "place"), [(0.0, 0), (0.019, 0), (0.02, 1), (0.999, 49), (1.0, 49), (-5.0, 0)])
def test_a_score_has_one_of_fifty_bins(score: float, place: int) -> None:
    assert score_bin(score) == place


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(1e-6, 1e6))
def test_a_number_however_far_has_a_bin_and_a_bounded_square(value: float, unit: float) -> None:
    scaled = Scale(0.0, unit).thousandths(value)
    assert abs(scaled) <= 10**6
    assert -12 <= bin_of(scaled) <= 11


def ids_only(ngrams: int = 1) -> Frame:
    return Frame(labels=frozenset({"yes"}), ngrams=ngrams)
