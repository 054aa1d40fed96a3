from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop import clock

INSTANT = 1_795_348_805_548  # 2026-11-22T12:00:05.548Z


def test_an_instant_is_written_in_utc() -> None:
    assert clock.label(INSTANT) == "20261122120005"
    assert clock.iso(INSTANT) == "2026-11-22T12:00:05Z"
    assert clock.stamp(INSTANT) == "20261122T120005Z"


@given(st.integers(0, 4_102_444_800_000))
def test_an_instant_is_read_to_the_millisecond(at_ms: int) -> None:
    text = datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{at_ms % 1000:03}Z"
    assert clock.parse_iso(text) == at_ms


def test_an_offset_is_heeded() -> None:
    assert clock.parse_iso("2026-11-22T14:00:05.548+02:00") == INSTANT


def test_now_is_in_milliseconds() -> None:
    assert clock.now_ms() == pytest.approx(datetime.now(UTC).timestamp() * 1000, abs=1000)  # noqa: TID251 - the judge


def test_ids_are_128_bits_in_hex_and_differ() -> None:
    ids = {clock.new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(bytes.fromhex(one)) == 16 for one in ids)


@given(st.integers(0, 60))
def test_a_pause_lies_between_nothing_and_its_bound(attempt: int) -> None:
    assert 0 <= clock.pause_seconds(attempt, first=0.02, most=1.0) <= min(1.0, 0.02 * 2**attempt)


def test_pauses_are_spread_over_their_whole_range() -> None:
    pauses = [clock.pause_seconds(3, first=0.1, most=10.0) for _ in range(1000)]
    assert min(pauses) < 0.1
    assert max(pauses) > 0.7
