"""The mergeable aggregate."""

from functools import reduce

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.monitoring.aggregate import EMPTY, Aggregate, Feature, merge

COUNTS = st.integers(0, 10**30)
NAMED = st.dictionaries(st.sampled_from(["", "a", "b\tc"]), COUNTS)
BINNED = st.dictionaries(st.integers(-5, 5), COUNTS)
FEATURES = st.builds(
    Feature, n=COUNTS, missing=COUNTS, sum=st.integers(-(10**30), 10**30), sum_squares=COUNTS, bins=NAMED
)
AGGREGATES = st.builds(
    Aggregate,
    n=COUNTS,
    requests=NAMED,
    errors=NAMED,
    latency=BINNED,
    labels=NAMED,
    scores=BINNED,
    labelled=BINNED,
    correct=BINNED,
    confusion=NAMED,
    slices=NAMED,
    features=st.dictionaries(st.sampled_from(["age", "city"]), FEATURES),
    tokens=st.one_of(st.just([]), st.lists(COUNTS, min_size=4, max_size=4)),
    answer=FEATURES,
)


@given(AGGREGATES, AGGREGATES, AGGREGATES)
def test_merging_is_associative_and_commutative(a: Aggregate, b: Aggregate, c: Aggregate) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(merge(a, b), c) == merge(a, merge(b, c))


@given(AGGREGATES)
def test_merging_with_nothing_changes_nothing(a: Aggregate) -> None:
    assert merge(a, EMPTY) == a == merge(EMPTY, a)


@given(AGGREGATES, AGGREGATES)
def test_merging_leaves_its_parts_as_they_were(a: Aggregate, b: Aggregate) -> None:
    before = repr((a, b))
    merge(a, b)
    assert repr((a, b)) == before


@given(st.lists(st.builds(Aggregate, n=st.integers(0, 2**50), latency=st.dictionaries(st.integers(-5, 5), st.just(1)))))
def test_an_aggregate_comes_back_from_json_after_any_merges(parts: list[Aggregate]) -> None:
    merged = reduce(merge, parts, EMPTY)
    assert merged.n == sum(part.n for part in parts)
    assert msgspec.json.decode(msgspec.json.encode(merged), type=Aggregate) == merged


def test_a_merge_is_that_worked_out_by_hand() -> None:
    a = Aggregate(n=1, latency={3: 1}, features={"age": Feature(n=1, sum=-2, sum_squares=4)}, tokens=[1, 2])
    b = Aggregate(n=2, latency={3: 1, 4: 1}, features={"age": Feature(n=2, sum=5, sum_squares=13, bins={"1": 2})})
    assert merge(a, b) == Aggregate(
        n=3,
        latency={3: 2, 4: 1},
        features={"age": Feature(n=3, sum=3, sum_squares=17, bins={"1": 2})},
        tokens=[1, 2],
    )


def test_token_sums_of_different_widths_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="zip"):
        merge(Aggregate(n=1, tokens=[1]), Aggregate(n=1, tokens=[1, 2]))
