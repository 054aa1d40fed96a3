"""The batch function on moto: real rows and objects, with a stand-in for the state machine that runs its rounds."""

import copy
import gzip
import io
import json
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from msgspec.structs import replace
from pyarrow import parquet

from tests import models
from tests.aws_chaos import Chaos
from tests.aws_limits import check_answer
from tests.integration.conftest import ROOT, Context, client, event
from tests.integration.test_predict import Session
from zeroloop import clock, objects, table
from zeroloop.batch import costs
from zeroloop.batch.rounds import _Sink
from zeroloop.batch.rules import Job, Piece
from zeroloop.batch.service import Wanted
from zeroloop.batch.store import _PartRow
from zeroloop.data import DataBucket, Put
from zeroloop.digests import PackageFile, sha256
from zeroloop.errors import Conflict, Unavailable
from zeroloop.objects import Bucket
from zeroloop.registry.rules import Facts
from zeroloop.registry.service import Admissions, Change, Registry, object_key
from zeroloop.registry.store import RegistryStore

INVALID = "invalid_input"
TEXTS = ["good", "a bad film", 'say "hello"', "two\nlines", "x, y"]


class Killed(BaseException):
    """As SIGKILL: nothing in the function sees it coming or going."""


class Machine:
    """Runs executions as template.yaml's state machine does: rounds, each step tried again, failures told by none."""

    def __init__(self, app: ModuleType) -> None:
        self.app = app
        self.started: dict[str, bytes] = {}
        self.stopped: list[str] = []
        self.lists: list[list[Any]] = []

    def start(self, name: str, state: bytes) -> None:
        self.started.setdefault(name, state)

    def stop(self, name: str) -> None:
        self.stopped.append(name)

    def run(self, name: str, *, backwards: bool = False) -> dict[str, Any]:
        state = json.loads(self.started[name])
        for _ in range(50):
            if state["over"]:
                return dict(state)
            chunks = [state["chunk"]]
            if state["many"]:
                chunks = json.loads(client("s3").get_object(Bucket=state["bucket"], Key=state["key"])["Body"].read())
                self.lists.append(chunks)
            for chunk in reversed(chunks) if backwards else chunks:
                given = {name: state[name] for name in ("step", "many", "job_id", "attempt")} | {"chunk": chunk}
                self.attempt(given)
            state = json.loads(msgspec.json.encode(self.attempt({"step": "advance", "state": state})))
        raise AssertionError("the rounds do not end")

    def attempt(self, given: dict[str, Any]) -> Any:
        for _ in range(5):
            try:
                return self.app.step(given, 900_000)
            except (Killed, Unavailable):
                continue
        return None


