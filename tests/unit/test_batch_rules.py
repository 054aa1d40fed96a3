from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from tests.batches import job as planned
from zeroloop.batch import costs, rules
from zeroloop.batch.rules import Chunk, Job, Options, Piece, Plan, Status, Written
from zeroloop.errors import Conflict, InvalidInput

JOB = planned(Plan(format="jsonl", chunks=2), 100, Options())
CHUNKS = [Chunk(0, 0, 50, 1, 5), Chunk(1, 50, 100, 6, 5)]


def piece(chunk: int, number: int, start: int, end: int, next_row: int, rows: int, **more: Any) -> Piece:
    given = {"read": 1.0, "rejects": 0, **more}
    return Piece(chunk=chunk, piece=number, start=start, end=end, next_row=next_row, rows=rows, **given)


PIECES = [
    piece(0, 0, 0, 20, 3, 2, read=0.4),
    piece(0, 1, 20, 50, 6, 2, rejects=1, last=True),
    piece(1, 0, 50, 100, 11, 4, blank=1, last=True),
]


def changed(at: int, **change: Any) -> list[Piece]:
    return [replace(one, **change) if i == at else one for i, one in enumerate(PIECES)]


def test_pieces_that_follow_each_other_and_hold_every_record_are_whole() -> None:
    assert rules.gaps(CHUNKS, PIECES) == []
    assert rules.unfinished(CHUNKS, PIECES) == []


@pytest.mark.parametrize(
    "pieces",
    [
        changed(1, start=21),
        changed(1, piece=2),
        changed(1, rows=1),
        changed(2, blank=0, next_row=10),
        changed(0, next_row=4),
        [PIECES[0], PIECES[2]],
        [*PIECES[:2], PIECES[1], PIECES[2]],
    ],
)
def test_a_row_that_is_lost_or_doubled_is_seen(pieces: list[Piece]) -> None:
    assert rules.gaps(CHUNKS, pieces)


def test_a_part_that_is_not_there_or_has_other_bytes_is_seen() -> None:
    pieces = changed(0, part=Written("part-a", "0", 5, "e"), rejected=Written("rejects/a", "1", 3))
    there = {"part-a": (5, "e"), "rejects/a": (3, "f")}
    assert rules.missing(pieces, {**there, "part-b": (1, "")}) == []
    assert rules.missing(pieces, {"part-a": (5, "e")}) == ["rejects/a is not there"]
    assert rules.missing(pieces, {**there, "part-a": (4, "e")}) == ["part-a has 4 bytes, not 5"]
    assert rules.missing(pieces, {**there, "part-a": (5, "f")}) == ["part-a has other bytes than were noted"]


def test_of_a_chunk_that_lost_something_what_follows_is_in_doubt_and_all_of_one_with_gaps() -> None:
    pieces = changed(1, part=Written("part-b", "0", 5, "e"))
    assert rules.doubtful(CHUNKS, pieces, {"part-b": (5, "e")}) == []
    assert rules.doubtful(CHUNKS, pieces, {"part-b": (4, "e")}) == [pieces[1]]
    assert rules.doubtful(CHUNKS, pieces, {"part-b": (5, "f")}) == [pieces[1]]
    pieces = changed(0, rejected=Written("rejects/a", "1", 3))
    assert rules.doubtful(CHUNKS, pieces, {}) == pieces[:2]
    pieces = changed(1, start=21)
    assert rules.doubtful(CHUNKS, pieces, {}) == pieces[:2]


def test_a_chunk_without_its_last_piece_is_unfinished() -> None:
    assert rules.unfinished(CHUNKS, PIECES[:1]) == CHUNKS
    assert rules.unfinished(CHUNKS, PIECES[:2]) == CHUNKS[1:]


@pytest.mark.parametrize(("most", "fails"), [(0.0, True), (11.0, True), (11.2, False), (100.0, False)])
def test_the_tolerance_counts_rejects_among_all_rows(most: float, fails: bool) -> None:
    job = replace(JOB, options=Options(max_reject_percent=most))
    assert bool(rules.too_many_rejects(job, PIECES)) is fails  # 1 of 9


def test_lines_that_odd_quotes_swallowed_count_as_the_rows_they_were() -> None:
    job = replace(JOB, options=Options(max_reject_percent=99))
    swallowed = changed(1, swallowed=2_000)
    assert rules.gaps(CHUNKS, swallowed) == []
    assert rules.too_many_rejects(job, PIECES) is None
    assert "2,001 of 2,009 lines were rejected" in str(rules.too_many_rejects(job, swallowed))


def test_a_job_without_rows_has_not_too_many_rejects() -> None:
    assert rules.too_many_rejects(replace(JOB, options=Options(max_reject_percent=0)), []) is None


def test_progress_is_what_was_read_of_all_chunks_and_tells_the_end() -> None:
    job = rules.start(JOB, 1_000)
    half = rules.progress(job, PIECES[:1], 2_000)
    assert (half.progress, half.rows, half.rows_per_second, half.estimated_end) == (20.0, 2, 2.0, 6_000)
    assert rules.progress(job, PIECES, 2_000).progress == 99.9
    assert rules.progress(rules.complete(job, PIECES, 3_000), [], 9_000).progress == 100.0
    assert rules.progress(JOB, [], 2_000).estimated_end is None


