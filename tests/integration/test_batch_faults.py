"""Batch where something goes wrong: lost parts, kills, throttles, cancels, other tries and deployments, on moto."""

import gzip
import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.aws_chaos import Chaos
from tests.integration.conftest import Context, client, event
from tests.integration.test_batch import Killed, World, lines, small, unavailable, without_time
from tests.integration.test_batch import _world as _world  # noqa: PLC0414 - the fixture
from zeroloop import clock, objects, table
from zeroloop.batch.rounds import _Sink
from zeroloop.batch.rules import Job, Piece
from zeroloop.batch.store import _PartRow
from zeroloop.data import DataBucket, Put
from zeroloop.digests import sha256
from zeroloop.errors import Conflict, Unavailable


def test_a_part_that_an_older_deployment_left_without_its_piece_is_replaced(world: World) -> None:
    job_id = world.plan(world.put(lines(3)))
    key = f"outbox/m/{job_id}/part-00000-00000.jsonl"
    world.bucket.put_object(Bucket="data", Key=key, Body=b"other bytes", Metadata={"sha256": sha256(b"other bytes")})
    world.machine.run(job_id)
    job = world.job(job_id)
    assert (job["status"], len(world.rows(job))) == ("completed", 3)
    [part] = json.loads(world.output(job)["manifest.json"])["parts"]
    assert part["sha256"] == sha256(world.output(job)["part-00000-00000.jsonl"])


def test_a_part_that_a_piece_names_is_never_replaced(world: World) -> None:
    job_id = world.plan(world.put(lines(3)))
    world.machine.run(job_id)
    sink = _Sink(world.app.store, world.app.bucket, world.app.store.get(job_id), lambda: 0.0)
    before = world.output(world.job(job_id))
    with pytest.raises(Conflict):
        sink.write("part-00000-00000.jsonl", b"other bytes")
    assert world.output(world.job(job_id)) == before


def test_a_piece_is_noted_once_and_its_time_is_the_first(world: World) -> None:
    job_id = world.plan(world.put(lines(3)))
    world.machine.run(job_id)
    store = world.app.store
    job, [noted] = store.get(job_id), store.pieces(job_id)
    store.save_piece(job, replace(noted, seconds=77.0))
    with pytest.raises(Conflict):
        store.save_piece(job, replace(noted, end=noted.end - 1))
    assert store.pieces(job_id) == [noted]


def test_a_worker_that_another_overtook_with_other_bytes_goes_on_behind_what_is_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    job_id = world.plan(world.put(lines(200)))
    save = type(world.app.store).save_piece
    overtaken: list[int] = []

    def late(store: Any, job: Job, piece: Piece) -> None:
        if piece.piece == 1 and piece.part and not overtaken:  # a later deployment cuts elsewhere
            overtaken.append(piece.piece)
            save(store, job, replace(piece, part=replace(piece.part, sha256="0" * 64)))
        save(store, job, piece)

    monkeypatch.setattr(type(world.app.store), "save_piece", late)
    state = json.loads(world.machine.started[job_id])
    given = {"step": "score", "many": False, "job_id": job_id, "chunk": state["chunk"]}
    with pytest.raises(Unavailable):
        world.app.step(given, 900_000)
    assert world.job(job_id)["status"] == "processing"
    assert [piece.piece for piece in world.app.store.pieces(job_id)] == [0, 1]
    assert world.app.step(given, 900_000) == {"came_to": "done"}
    assert [piece.piece for piece in world.app.store.pieces(job_id)] == [0, 1, 2, 3, 4]


def test_a_part_that_another_deployment_replaced_before_its_piece_was_noted_is_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = world.plan(world.put(lines(20)))
    save, replaced = _Sink.save, list[str]()

    def slow(sink: _Sink, piece: Piece) -> None:
        assert piece.part
        if not replaced:
            key = f"outbox/m/{job_id}/{piece.part.name}"
            body = world.app.bucket.read(key)
            replaced.append(world.app.bucket.write(key, body.replace(b'"confidence":0', b'"confidence":1')).sha256)
        save(sink, piece)

    monkeypatch.setattr(_Sink, "save", slow)
    world.machine.run(job_id)
    assert world.job(job_id)["error"].startswith("rows_lost: part-00000-00000.jsonl has other bytes than were noted")
    assert world.ask("POST", f"/batch/{job_id}/redrive", {})[0] == 202
    world.machine.run(f"{job_id}-r1")
    output = world.output(world.job(job_id))
    [part] = json.loads(output["manifest.json"])["parts"]
    assert part["sha256"] == sha256(output["part-00000-00000.jsonl"]) != replaced[0]


