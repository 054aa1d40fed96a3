from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.batch import cuts, streams
from zeroloop.batch.rules import Chunk, Unreadable

BYTES = st.lists(st.sampled_from([b"a", b'"', b"\n", b"\r\n"]), max_size=60).map(b"".join)


def chunks(data: bytes, length: int, *, quotes: bool) -> list[Chunk]:
    stretches = cuts.stretches(0, len(data), length)
    measures = [cuts.measure([data[one.start : one.end]], one.start, quotes=quotes) for one in stretches]
    return cuts.cut(stretches, measures)


def records(data: bytes, start: int = 0, end: int | None = None, *, quotes: bool) -> list[streams.Record]:
    return list(streams.records([data[start:end]], start, quotes=quotes))


@given(BYTES, st.integers(1, 30), st.booleans())
def test_chunks_hold_every_record_once_and_know_its_number(data: bytes, length: int, quotes: bool) -> None:
    whole = records(data, quotes=quotes)
    if quotes and data.count(b'"') % 2:
        with pytest.raises(Unreadable, match=rf"opened in row {len(whole)} never closes"):
            chunks(data, length, quotes=quotes)
        return
    found: list[streams.Record] = []
    for chunk in chunks(data, length, quotes=quotes):
        assert chunk.row == len(found) + 1
        inside = records(data, chunk.start, chunk.end, quotes=quotes)
        assert len(inside) == chunk.records
        found += inside
    assert found == whole


@given(BYTES, st.lists(st.integers(0, 60), max_size=5), st.booleans())
def test_where_blocks_end_changes_no_measure(data: bytes, places: list[int], quotes: bool) -> None:
    at = [0, *sorted(place for place in places if place < len(data)), len(data)]
    blocks = [data[start:end] for start, end in pairwise(at)]
    assert cuts.measure(blocks, 5, quotes=quotes) == cuts.measure([data], 5, quotes=quotes)


@given(BYTES, st.integers(1, 7), st.booleans())
def test_where_blocks_end_changes_no_record(data: bytes, length: int, quotes: bool) -> None:
    blocks = [data[at : at + length] for at in range(0, len(data), length)]
    assert list(streams.records(blocks, 0, quotes=quotes)) == records(data, quotes=quotes)


@given(BYTES, st.integers(1, 9), st.integers(1, 5), st.integers(2, 12), st.integers(1, 40), st.booleans())
def test_where_blocks_end_changes_no_run(
    data: bytes, length: int, rows: int, longest: int, size: int, quotes: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "MAX_RECORD_BYTES", longest)
        patch.setattr(streams, "RUN_BYTES", size)
        patch.setattr(streams, "_KEPT_BYTES", 1)
        blocks = [data[at : at + length] for at in range(0, len(data), length)]
        found = list(streams.runs(blocks, 7, rows, quotes=quotes))
        whole = list(streams.runs([data], 7, rows, quotes=quotes))
    assert [run.records() for run in found] == [run.records() for run in whole]
    assert [run.open for run in found][-1:] == [bool(quotes and data.count(b'"') % 2)][: len(found)]
    assert not any(run.open for run in found[:-1])
    assert [run.end for run in found] == [run.end for run in whole]
    for run in found:
        if not run.open:
            assert run.lines == (len(data[run.start - 7 : run.end - 7].splitlines()) if run.cut else 1)
        assert run.cut == (len(run.ends) == 1 and run.ends[0] > longest)
        assert len(run.text) == (1 if run.cut else run.ends[-1])
        assert len(run.ends) <= rows
        assert len(run.ends) == 1 or run.ends[-2] < size
    assert b"".join(data[run.start - 7 : run.end - 7] for run in found) == data


@pytest.mark.parametrize(
    ("data", "quotes", "expected"),
    [
        (b"a\nb\r\n\nc", False, [b"a", b"b", b"", b"c"]),
        (b'a,"b\nc"\n"d""\n",e\r\n', True, [b'a,"b\nc"', b'"d""\n",e']),
        (b'"open\nto the end\n', True, [b'"open\nto the end']),
        (b'"a\nb"\n', False, [b'"a', b'b"']),
    ],
)
def test_records_are_those_of_rfc_4180(data: bytes, quotes: bool, expected: list[bytes]) -> None:
    assert [record.data for record in records(data, quotes=quotes)] == expected


def test_a_quoted_newline_at_the_cut_is_no_end() -> None:
    data = b'a\n"b\nc"\nd\n'
    assert chunks(data, 5, quotes=True) == [Chunk(0, 0, 8, 1, 2), Chunk(1, 8, 10, 3, 1)]
    assert chunks(data, 5, quotes=False)[1].start == 8


@pytest.mark.parametrize("data", [b"", b"x"])
def test_what_has_no_end_is_one_chunk(data: bytes) -> None:
    assert chunks(data, 10, quotes=True) == [Chunk(0, 0, len(data), 1, len(data))]


def test_a_stretch_in_which_nothing_begins_makes_no_chunk() -> None:
    assert [chunk.chunk for chunk in chunks(b"a" * 30 + b"\nb\n", 10, quotes=False)] == [0, 3]