class World:
    """Batch, the registry behind it, and the machine in hand."""

    def __init__(self, load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
        self.app = load("batch")
        self.session = Session()
        monkeypatch.setattr(self.app.source, "_session", self.session)
        self.machine = Machine(self.app)
        monkeypatch.setattr(self.app.jobs, "_machine", self.machine)
        self.registry = Registry(
            RegistryStore("registry"), Bucket("artifacts"), lambda *_: None, max_package_bytes=10**8
        )
        self.bucket = client("s3")
        self.sequencer = 0

    def serving(self, name: str, files: dict[str, bytes], facts: Facts | None = None) -> int:
        listed = [PackageFile(path, sha256(data), len(data)) for path, data in files.items()]
        version = self.registry.register(name, listed, actor="test", at=1).version
        for path, data in files.items():
            self.bucket.put_object(Bucket="artifacts", Key=object_key(version, path), Body=data)
        Admissions(RegistryStore("registry")).admit(version, facts or Facts())
        self.registry.promote(name, version.version, Change(actor="test", at=1, reason="test"))
        return version.version

    def put(self, data: bytes, name: str = "f.jsonl", model: str = "m", **metadata: str) -> dict[str, Any]:
        """Upload; the event that S3 makes of it."""
        self.sequencer += 1
        key = f"inbox/{model}/{name}"
        put = self.bucket.put_object(Bucket="data", Key=key, Body=data, Metadata=metadata)
        made = copy.deepcopy(event("batch", "upload"))
        made["detail"]["object"] |= {
            "key": key,
            "size": len(data),
            "version-id": put["VersionId"],
            "sequencer": f"{self.sequencer:018X}",
        }
        return made

    def plan(self, made: dict[str, Any]) -> Any:
        return self.app.lambda_handler(made, Context())["job_id"]

    def scored(self, made: dict[str, Any]) -> dict[str, Any]:
        """The job of an upload, run to its end."""
        job_id = self.plan(made)
        if job_id in self.machine.started:
            self.machine.run(job_id)
        return self.job(job_id)

    def job(self, job_id: str) -> dict[str, Any]:
        status, body = self.ask("GET", f"/batch/{job_id}")
        assert status == 200
        return dict(body)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        made = event("batch", "submit")
        made["rawPath"] = made["requestContext"]["http"]["path"] = path
        made["requestContext"]["http"]["method"] = method
        made["body"] = json.dumps(body) if body is not None else ""
        answer = self.app.lambda_handler(made, Context())
        check_answer(0.0, answer["statusCode"], answer["body"].encode())
        return answer["statusCode"], json.loads(answer["body"])

    def output(self, job: dict[str, Any]) -> dict[str, bytes]:
        prefix = job["output"].removeprefix("s3://data/")
        found = self.bucket.list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])
        keys = [entry["Key"] for entry in found if "/_rounds/" not in entry["Key"]]
        return {key.removeprefix(prefix): self.bucket.get_object(Bucket="data", Key=key)["Body"].read() for key in keys}

    def rows(self, job: dict[str, Any]) -> list[Any]:
        output = self.output(job)
        return [
            json.loads(line)
            for name in sorted(output)
            if name.startswith("part-")
            for line in output[name].splitlines()
        ]


@pytest.fixture(name="world")
def _world(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda _self: 900_000, raising=False)
    world = World(load, monkeypatch)
    world.serving("m", models.package(models.dense(dtype="int32"), kind="hashed_ngrams"))
    return world


def lines(n: int) -> bytes:
    rows = [{"id": i, "text": TEXTS[i % len(TEXTS)] if i % 50 != 7 else " "} for i in range(n)]
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def small(world: World, monkeypatch: pytest.MonkeyPatch, chunk: int = 20_000, piece: int = 100) -> None:
    """Chunks and pieces that make a small file a large one."""
    monkeypatch.setattr("zeroloop.batch.planning.CHUNK_BYTES", chunk)
    monkeypatch.setattr("zeroloop.batch.planning._LEAST_CHUNK_BYTES", 1)
    monkeypatch.setattr("zeroloop.batch.scoring.BATCH_ROWS", 50)
    monkeypatch.setattr("zeroloop.batch.planning.SUB_BATCH", 50)
    monkeypatch.setattr("zeroloop.batch.planning._MOST_PIECE_ROWS", piece)
    del world


def without_time(output: dict[str, bytes]) -> dict[str, Any]:
    manifest = json.loads(output["manifest.json"])
    left = {name: value for name, value in manifest.items() if name not in {"timings", "cost", "job_id", "input"}}
    return {**output, "manifest.json": left}


def test_an_upload_becomes_a_job_whose_output_has_every_row(world: World) -> None:
    job = world.scored(world.put(lines(60)))
    assert (job["status"], job["progress"], job["error"]) == ("completed", 100.0, None)
    assert (job["model_version"], job["rows"], job["rejects"]) == (1, 58, 2)
    output = world.output(job)
    part = "part-00000-00000.jsonl"
    assert set(output) == {part, "rejects/00000-00000.jsonl", "rejects.jsonl", "manifest.json", "_SUCCESS"}
    assert [row["row"] for row in world.rows(job)] == [i for i in range(1, 61) if i not in {8, 58}]
    manifest = json.loads(output["manifest.json"])
    assert manifest["parts"] == [{"name": part, "sha256": sha256(output[part]), "bytes": len(output[part]), "rows": 58}]
    assert (manifest["rows"], manifest["rejects"], manifest["input"]) == (58, 2, job["input"])
    assert [json.loads(line)["row"] for line in output["rejects.jsonl"].splitlines()] == [8, 58]