def test_a_piece_of_an_older_deployment_has_no_etag_and_its_size_counts(world: World) -> None:
    job_id = world.plan(world.put(lines(20)))
    state = json.loads(world.machine.started[job_id])
    world.app.step({"step": "score", "many": False, "job_id": job_id, "chunk": state["chunk"]}, 900_000)
    rows = client("dynamodb")
    key = {"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "PIECE#00000#00000"}}
    item = rows.get_item(TableName="batch", Key=key)["Item"]
    body = json.loads(item["body"]["S"])
    assert len(body["part"].pop("etag")) == 32
    rows.put_item(TableName="batch", Item={**item, "body": {"S": json.dumps(body)}})
    world.machine.run(job_id)
    assert world.job(job_id)["status"] == "completed"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"rows": 51}, "lost rows"),
        ({"next_row": 52}, "lost rows"),
        ({"start": 1}, "starts at 1, not 0"),
        ({"rows": 49, "next_row": 50}, "came out"),
    ],
)
def test_a_job_whose_pieces_do_not_hold_every_row_fails(
    world: World, monkeypatch: pytest.MonkeyPatch, change: dict[str, int], error: str
) -> None:
    small(world, monkeypatch, chunk=3_000, piece=50)
    save = type(world.app.store).save_piece

    def altered(store: Any, job: Job, piece: Piece) -> None:
        save(store, job, replace(piece, **change) if (piece.chunk, piece.piece) == (0, 0) else piece)

    monkeypatch.setattr(type(world.app.store), "save_piece", altered)
    job = world.scored(world.put(b'{"text": "a film that was good in its own way"}\n' * 200))
    assert job["status"] == "failed"
    assert job["error"].startswith("rows_lost: ")
    assert error in job["error"]
    assert not {"manifest.json", "_SUCCESS"} & world.output(job).keys()


def spoilt(world: World, key: str, how: str) -> None:
    """An object of an output, as somebody left it; what is `changed` is as long as before."""
    if how == "deleted":
        world.bucket.delete_object(Bucket="data", Key=key)
        return
    body = world.bucket.get_object(Bucket="data", Key=key)["Body"].read()
    world.bucket.put_object(Bucket="data", Key=key, Body=b"{}\n" if how == "cut" else body[::-1])


@pytest.mark.parametrize("lost", ["part-00000-00000.jsonl", "rejects/00000-00000.jsonl"])
@pytest.mark.parametrize("how", ["deleted", "cut", "changed"])
def test_a_job_whose_parts_are_not_there_as_noted_fails(world: World, lost: str, how: str) -> None:
    job_id = world.plan(world.put(lines(60)))
    state = json.loads(world.machine.started[job_id])
    world.app.step({"step": "score", "many": False, "job_id": job_id, "chunk": state["chunk"]}, 900_000)
    key = f"outbox/m/{job_id}/{lost}"
    spoilt(world, key, how)
    assert world.app.step({"step": "advance", "state": state}, 900_000)["status"] == "failed"
    job = world.job(job_id)
    assert job["error"].startswith(f"rows_lost: {lost} ")
    assert not {"manifest.json", "_SUCCESS"} & world.output(job).keys()