def test_a_completed_job_counts_its_rows() -> None:
    done = rules.complete(JOB, PIECES, 5)
    assert (done.status, done.rows, done.rejects, done.finished_at) == (Status.COMPLETED, 8, 1, 5)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda job: rules.cancel(rules.complete(job, [], 1), 1), "job_over"),
        (lambda job: rules.cancel(rules.fail(job, "why", 1), 1), "job_over"),
        (lambda job: rules.redrive(rules.complete(job, [], 1), None), "job_over"),
        (lambda job: rules.redrive(rules.fail(replace(job, plan=None), "x", 1), None), "not_planned"),
    ],
)
def test_what_a_state_forbids(change: Callable[[Job], Job], code: str) -> None:
    with pytest.raises(Conflict) as refused:
        change(JOB)
    assert refused.value.code == code


def test_a_redrive_is_a_new_execution_of_the_same_job() -> None:
    again = rules.redrive(rules.fail(JOB, "why", 1), 50)
    assert (again.status, again.error, again.attempt) == (Status.PENDING, None, 1)
    assert again.options.max_reject_percent == 50
    assert [rules.execution(JOB), rules.execution(again)] == ["j-1", "j-1-r1"]
    assert rules.redrive(again, None) == again
    assert rules.redrive(again, 60) == replace(again, options=replace(again.options, max_reject_percent=60))


def test_a_job_that_is_cancelled_twice_ended_when_it_was_first() -> None:
    cancelled = rules.cancel(JOB, 1)
    assert rules.cancel(cancelled, 2) is cancelled


def test_an_object_of_another_version_model_or_place_is_another_job() -> None:
    ids = {
        rules.job_id("b", "k", "v", "m", None),
        rules.job_id("b", "k", "w", "m", None),
        rules.job_id("b", "k", None, "m", None),
        rules.job_id("b", "k", "v", "n", None),
        rules.job_id("b", "k", "v", "m", 1),
        rules.job_id("bk", "", "v", "m", None),
    }
    assert len(ids) == 6
    assert all(len(rules.execution(replace(JOB, job_id=one, attempt=999))) <= 80 for one in ids)


@pytest.mark.parametrize("uri", ["", "b/k", "s3://", "s3://b", "s3://b/", "s3:///k", "s3://b/" + "k" * 1025])
def test_what_is_no_address_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.parse_uri(uri)
    assert refused.value.field == "input"


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"header": False, "delimiter": "tab"},
        {"output": "csv", "max_reject_percent": 2.5},
        {"header": None},
        {"header": "true"},
    ],
)
def test_what_is_asked_for_an_upload_is_the_same_as_its_metadata(asked: dict[str, Any]) -> None:
    assert rules.options(rules.metadata(asked), {}) == rules.options({}, asked)


@pytest.mark.parametrize(
    "asked", [{"delimiter": "\u00a6"}, {"delimiter": " "}, {"delimiter": "\x01"}, {"header": "maybe"}, {"x": 1}]
)
def test_what_can_not_be_metadata_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        rules.metadata(asked)


def test_what_is_asked_goes_before_metadata_and_other_metadata_is_nobodys() -> None:
    found = rules.options({"output": "csv", "delimiter": ";", "author": "me"}, {"output": "parquet"})
    assert (found.output, found.delimiter) == ("parquet", ";")
    assert rules.options({"max_reject_percent": "7.5"}, {}).max_reject_percent == 7.5
    assert [rules.options({"header": told}, {}).header for told in ("true", "false")] == [True, False]


@pytest.mark.parametrize(
    "given",
    [
        {"output": "xml"},
        {"delimiter": ",,"},
        {"delimiter": "tabs"},
        {"header": "maybe"},
        {"delimiter": '"'},
        {"delimiter": "\n"},
        {"delimiter": "\r"},
        {"delimiter": "\0"},
        {"max_reject_percent": 101},
        {"odd": 1},
    ],
)
def test_options_that_can_not_be_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        rules.options({}, given)
    assert refused.value.field == "options"


def test_a_jobs_cost_is_the_sum_of_its_items_and_distributed_map_costs_by_the_chunk() -> None:
    pieces = [replace(one, seconds=10.0, part=Written("p", "0", 1)) for one in PIECES]
    alone, mapped = (costs.job(n_chunks, 10**9, pieces, measured=False) for n_chunks in (0, 2))
    measured = costs.job(2, 10**9, pieces, measured=True)
    for cost in (alone, mapped, measured):
        assert cost["usd"] == pytest.approx(sum(usd for name, usd in cost.items() if name != "usd"), abs=1e-7)
    assert alone["distributed_map"] == 0
    assert 4 * costs.TRANSITION > mapped["distributed_map"] > 2 * costs.TRANSITION
    assert measured["distributed_map"] > 4 * costs.TRANSITION
    assert measured["s3"] - mapped["s3"] == pytest.approx(16 * costs.GET)
    assert measured["lambda"] > mapped["lambda"] > alone["lambda"]
    assert alone["lambda"] == pytest.approx(30 * costs.MEMORY_GB * costs.LAMBDA_GB_SECOND, rel=0.01)
