import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.tracking import rows
from zeroloop.tracking.ids import Place, is_experiment_id, new_experiment_id, new_id, place
from zeroloop.tracking.points import Point, latest_value, pack_history, pack_latest, split_history, unpack_history
from zeroloop.tracking.points import unpack_latest as unpacked
from zeroloop.tracking.service import Tracking
from zeroloop.tracking.store import TrackingStore

int64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), -1, 0, 2**63 - 1])
times = st.integers(0, 2**63 - 1)
points = st.builds(Point, times, int64, st.floats(allow_nan=True) | st.sampled_from([-0.0, 0.0, math.inf, -math.inf]))


def order(point: Point) -> tuple[Any, ...]:
    nan = math.isnan(point.value)
    return point.step, point.timestamp, not nan, 0.0 if nan else point.value


def same(one: Point, two: Point) -> bool:
    return one[:2] == two[:2] and (one.value == two.value or (math.isnan(one.value) and math.isnan(two.value)))


@given(points)
def test_a_point_is_unpacked_as_it_was(point: Point) -> None:
    assert same(unpacked(pack_latest(point)), point)
    assert same(unpack_history(split_history(pack_history([point])))[0], point)
    assert same(Point(point.timestamp, point.step, latest_value(pack_latest(point))), point)


@given(points, points)
def test_bytes_compare_as_step_time_and_value_with_nan_below_all(one: Point, two: Point) -> None:
    assert (pack_latest(one) < pack_latest(two)) == (order(one) < order(two))


def test_minus_zero_is_zero_and_infinities_are_the_ends() -> None:
    values = [math.nan, -math.inf, -1e308, -5e-324, 0.0, 5e-324, 1.0, math.inf]
    packed = [pack_latest(Point(0, 0, value)) for value in values]
    assert packed == sorted(packed)
    assert pack_latest(Point(0, 0, -0.0)) == packed[4]


class FakeTable:
    """Rows of a history's partition."""

    def __init__(self, found: dict[str, dict[str, Any]]) -> None:
        self.found = found

    def query(self, _pk: str, *, first: str | None = None, **_: Any) -> list[dict[str, Any]]:
        return [self.found[sk] for sk in sorted(self.found) if first is None or sk >= first]


near = st.builds(Point, st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.0, 1.0]))


@given(chunks=st.lists(st.lists(near | points, min_size=1, max_size=6), max_size=12), size=st.integers(1, 9))
def test_pages_of_a_history_have_every_point_once_and_in_order(chunks: list[list[Point]], size: int) -> None:
    made = [row for chunk in chunks for row in rows.history_rows("r", {"m": chunk})]
    store = TrackingStore(FakeTable({row["sk"]: row for row in made}))  # type: ignore[arg-type]
    tracking = Tracking(store, lambda _: "")

    found, after = [], None
    for _ in range(100):
        page = tracking.history("r", "m", limit=size, after=after)
        assert len(page.points) <= size
        found += page.points
        after = page.next
        if after is None:
            break

    everything = pack_history(point for chunk in chunks for point in chunk)
    assert [repr(point) for point in found] == [repr(point) for point in unpack_history(split_history(everything))]


@given(st.integers(0, 2**32 - 1), st.text("0123456789abcdef", min_size=32, max_size=32))
def test_an_id_says_where_it_lies(number: int, random: str) -> None:
    thing = new_id(str(number), random)
    found = place(thing)
    assert found == place(f"m-{thing}")
    assert found is not None
    assert (found.experiment_id, len(thing)) == (str(number), 32)
    assert is_experiment_id(new_experiment_id(random))


@pytest.mark.parametrize("thing", ["", "x" * 32, "0" * 31, "0" * 33, "00000000ff" + "0" * 22, "0" * 31 + "\u0663"])
def test_what_is_no_id_lies_nowhere(thing: str) -> None:
    assert place(thing) is None


@pytest.mark.parametrize("text", ["", "-1", "01", "4294967296", "\u0663", "1e3"])
def test_what_is_no_number_of_an_experiment(text: str) -> None:
    assert not is_experiment_id(text)


def test_a_place_is_an_experiment_and_a_shard() -> None:
    assert place("0000000703" + "a" * 22) == Place("7", 3)