@pytest.mark.parametrize("lost", ["part-00000-00001.jsonl", "rejects/00000-00001.jsonl"])
@pytest.mark.parametrize("how", ["deleted", "cut", "changed"])
def test_what_was_lost_of_an_output_is_made_again_by_a_redrive(
    world: World, monkeypatch: pytest.MonkeyPatch, lost: str, how: str
) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    undisturbed = without_time(world.output(world.scored(world.put(lines(200)))))
    job_id = world.plan(world.put(lines(200)))
    state = json.loads(world.machine.started[job_id])
    world.app.step({"step": "score", "many": False, "job_id": job_id, "chunk": state["chunk"]}, 900_000)
    key = f"outbox/m/{job_id}/{lost}"
    spoilt(world, key, how)
    world.machine.run(job_id)
    assert world.job(job_id)["error"].startswith(f"rows_lost: {lost} ")
    assert [piece.piece for piece in world.app.store.pieces(job_id)] == [0]
    assert world.ask("POST", f"/batch/{job_id}/redrive", {})[0] == 202
    world.machine.run(f"{job_id}-r1")
    assert without_time(world.output(world.job(job_id))) == undisturbed


def interrupted(world: World, monkeypatch: pytest.MonkeyPatch) -> str:
    """A job of many measured chunks, of which its first round of scoring came to one."""
    small(world, monkeypatch, chunk=300, piece=50)
    job_id = world.plan(world.put(lines(100)))
    step, scored = world.app.step, list[int]()

    def throttled(given: dict[str, Any], remaining_ms: int) -> Any:
        scored.append(1) if given["step"] == "score" else None
        if given["step"] == "score" and len(scored) > 1:
            raise Unavailable("throttled")
        if given["step"] == "advance" and scored:
            raise Killed
        return step(given, remaining_ms)

    with monkeypatch.context() as broken:
        broken.setattr(world.app, "step", throttled)
        with pytest.raises(TypeError):  # the state machine has no answer of `advance`
            world.machine.run(job_id)
    assert [piece.chunk for piece in world.app.store.pieces(job_id)] == [0]
    return str(job_id)