@pytest.mark.parametrize("name", ["f.jsonl", "f.csv", "f.jsonl.gz"])
def test_a_large_file_is_measured_cut_and_scored_in_any_order_as_one_would_be(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    data = lines(1500)
    if name == "f.csv":
        data = b"id,text\n" + b"".join(b'%d,"%s\n"\n' % (i, b"word " * (i % 5 + 1)) for i in range(1500))
    if name.endswith("gz"):
        data = gzip.compress(data)
    whole = world.scored(world.put(data, name))
    small(world, monkeypatch)
    made = world.put(data, f"again-{name}")
    world.machine.run(world.plan(made), backwards=True)
    cut = world.job(world.plan(made))
    assert (cut["status"], cut["error"]) == ("completed", None)
    assert world.rows(cut) == world.rows(whole)
    assert len(world.output(cut)) > len(world.output(whole))
    if not name.endswith("gz"):
        assert len(world.machine.lists) == 2, "one round of measuring, one of scoring"


def test_the_cost_of_a_parquet_file_has_no_measuring_in_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    small(world, monkeypatch, chunk=500)
    out = io.BytesIO()
    parquet.write_table(pa.table({"text": [f"good {i}" for i in range(200)]}), out, row_group_size=50)
    job = world.scored(world.put(out.getvalue(), "f.parquet"))
    [chunks] = world.machine.lists
    cost = json.loads(world.output(job)["manifest.json"])["cost"]
    assert cost["distributed_map"] == pytest.approx(len(chunks) * (costs.TRANSITION + costs.EXPRESS_RUN), rel=0.05)


def test_the_same_event_16_times_is_one_job_scored_once(world: World) -> None:
    made = world.put(lines(5))
    assert len({world.plan(made) for _ in range(16)}) == 1
    [name] = world.machine.started
    world.machine.run(name)
    before = world.output(world.job(name))
    world.plan(made)
    world.machine.run(name)
    assert list(world.machine.started) == [name]
    assert world.output(world.job(name)) == before


def test_the_first_planner_pins_the_model_version(world: World) -> None:
    made = world.put(lines(5))
    job_id = world.plan(made)
    world.serving("m", models.package(models.dense(dtype="int32"), kind="hashed_ngrams", description="second"))
    assert world.plan(made) == job_id
    world.machine.run(job_id)
    assert {row["model_version"] for row in world.rows(world.job(job_id))} == {1}


@pytest.mark.parametrize("first_try", ["none", "failed"])
def test_an_upload_whose_event_comes_after_that_of_a_newer_one_is_scored_too(
    world: World, monkeypatch: pytest.MonkeyPatch, first_try: str
) -> None:
    older, newer = world.put(b'{"text": "one"}\n'), world.put(b'{"text": "two"}\n')
    if first_try == "failed":
        with monkeypatch.context() as patch:
            patch.setattr(world.app.jobs, "_found", unavailable)
            with pytest.raises(Unavailable):
                world.plan(older)
    assert [world.rows(world.scored(made))[0]["text"] for made in (newer, older)] == ["two", "one"]


def unavailable(*_: Any) -> None:
    raise Unavailable("throttled")


def test_an_event_without_a_version_means_the_current_one(world: World) -> None:
    made = [world.put(b'{"text": "one"}\n'), world.put(b'{"text": "two"}\n')]
    for one in made:
        del one["detail"]["object"]["version-id"]
    assert world.plan(made[1]) == world.plan(made[0])
    [job_id] = world.machine.started
    world.machine.run(job_id)
    assert [row["text"] for row in world.rows(world.job(job_id))] == ["two"]


def test_an_input_that_is_overwritten_meanwhile_is_read_as_it_was_planned(world: World) -> None:
    made = world.put(b'{"text": "first"}\n')
    job_id = world.plan(made)
    world.put(b'{"text": "second"}\n')
    world.machine.run(job_id)
    assert [row["text"] for row in world.rows(world.job(job_id))] == ["first"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_input_that_is_deleted_fails_the_job_with_the_reason(world: World, when: str) -> None:
    made = world.put(lines(3))
    job_id = world.plan(made) if when == "after" else None
    given = made["detail"]["object"]
    world.bucket.delete_object(Bucket="data", Key=given["key"], VersionId=given["version-id"])
    job_id = job_id or world.plan(made)
    if when == "after":
        world.machine.run(job_id)
    job = world.job(job_id)
    assert job["status"] == "failed"
    assert job["error"].startswith("input_gone: ")


@pytest.mark.parametrize("name", ["a b.jsonl", "a+b.jsonl", "ü/ü.jsonl", "a%2Fb.jsonl", "100%.jsonl"])
def test_a_key_is_taken_as_it_is(world: World, name: str) -> None:
    job = world.scored(world.put(lines(1), name))
    assert (job["status"], job["input"]["key"]) == ("completed", f"inbox/m/{name}")


@pytest.mark.parametrize(
    "key",
    [
        "outbox/m/j-1/part-00000-00000.jsonl",
        "predictions/model=m/dt=2026-11-28/1.jsonl.gz",
        "maps/j-1/manifest.json",
        "inbox/f.csv",
        "inbox/m/",
        "inbox//f.csv",
    ],
)
def test_what_is_no_upload_to_a_model_begins_nothing(world: World, key: str) -> None:
    made = world.put(lines(1))
    made["detail"]["object"]["key"] = key
    assert world.plan(made) is None
    assert world.machine.started == {}


@pytest.mark.parametrize(
    ("data", "name", "metadata", "error"),
    [
        (b"a,b\n1,2\n", "f.csv", {}, "unreadable_input: there is no column 'text'"),
        (gzip.compress(b"{}\n")[:-4], "f.jsonl.gz", {}, "unreadable_input: the gzip file is cut short"),
        (b"PAR1", "f.parquet", {}, "unreadable_input: the file is not Parquet"),
        (b"{}\n", "f.jsonl", {"format": "xml"}, "invalid_input: options"),
    ],
)
def test_a_file_that_can_not_be_scored_is_a_failed_job_with_the_reason(
    world: World, data: bytes, name: str, metadata: dict[str, str], error: str
) -> None:
    job = world.scored(world.put(data, name, **metadata))
    assert job["status"] == "failed"
    assert job["error"].startswith(error)
    assert "_SUCCESS" not in world.output(job)


def test_an_upload_for_an_unknown_model_is_a_failed_job(world: World) -> None:
    job = world.scored(world.put(lines(1), model="nobody"))
    assert (job["status"], job["model_version"]) == ("failed", None)
    assert job["error"].startswith("unknown_model")
    assert world.ask("POST", f"/batch/{job['job_id']}/redrive", {}) == (404, job_refused("nobody"))


def job_refused(model: str) -> dict[str, str]:
    return {"code": "unknown_model", "message": f"there is no model {model!r}", "field": "model"}


@pytest.mark.parametrize("how", ["redrive", "event", "request"])
def test_a_job_that_was_refused_is_planned_again_when_what_it_lacked_is_there(world: World, how: str) -> None:
    made = world.put(b'{"text": "good"}\n', model="late")
    job = world.scored(made)
    assert job["status"] == "failed"
    world.serving("late", models.package(models.dense(dtype="int32"), kind="hashed_ngrams"))
    if how == "redrive":
        assert world.ask("POST", f"/batch/{job['job_id']}/redrive", {})[0] == 202
    elif how == "request":
        order = {"model": "late", "input": "s3://data/inbox/late/f.jsonl"}
        assert world.ask("POST", "/batch", order)[1]["job_id"] == job["job_id"]
    else:
        assert world.plan(made) == job["job_id"]
    world.machine.run(job["job_id"])
    again = world.job(job["job_id"])
    assert (again["status"], again["rows"], again["error"]) == ("completed", 1, None)


def test_other_options_for_an_object_that_has_a_job_are_refused_aloud(world: World) -> None:
    world.put(lines(3))
    order = {"model": "m", "input": "s3://data/inbox/m/f.jsonl", "options": {"output": "csv"}}
    assert world.ask("POST", "/batch", order)[0] == 202
    assert world.ask("POST", "/batch", {**order, "options": {}})[0] == 202
    status, said = world.ask("POST", "/batch", {**order, "options": {"output": "parquet"}})
    assert (status, said["code"], said["field"]) == (409, "other_options", "options.output")


@pytest.mark.parametrize("delimiter", ["tab", "\t"])
def test_the_same_options_spelled_otherwise_are_the_same_job(world: World, delimiter: str) -> None:
    job = world.scored(world.put(b"id\ttext\n1\tgood\n2\t \n", "f.csv", delimiter="tab", format="csv"))
    assert job["status"] == "failed"
    asked = {"delimiter": delimiter, "format": None, "output": "jsonl", "max_reject_percent": 5}
    order = {"model": "m", "input": "s3://data/inbox/m/f.csv", "options": asked}
    assert world.ask("POST", "/batch", order)[1].get("job_id") == job["job_id"]
    assert world.ask("POST", f"/batch/{job['job_id']}/redrive", {"max_reject_percent": 60})[0] == 202
    assert world.ask("POST", "/batch", order)[1].get("job_id") == job["job_id"]  # what a redrive changed is not asked
    status, said = world.ask("POST", "/batch", {**order, "options": {**asked, "delimiter": ";"}})
    assert (status, said["field"]) == (409, "options.delimiter")


@pytest.mark.parametrize("n_chunks", ["one", "many"])
def test_an_odd_quote_fails_the_job_and_names_its_row(
    world: World, monkeypatch: pytest.MonkeyPatch, n_chunks: str
) -> None:
    if n_chunks == "many":
        small(world, monkeypatch)
    data = b"id,text\n" + b"1,good\n" * 500 + b'2,a 5" disc\n' + b"3,good\n" * 6_000
    job = world.scored(world.put(data, "f.csv"))
    assert (len(world.machine.lists) > 0) == (n_chunks == "many")
    assert job["status"] == "failed"
    assert "the quote opened in row 501 never closes" in job["error"]
    assert "_SUCCESS" not in world.output(job)


@pytest.mark.parametrize("n_chunks", ["one", "many"])
def test_what_two_odd_quotes_swallow_fails_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch, n_chunks: str
) -> None:
    if n_chunks == "many":
        small(world, monkeypatch)
    data = b"id,text\n" + b"1,good\n" * 50 + b'2,a 5" disc\n' + b"3,good\n" * 6_000 + b'4,a 3" disc\n5,good\n'
    job = world.scored(world.put(data, "f.csv"))
    assert (job["status"], job["rows"], job["rejects"]) == ("failed", 51, 1)
    assert "6,002 of 6,053 lines were rejected" in job["error"]
    [listed] = world.ask("GET", "/batch")[1]["jobs"]
    assert (listed["rows"], listed["rejects"]) == (51, 1)


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


def test_of_two_requests_at_once_the_one_with_other_options_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(lines(3))
    order = {"model": "m", "input": "s3://data/inbox/m/f.jsonl"}
    planned = type(world.app.jobs)._planned
    wanted = Wanted(bucket="data", key="inbox/m/f.jsonl", model="m", options={"output": "parquet"})
    first: list[Any] = []

    def slow(jobs: Any, *given: Any) -> Any:
        made = planned(jobs, *given)
        if not first:
            first.append(None)
            first[0] = jobs.submit(wanted, 1)
        return made

    monkeypatch.setattr(type(world.app.jobs), "_planned", slow)
    status, said = world.ask("POST", "/batch", {**order, "options": {"output": "csv"}})
    assert first[0].options.output == "parquet"
    assert (status, said["code"]) == (409, "other_options")


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


def test_write_once_takes_the_same_bytes_again_and_no_others(world: World) -> None:
    bucket = world.app.bucket
    first = bucket.write_once("outbox/x", b"one")
    assert first == bucket.write_once("outbox/x", b"one")
    assert (first.sha256, first.etag) == (sha256(b"one"), bucket.version("outbox/x").etag)
    with pytest.raises(Conflict):
        bucket.write_once("outbox/x", b"two")
    assert bucket.read("outbox/x") == b"one"


@pytest.mark.parametrize("n_keys", [0, 1, 16, 40])
def test_many_objects_are_joined_in_order(world: World, n_keys: int) -> None:
    bucket = world.app.bucket
    keys = [f"outbox/{number}" for number in range(n_keys)]
    for key in keys:
        bucket.write(key, key.encode() + b"\n")
    bucket.join(keys, "outbox/all")
    assert bucket.read("outbox/all") == b"".join(key.encode() + b"\n" for key in keys)


def test_objects_are_read_16_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Barrier(16, timeout=20)

    def read(_own: DataBucket, key: str) -> bytes:
        gate.wait()
        return key.encode()

    monkeypatch.setattr(DataBucket, "read", read)
    world.app.bucket.join(map(str, range(32)), "outbox/all")
    monkeypatch.undo()


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


def test_more_files_than_can_be_signed_are_refused_and_not_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    monkeypatch.setattr("zeroloop.batch.service._PRESIGNED", 4)
    job = world.scored(world.put(lines(120)))
    status, said = world.ask("GET", f"/batch/{job['job_id']}/files")
    assert (status, said["code"]) == (409, "too_many_files")
    assert job["output"] in said["message"]


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


def test_what_metadata_declares_is_heeded(world: World) -> None:
    job = world.scored(world.put(b"text#id\na,b#7\n", "f.csv", delimiter="#", output="csv"))
    assert world.output(job)["part-00000-00000.csv"].splitlines()[1].startswith(b'1,7,"a,b",')


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


def test_a_request_begins_a_job_and_the_same_request_again_is_the_same(world: World) -> None:
    world.put(lines(3))
    order = {"model": "m", "input": "s3://data/inbox/m/f.jsonl", "version": 1, "options": {"output": "csv"}}
    status, job = world.ask("POST", "/batch", order)
    assert (status, job["status"], job["model_version"]) == (202, "processing", 1)
    assert world.ask("POST", "/batch", order)[1]["job_id"] == job["job_id"]
    world.machine.run(job["job_id"])
    assert "part-00000-00000.csv" in world.output(job)
    files = world.ask("GET", f"/batch/{job['job_id']}/files")[1]["files"]
    assert [file["name"] for file in files] == ["part-00000-00000.csv", "rejects.jsonl", "manifest.json"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/batch/j-1", None, 404, "unknown_job"),
        ("GET", f"/batch/{'j' * 3_000}", None, 404, "unknown_job"),
        ("POST", "/batch/j-1/cancel", None, 404, "unknown_job"),
        ("POST", "/batch/j-1/redrive", {}, 404, "unknown_job"),
        ("GET", "/batch/j-1/files", None, 404, "unknown_job"),
        ("POST", "/batch", {"model": "m"}, 422, "invalid_input"),
        ("POST", "/batch", {"model": "m", "input": "http://x"}, 422, "invalid_input"),
        ("POST", "/batch", {"model": "m", "input": "s3://elsewhere/f"}, 422, "invalid_input"),
        ("POST", "/batch", {"model": "m", "input": "s3://data/inbox/m/none"}, 409, "input_gone"),
        ("POST", "/batch", {"model": "nobody", "input": "s3://data/inbox/m/there"}, 404, "unknown_model"),
        ("POST", "/batch", {"model": "../x", "input": "s3://data/inbox/m/there"}, 422, "bad_name"),
        ("POST", "/batch", {"model": "m", "version": 9, "input": "s3://data/inbox/m/there"}, 404, "unknown_version"),
        (
            "POST",
            "/batch",
            {"model": "m", "input": "s3://data/inbox/m/there", "options": {"x": 1}},
            422,
            "invalid_input",
        ),
        ("POST", "/batch/uploads", {"model": "m", "name": "a/b", "sha256": "0" * 64, "size": 1}, 422, "invalid_input"),
        ("POST", "/batch/uploads", {"model": "m", "name": "a", "sha256": "0", "size": 1}, 422, "invalid_input"),
        (
            "POST",
            "/batch/uploads",
            {"model": "nobody", "name": "a", "sha256": "0" * 64, "size": 1},
            404,
            "unknown_model",
        ),
        (
            "POST",
            "/batch/uploads",
            {"model": "m", "name": "a", "sha256": "0" * 64, "size": 1, "options": {"header": "maybe"}},
            422,
            "invalid_input",
        ),
        ("DELETE", "/batch", None, 404, "no_route"),
    ],
)
def test_a_refusal(world: World, method: str, path: str, body: Any, status: int, code: str) -> None:
    world.put(lines(1), "there")
    answered, said = world.ask(method, path, body)
    assert (answered, said["code"]) == (status, code)


