"""The batch function on moto: real rows and objects, with a stand-in for the state machine that runs its rounds."""

import copy
import gzip
import io
import json
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests import models
from tests.aws_limits import check_answer
from tests.integration.conftest import ROOT, Context, client, event
from tests.integration.test_predict import Session
from zeroloop.batch import costs
from zeroloop.batch.service import Wanted
from zeroloop.data import DataBucket
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
    monkeypatch.setattr("zeroloop.batch.scoring.SUB_BATCH", 50)
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


def test_more_files_than_can_be_signed_are_refused_and_not_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(world, monkeypatch, chunk=10**9, piece=50)
    monkeypatch.setattr("zeroloop.batch.service._PRESIGNED", 4)
    job = world.scored(world.put(lines(120)))
    status, said = world.ask("GET", f"/batch/{job['job_id']}/files")
    assert (status, said["code"]) == (409, "too_many_files")
    assert job["output"] in said["message"]


def test_what_metadata_declares_is_heeded(world: World) -> None:
    job = world.scored(world.put(b"text#id\na,b#7\n", "f.csv", delimiter="#", output="csv"))
    assert world.output(job)["part-00000-00000.csv"].splitlines()[1].startswith(b'1,7,"a,b",')


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


def test_jobs_hold_their_contract(world: World) -> None:
    from jsonschema import Draft202012Validator  # noqa: PLC0415

    schema = json.loads((ROOT / "docs/contracts/job.schema.json").read_text())
    for made in (world.put(lines(3)), world.put(b"", "x.csv", model="nobody")):
        job_id = world.plan(made)
        Draft202012Validator(schema).validate(world.job(job_id))
        if job_id in world.machine.started:
            world.machine.run(job_id)
        Draft202012Validator(schema).validate(world.job(job_id))
