"""Aggregates as the counters of a cell's parts."""

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from zeroloop.monitoring import store
from zeroloop.monitoring.aggregate import BUCKETS, EMPTY, Aggregate, Feature, merge
from zeroloop.monitoring.cells import MOST_COUNTERS, Cell, add, flat, spread, whole
from zeroloop.monitoring.counting import Outcome, judge
from zeroloop.monitoring.frame import Frame, Scale

BATCH = "0000000a" + "0" * 56
MANY = [f"column {number}" for number in range(60)]
WIDE = Frame(numbers=dict.fromkeys(MANY, Scale()))

COUNTS = st.dictionaries(st.text(max_size=5), st.integers(1, 9), max_size=3)
BINS = st.dictionaries(st.integers(-50, 520), st.integers(1, 9), max_size=3)
FEATURES = st.builds(
    Feature,
    n=st.integers(1, 9),
    missing=st.integers(0, 9),
    sum=st.integers(-(10**12), 10**12),
    sum_squares=st.integers(0, 10**22),
    bins=COUNTS,
)
AGGREGATES = st.builds(
    Aggregate,
    n=st.integers(0, 9),
    **dict.fromkeys(("requests", "errors", "labels", "confusion", "slices"), COUNTS),
    **dict.fromkeys(("latency", "scores", "labelled", "correct"), BINS),
    features=st.dictionaries(st.text(max_size=5), FEATURES, max_size=3),
    tokens=st.one_of(st.just([]), st.lists(st.integers(1, 9), min_size=BUCKETS, max_size=BUCKETS)),
    answer=st.one_of(st.just(Feature(n=0)), FEATURES),
)


def test_counters_are_named_as_worked_out_by_hand() -> None:
    made = Aggregate(
        n=2,
        requests={"200": 2000},
        latency={-3: 1},
        confusion={"yes\tno": 1},
        tokens=[0, 7] + [0] * 254,
        features={"age": Feature(n=2, sum=-5, sum_squares=25, bins={"-4": 2})},
        answer=Feature(n=1, bins={"0": 1}),
    )
    assert flat(made) == {
        "n": 2,
        "r200": 2000,
        "l-3": 1,
        "cyes\tno": 1,
        "t1": 7,
        "fnage": 2,
        "fsage": -5,
        "fqage": 25,
        "fb3:age-4": 2,
        "zn": 1,
        "zb0:0": 1,
    }


@given(AGGREGATES)
def test_an_aggregate_comes_back_from_its_counters(made: Aggregate) -> None:
    assert whole(flat(made)) == made


@given(AGGREGATES, AGGREGATES)
def test_to_add_counters_is_to_merge_aggregates(a: Aggregate, b: Aggregate) -> None:
    assert add([flat(a), flat(b)]) == flat(merge(a, b))


@given(AGGREGATES)
def test_nothing_gets_lost_between_the_parts(made: Aggregate) -> None:
    assert add(spread(flat(made), WIDE).values()) == flat(made)


def test_names_of_counters_are_never_those_of_the_rows_own_attributes() -> None:
    names = dict.fromkeys(("k", "one_at", "xpires"), 1)
    made = Aggregate(n=1, requests=names, errors=names, labels=names)
    assert not {"pk", "sk", "gone_at"} & flat(made).keys()


def test_a_label_changes_one_small_item() -> None:
    frame = Frame(labels=frozenset({"yes", "no"}))
    placed = spread(flat(judge([Outcome("yes", 0.9, None, "no")], frame)), frame)
    assert list(placed) == ["o0"]


def test_parts_are_about_as_many_as_the_frame_fills() -> None:
    text = spread({f"t{place}": 1 for place in range(BUCKETS)}, Frame(labels=frozenset({"yes", "no"})))
    assert len(text) == 3
    assert max(len(part) for part in text.values()) < 110


def wide(minute: int) -> Aggregate:
    dice = random.Random(minute)
    return Aggregate(
        n=1,
        features={name: Feature(n=24, bins={str(at): dice.randint(1, 9) for at in range(-12, 12)}) for name in MANY},
    )


def cells(*minutes: int, frame: Frame = WIDE) -> store.Cells:
    return {Cell("m-1", 1, "champion", minute): (wide(minute), frame) for minute in minutes}


def test_a_transaction_holds_a_hundred_actions_and_no_item_twice() -> None:
    for actions in store.cuts(store.changes(BATCH, cells(*range(0, 300, 60)))):
        asked = [action("t")["Update"]["Key"] for action in actions]
        assert len(asked) < 100
        assert len({str(key) for key in asked}) == len(asked)


def test_a_change_has_at_most_200_counters_and_the_rest_comes_later() -> None:
    narrow = cells(0, frame=Frame())  # 1,500 counters in the parts of a text's
    seen: list[int] = []
    for actions in store.cuts(store.changes(BATCH, narrow)):
        updates = [action("t")["Update"] for action in actions]
        seen += [len(update["ExpressionAttributeNames"]) for update in updates]
        assert all(len(update["UpdateExpression"]) < 4096 for update in updates)
    assert max(seen) == MOST_COUNTERS
    assert sum(seen) == 2 * len(flat(wide(0)))


def test_cuts_are_the_same_in_whatever_order_cells_come() -> None:
    def told(some: store.Cells) -> list[list[Any]]:
        return [[action("t") for action in actions] for actions in store.cuts(store.changes(BATCH, some))]

    assert told(cells(0, 60, 120)) == told(cells(120, 0, 60))


def test_an_empty_aggregate_writes_nothing() -> None:
    assert list(store.cuts(store.changes(BATCH, {Cell("m-1", 1, "", 0): (EMPTY, Frame())}))) == []