def test_an_upload_that_was_asked_for_carries_what_was_declared(world: World) -> None:
    options = {"header": False, "output": "csv"}
    order = {"model": "m", "name": "f.csv", "sha256": "0" * 64, "size": 1, "options": options}
    status, place = world.ask("POST", "/batch/uploads", order)
    headers = place["upload"]["headers"]
    assert status == 201
    assert {"x-amz-meta-header": "false", "x-amz-meta-output": "csv"}.items() <= headers.items()
    assert "x-amz-meta-header" in place["upload"]["url"]  # signed: an upload without it is refused
    metadata = {name.removeprefix("x-amz-meta-"): value for name, value in headers.items() if "-meta-" in name}
    job = world.scored(world.put(b"good\nbad\n", "f.csv", **metadata))
    assert (job["status"], job["rows"], job["options"]["output"]) == ("completed", 2, "csv")


def test_the_list_has_the_newest_first_and_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.app, "PAGE", 2)
    for number in range(3):
        monkeypatch.setattr(world.app.clock, "now_ms", lambda number=number: 1_000_000 + number)
        world.plan(world.put(lines(1), f"{number}.jsonl"))
    first = world.ask("GET", "/batch")[1]
    assert [job["input"]["key"][-7:] for job in first["jobs"]] == ["2.jsonl", "1.jsonl"]
    made = event("batch", "list_jobs")
    made["queryStringParameters"] = {"before": first["next"]}
    rest = json.loads(world.app.lambda_handler(made, Context())["body"])
    assert ([job["input"]["key"][-7:] for job in rest["jobs"]], rest["next"]) == (["0.jsonl"], None)


def test_a_place_in_the_list_that_can_not_be_is_refused(world: World) -> None:
    made = event("batch", "list_jobs")
    made["queryStringParameters"] = {"before": "é" * 513}
    answer = world.app.lambda_handler(made, Context())
    assert (answer["statusCode"], json.loads(answer["body"])["field"]) == (422, "before")


def test_uploads_that_come_together_and_twice_all_finish(world: World) -> None:
    events = [world.put(b'{"text": "good"}\n', f"{number}.jsonl") for number in range(20)]
    for made in [*events, *events[::3]]:
        world.plan(made)
    assert len(world.machine.started) == 20
    states = [world.machine.run(name) for name in world.machine.started]
    assert {state["status"] for state in states} == {"completed"}


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


def test_jobs_hold_their_contract(world: World) -> None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    schema = json.loads((ROOT / "docs/contracts/job.schema.json").read_text())
    for made in (world.put(lines(3)), world.put(b"", "x.csv", model="nobody")):
        job_id = world.plan(made)
        Draft202012Validator(schema).validate(world.job(job_id))
        if job_id in world.machine.started:
            world.machine.run(job_id)
        Draft202012Validator(schema).validate(world.job(job_id))