@pytest.mark.parametrize("left", ["all", "none", "empty", "one"])
def test_a_job_has_every_row_whatever_becomes_of_its_lists_of_chunks(
    world: World, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    job_id = interrupted(world, monkeypatch)
    for name in ("measure-0-0", "score-0-0", "chunks"):
        key = f"outbox/m/{job_id}/_rounds/{name}.json"
        if left == "none":
            world.bucket.delete_object(Bucket="data", Key=key)
        elif left != "all":
            listed = [{"chunk": 0, "start": 0, "end": 300, "row": 1, "records": 7}] if left == "one" else []
            world.bucket.put_object(Bucket="data", Key=key, Body=json.dumps(listed).encode())
    state = world.app.step({"step": "advance", "state": {"job_id": job_id, "attempt": 0, "many": True}}, 900_000)
    world.machine.started["goes on"] = msgspec.json.encode(state)
    world.machine.run("goes on")
    job = world.job(job_id)
    assert (job["status"], job["rows"], job["rejects"]) == ("completed", 98, 2)
    assert [row["row"] for row in world.rows(job)] == [i for i in range(1, 101) if i not in {8, 58}]


def test_a_job_whose_measures_are_gone_fails_and_a_redrive_measures_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = interrupted(world, monkeypatch)
    key = {"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "MEASURE#00003"}}
    client("dynamodb").delete_item(TableName="batch", Key=key)
    state = {"job_id": job_id, "attempt": 0, "many": True}
    assert world.app.step({"step": "advance", "state": state}, 900_000)["status"] == "failed"
    assert world.job(job_id)["error"].startswith("rows_lost: what part 3 of the file measured is not there")
    assert world.ask("POST", f"/batch/{job_id}/redrive", {})[0] == 202
    world.machine.run(f"{job_id}-r1")
    job = world.job(job_id)
    assert (job["status"], job["rows"], job["rejects"]) == ("completed", 98, 2)
    assert [chunk["chunk"] for chunk in world.machine.lists[2]] == [3], "what was measured stays so"


def test_a_redrive_of_a_quote_that_never_closes_says_so_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small(world, monkeypatch)
    job = world.scored(world.put(b'id,text\n2,a 5" disc\n' + b"3,good\n" * 6_000, "f.csv"))
    assert "row 1 never closes" in job["error"]
    status, said = world.ask("POST", f"/batch/{job['job_id']}/redrive", {})
    assert (status, said["status"]) == (202, "failed")
    assert "row 1 never closes" in said["error"]


def test_a_round_that_failed_tells_the_job_why(world: World) -> None:
    job_id = world.plan(world.put(lines(3)))
    caught = {"Error": "OverflowError", "Cause": '{"errorMessage": "too large"}' + "x" * 30_000}
    state = json.loads(world.machine.started[job_id]) | {"came_to": caught}
    assert world.app.step({"step": "advance", "state": state}, 900_000)["status"] == "failed"
    error = world.job(job_id)["error"]
    assert error.startswith("given_up: chunk 0 came no further: OverflowError: ")
    assert "too large" in error
    assert len(error) < 500


@pytest.mark.parametrize("step", ["measure", "score", "advance", "give_up"])
def test_a_step_of_an_older_try_leaves_the_new_one_alone(
    world: World, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    small(world, monkeypatch, chunk=300, piece=50)
    job_id = world.plan(world.put(lines(100)))
    state = json.loads(world.machine.started[job_id]) | {"round": 2}
    assert world.ask("POST", f"/batch/{job_id}/cancel")[0] == 200
    assert world.ask("POST", f"/batch/{job_id}/redrive", {})[1]["status"] == "processing"
    chunk = {"chunk": 0, "start": 0, "end": 300, "row": 1}
    given = {"step": step, "many": True, "job_id": job_id, "attempt": state["attempt"], "chunk": chunk}
    said = world.app.step({**given, "state": state, "caught": {"Error": "x"}}, 900_000)
    assert said in ({"came_to": "over"}, {**said, "over": True})
    assert (world.job(job_id)["status"], world.job(job_id)["error"]) == ("processing", None)
    assert world.app.store.pieces(job_id) == []
    assert world.app.store.measures(job_id) == {}
    world.machine.run(f"{job_id}-r1")
    assert world.job(job_id)["status"] == "completed"


def test_a_step_of_an_older_deployment_names_no_try_and_works_on(world: World) -> None:
    job_id = world.plan(world.put(lines(3)))
    world.ask("POST", f"/batch/{job_id}/redrive", {})
    state = json.loads(world.machine.started[f"{job_id}-r1"])
    assert state.pop("attempt") == 1
    given = {"step": "score", "many": False, "job_id": job_id, "chunk": state["chunk"]}
    assert world.app.step(given, 900_000) == {"came_to": "done"}
    assert world.app.step({"step": "advance", "state": state}, 900_000)["status"] == "completed"


def test_a_try_that_ends_by_an_older_tolerance_fails_not_the_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = world.plan(world.put(b'{"text": "good"}\n{"x": 1}\n'))
    state = json.loads(world.machine.started[job_id])
    world.app.step({"step": "score", "many": False, "job_id": job_id, "chunk": state["chunk"]}, 900_000)
    join, redriven = DataBucket.join, list[int]()

    def slow(bucket: DataBucket, keys: Any, target: str) -> None:
        if not redriven:
            redriven.append(world.app.jobs.redrive(job_id, 60.0, 1).attempt)
        join(bucket, keys, target)

    monkeypatch.setattr(DataBucket, "join", slow)
    assert world.app.step({"step": "advance", "state": state}, 900_000)["over"]
    assert redriven == [1]
    assert world.job(job_id)["status"] == "processing"
    assert world.machine.run(f"{job_id}-r1")["status"] == "completed"


def test_a_redrive_that_allows_more_is_heeded_while_another_waits_to_begin(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = world.scored(world.put(b'{"text": "good"}\n{"x": 1}\n'))["job_id"]
    with monkeypatch.context() as broken:
        broken.setattr(world.machine, "start", unavailable)
        assert world.ask("POST", f"/batch/{job_id}/redrive", {})[0] == 503
    assert world.ask("POST", f"/batch/{job_id}/redrive", {"max_reject_percent": 60})[0] == 202
    assert world.machine.run(f"{job_id}-r1")["status"] == "completed"


def test_of_two_redrives_at_once_what_the_second_allows_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.scored(world.put(b'{"text": "good"}\n{"x": 1}\n'))["job_id"]
    store_replace: Callable[[Any, Job, Job], Job] = type(world.app.store).replace
    second: list[int] = []

    def overtaken(store: Any, before: Job, after: Job) -> Job:
        if after.status == "processing" and not second:
            second.append(0)
            second[0] = world.app.jobs.redrive(job_id, 60.0, 1).attempt
        return store_replace(store, before, after)

    monkeypatch.setattr(type(world.app.store), "replace", overtaken)
    assert world.ask("POST", f"/batch/{job_id}/redrive", {})[0] == 202
    assert (second, list(world.machine.started)) == ([1], [job_id, f"{job_id}-r1"])
    assert world.machine.run(f"{job_id}-r1")["status"] == "completed"


def test_a_piece_lives_from_when_it_was_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.plan(world.put(lines(3)))
    later = clock.now_ms() + 100 * 86_400_000
    monkeypatch.setattr("zeroloop.batch.store.clock.now_ms", lambda: later)
    world.machine.run(job_id)
    key = {"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "PIECE#00000#00000"}}
    piece = client("dynamodb").get_item(TableName="batch", Key=key)["Item"]
    assert int(piece["expires"]["N"]) == later // 1000 + 90 * 86_400


def test_a_cancel_whose_answer_is_lost_stops_the_execution_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = world.plan(world.put(lines(3)))
    store_replace: Callable[[Any, Job, Job], Job] = type(world.app.store).replace
    lost: list[str] = []

    def losing(store: Any, before: Job, after: Job) -> Job:
        done = store_replace(store, before, after)
        if not lost:
            lost.append(done.status)
            raise Conflict("what botocore's own second try is told")
        return done

    monkeypatch.setattr(type(world.app.store), "replace", losing)
    status, said = world.ask("POST", f"/batch/{job_id}/cancel")
    assert (status, said["status"]) == (200, "cancelled")
    assert (lost, world.machine.stopped) == (["cancelled"], [job_id])
    assert world.ask("POST", f"/batch/{job_id}/cancel")[1]["finished_at"] == said["finished_at"]


def test_a_job_is_replaced_only_as_it_was_read(world: World) -> None:
    job_id = world.plan(world.put(lines(3)))
    store = world.app.store
    before = store.get(job_id)
    store.replace(before, replace(before, status="cancelled"))
    with pytest.raises(Conflict):
        store.replace(before, replace(before, status="failed"))
    store.replace(store.get(job_id), replace(before, status="cancelled", attempt=1))
    with pytest.raises(Conflict):
        store.replace(replace(before, status="cancelled"), before)
    assert (store.get(job_id).status, store.get(job_id).attempt) == ("cancelled", 1)


def test_of_two_who_read_the_same_job_one_replaces_it(world: World) -> None:
    job_id = world.plan(world.put(lines(3)))
    store = world.app.store
    before = store.get(job_id)
    store.replace(before, replace(before, options=replace(before.options, max_reject_percent=60.0)))
    with pytest.raises(Conflict):  # although status and attempt are the same
        store.replace(before, replace(before, options=replace(before.options, max_reject_percent=7.0)))
    assert store.get(job_id).options.max_reject_percent == 60.0


def test_who_is_killed_while_forgetting_leaves_no_chunk_further_than_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    job = world.scored(world.put(lines(200)))
    store = world.app.store
    delete, deleted = _PartRow.delete, list[str]()

    def dying(row: _PartRow) -> None:
        if len(deleted) == 2:
            raise Killed
        deleted.append(row.sk)
        delete(row)

    monkeypatch.setattr(_PartRow, "delete", dying)
    with pytest.raises(Killed):
        store.forget(store.get(job["job_id"]), store.pieces(job["job_id"]))
    assert [piece.piece for piece in store.pieces(job["job_id"])] == [0, 1, 2]


def test_a_step_between_rounds_that_never_works_fails_the_job_with_its_reason(world: World) -> None:
    job_id = world.plan(world.put(lines(3)))
    made = event("batch", "give_up")
    made["state"]["job_id"] = job_id
    state = world.app.lambda_handler(made, Context())
    assert (state["over"], state["status"]) == (True, "failed")
    error = world.job(job_id)["error"]
    assert error.startswith("given_up: the step between two rounds failed: Sandbox.Timedout")
    assert "timed out after 900" in error


@pytest.mark.parametrize(
    ("many", "remaining_ms", "seconds"),
    [(True, 900_000, 200), (False, 900_000, 780), (False, 100_000, 40), (True, 100_000, 40)],
)
def test_a_worker_hands_over_before_its_child_or_its_function_ends(
    world: World, monkeypatch: pytest.MonkeyPatch, many: bool, remaining_ms: int, seconds: float
) -> None:
    given: list[float] = []
    monkeypatch.setattr(world.app.rounds, "score", lambda _job, _attempt, _chunk, seconds: given.append(seconds))
    chunk = {"chunk": 0, "start": 0, "end": 1, "row": 1}
    world.app.step({"step": "score", "many": many, "job_id": "j-1", "chunk": chunk}, remaining_ms)
    assert given == [seconds]


def test_a_job_that_is_cancelled_stops_its_workers_behind_the_piece_at_hand(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    job_id = world.plan(world.put(lines(400)))
    save = type(world.app.store).save_piece
    saved: list[int] = []

    def cancelling(store: Any, job: Job, piece: Piece) -> None:
        save(store, job, piece)
        saved.append(piece.piece)
        if piece.piece == 1:
            assert world.ask("POST", f"/batch/{job_id}/cancel")[0] == 200

    monkeypatch.setattr(type(world.app.store), "save_piece", cancelling)
    world.machine.run(job_id)
    assert saved == [0, 1]
    assert world.job(job_id)["status"] == "cancelled"


def test_who_cancels_when_the_output_is_whole_is_too_late(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = world.plan(world.put(lines(3)))
    write = DataBucket.write

    def then_cancelled(bucket: DataBucket, key: str, data: bytes) -> Put:
        put = write(bucket, key, data)
        if key.endswith("_SUCCESS"):
            world.ask("POST", f"/batch/{job_id}/cancel")
        return put

    monkeypatch.setattr(DataBucket, "write", then_cancelled)
    world.machine.run(job_id)
    job = world.job(job_id)
    assert (job["status"], job["rows"], "_SUCCESS" in world.output(job)) == ("completed", 3, True)


def test_too_many_rejects_fail_the_job_and_a_redrive_that_allows_them_scores_nothing_again(world: World) -> None:
    job = world.scored(world.put(b'{"text": "good"}\n{"text": ""}\n'))
    assert job["status"] == "failed"
    assert "1 of 2 rows were rejected, more than 5%" in job["error"]
    output = world.output(job)
    assert "rejects.jsonl" in output
    assert "_SUCCESS" not in output
    status, again = world.ask("POST", f"/batch/{job['job_id']}/redrive", {"max_reject_percent": 50})
    assert (status, again["status"]) == (202, "processing")
    world.machine.run(f"{job['job_id']}-r1")
    after = world.output(world.job(job["job_id"]))
    assert {"_SUCCESS", "manifest.json"} == after.keys() - output.keys()
    assert {name: after[name] for name in output} == output


@pytest.mark.parametrize("name", ["f.jsonl", "f.jsonl.gz"])
def test_a_job_that_is_killed_after_any_write_ends_with_the_same_bytes(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    small(world, monkeypatch, chunk=8_000, piece=50)
    data = lines(600)
    data = gzip.compress(data) if name.endswith("gz") else data
    undisturbed = without_time(world.output(world.scored(world.put(data, name))))
    put, save = DataBucket.write_once, type(world.app.store).save_piece
    luck, deaths = random.Random(3), []

    def killed(kind: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any) -> Any:
            fate = luck.random()
            done = kind(*given) if fate > 0.15 else None
            if fate < 0.3:
                deaths.append(fate)
                raise Killed
            return done

        return call

    monkeypatch.setattr(DataBucket, "write_once", killed(put))
    monkeypatch.setattr(type(world.app.store), "save_piece", killed(save))
    disturbed = world.scored(world.put(data, f"killed-{name}"))
    assert (disturbed["status"], disturbed["error"]) == ("completed", None)
    assert len(deaths) > 10
    assert without_time(world.output(disturbed)) == undisturbed


def test_throttles_errors_and_lost_answers_change_no_byte(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small(world, monkeypatch, chunk=8_000, piece=50)
    undisturbed = without_time(world.output(world.scored(world.put(lines(400)))))
    made = world.put(lines(400), "disturbed.jsonl")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    rates: dict[str, Any] = {"throttle": 0.15, "conflict": 0.0, "server_error": 0.1, "lost_answer": 0.1}
    storage = Chaos(5, **rates).install(objects.client("s3"))
    rows = Chaos(6, **rates).install(table._connection().client)
    try:
        job_id = None
        for _ in range(5):  # as Lambda and then a redrive from the queue would
            with suppress(Unavailable):
                job_id = world.plan(made)
                break
        world.machine.run(str(job_id))
    finally:
        storage.uninstall()
        rows.uninstall()
    for chaos in (storage, rows):
        assert {fault for _, fault in chaos.injected} == {"throttle", "server_error", "lost_answer"}
    assert world.job(str(job_id))["error"] is None
    assert without_time(world.output(world.job(str(job_id)))) == undisturbed


def test_a_chunk_that_never_works_fails_the_job_by_name(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: Any) -> None:
        raise Killed

    monkeypatch.setattr(DataBucket, "write_once", dies)
    job = world.scored(world.put(lines(3)))
    assert job["status"] == "failed"
    assert job["error"].startswith("given_up: chunk 0 came no further")


def test_a_worker_without_time_hands_over_and_the_next_round_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    undisturbed = world.rows(world.scored(world.put(lines(400))))
    now = iter(range(10**9))
    monkeypatch.setattr(world.app.rounds, "_monotonic", lambda: float(next(now)))
    monkeypatch.setattr(world.app, "ALONE_SECONDS", 12)
    made = world.put(lines(400), "slow.jsonl")
    state = world.machine.run(world.plan(made))
    assert state["status"] == "completed"
    assert world.rows(world.job(world.plan(made))) == undisturbed


def test_a_cancelled_job_stops_and_can_be_driven_again(world: World) -> None:
    job_id = world.plan(world.put(lines(5)))
    status, body = world.ask("POST", f"/batch/{job_id}/cancel")
    assert (status, body["status"]) == (200, "cancelled")
    assert world.machine.stopped == [job_id]
    world.machine.run(job_id)
    assert world.output(world.job(job_id)) == {}
    assert world.ask("POST", f"/batch/{job_id}/redrive", {})[0] == 202
    world.machine.run(f"{job_id}-r1")
    assert world.job(job_id)["status"] == "completed"
    assert world.ask("POST", f"/batch/{job_id}/cancel")[0] == 409
    assert world.ask("POST", f"/batch/{job_id}/redrive", {})[1]["code"] == "job_over"


def test_progress_moves_within_a_chunk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    job_id = world.plan(world.put(lines(200)))
    seen: list[float] = []
    save = type(world.app.store).save_piece

    def saved(store: Any, job: Job, piece: Piece) -> None:
        save(store, job, piece)
        seen.append(world.job(job_id)["progress"])

    monkeypatch.setattr(type(world.app.store), "save_piece", saved)
    world.machine.run(job_id)
    assert seen == sorted(seen)
    assert 20 < seen[0] < 30


def test_a_checkpoint_of_an_older_deployment_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    job_id = world.plan(world.put(lines(100)))
    rows = client("dynamodb")
    item = rows.get_item(TableName="batch", Key={"pk": {"S": f"JOB#{job_id}"}, "sk": {"S": "JOB"}})["Item"]
    body = json.loads(item["body"]["S"])
    del body["plan"]["measured"], body["attempt"]
    body["from_a_later_version"] = {"unheard": 1}
    rows.put_item(TableName="batch", Item={**item, "body": {"S": json.dumps(body)}})
    world.machine.run(job_id)
    assert world.job(job_id)["status"] == "completed"
