"""Uploads to the deployed stack: S3's own event, the real state machine, the real function, and what they leave."""

import gzip
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from pyarrow import parquet

from cli.main import main
from tests.local_stack import PACKAGES, Local
from zeroloop import clock
from zeroloop.batch import rules

pytestmark = pytest.mark.e2e

SMALL, LARGE = "sentiment/packages/small", "sentiment/packages/large"
OVER = {"completed", "failed", "cancelled"}


@pytest.fixture(name="served", scope="module")
def _served(local: Local) -> Local:
    local.serving("scored", SMALL)
    return local


def sentences(n: int) -> list[str]:
    packed = (PACKAGES / "sentiment/data/movie_reviews.tsv.gz").read_bytes()
    found = [line.split("\t")[-1] for line in gzip.decompress(packed).decode().splitlines()[1:]]
    return [found[i % len(found)] for i in range(n)]


def csv(texts: list[str]) -> bytes:
    return b"id,text\r\n" + b"".join(
        b'%d,"%s"\r\n' % (i, text.replace('"', '""').encode()) for i, text in enumerate(texts)
    )


def put(local: Local, name: str, data: bytes, model: str = "scored", **metadata: str) -> str:
    """Upload; the id of the job that this must become."""
    key, bucket = f"inbox/{model}/{name}", local.record.data_bucket
    done = local.aws("s3").put_object(Bucket=bucket, Key=key, Body=data, Metadata=metadata)
    return rules.job_id(bucket, key, done["VersionId"], model, None)


def over(local: Local, job_id: str, seconds: float = 120) -> dict[str, Any]:
    """The job when it has ended."""
    deadline = clock.monotonic() + seconds
    answer = local.send("GET", f"/batch/{job_id}")
    while answer.status != 200 or answer.body["status"] not in OVER:
        assert clock.monotonic() < deadline, answer
        clock.sleep(2.0)
        answer = local.send("GET", f"/batch/{job_id}")
    return dict(answer.body)


def output(local: Local, job: dict[str, Any]) -> dict[str, bytes]:
    s3, bucket = local.aws("s3"), local.record.data_bucket
    prefix = job["output"].removeprefix(f"s3://{bucket}/")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])]
    return {key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def rows(found: dict[str, bytes]) -> list[Any]:
    parts = [data for name, data in sorted(found.items()) if name.startswith("part-")]
    return [json.loads(line) for data in parts for line in data.splitlines()]


def executions(local: Local, job_id: str) -> list[str]:
    """Names of the executions of a job."""
    machines = local.aws("stepfunctions")
    [machine] = [one for one in machines.list_state_machines()["stateMachines"] if one["name"].endswith("-batch")]
    pages = machines.get_paginator("list_executions").paginate(stateMachineArn=machine["stateMachineArn"])
    return [one["name"] for page in pages for one in page["executions"] if one["name"].startswith(job_id)]


def test_an_upload_is_scored_as_predict_answers(served: Local) -> None:
    texts = sentences(100)
    found = output(served, over(served, put(served, "reviews of 100%2F+ü.csv", csv(texts))))
    assert {"_SUCCESS", "manifest.json", "rejects.jsonl"} <= found.keys()
    scored = rows(found)
    assert [(row["row"], row["id"], row["text"]) for row in scored] == [
        (i, str(i - 1), text) for i, text in enumerate(texts, 1)
    ]
    online = served.send("POST", "/predict/scored", {"instances": [{"text": text} for text in texts]}).body
    told = ("prediction", "confidence", "scores")
    assert [{name: row[name] for name in told} for row in scored] == [
        {name: one[name] for name in told} for one in online["predictions"]
    ]
    assert {row["model_version"] for row in scored} == {online["model_version"]}


def test_a_table_comes_out_as_one(served: Local) -> None:
    file = io.BytesIO()
    columns = {"id": pa.array([None, 2], pa.timestamp("ns")), "text": ["good", "a bad film"]}
    parquet.write_table(pa.table(columns), file)
    found = output(served, over(served, put(served, "table.parquet", file.getvalue(), output="parquet")))
    scored = parquet.read_table(io.BytesIO(found["part-00000-00000.parquet"])).to_pylist()
    assert [(row["row"], row["id"]) for row in scored] == [(1, None), (2, "1970-01-01T00:00:00.000000002")]


def test_a_large_file_goes_through_distributed_map_and_loses_nothing(served: Local) -> None:
    # The least chunk has 1 MB, and is what a model that takes long for a row gets: this one is told so by the table.
    slow_down(served, "slow")
    texts = [text + "\n" + text for text in sentences(24_000)]
    job_id = put(served, "large.csv", csv(texts), model="slow")
    job = over(served, job_id, seconds=400)
    assert (job["status"], job["error"], job["rows"], job["rejects"]) == ("completed", None, len(texts), 0)
    found = output(served, job)
    assert [row["row"] for row in rows(found)] == list(range(1, len(texts) + 1))
    assert [row["text"] for row in rows(found)] == texts
    chunks = json.loads(found["_rounds/score-0-0.json"])
    assert len(chunks) > 2
    assert executions(served, job_id) == [job_id]


def slow_down(local: Local, name: str) -> None:
    """Let the registry say of a model's version that a row takes it 100 times as long as it does."""
    version = local.register(SMALL, name)
    client, table = local.aws("dynamodb"), local.record.tables["registry"]
    key = {"pk": {"S": f"MODEL#{version['model_id']}"}, "sk": {"S": f"VERSION#{version['version']:08}"}}
    facts = json.loads(client.get_item(TableName=table, Key=key)["Item"]["facts"]["S"])
    client.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET facts = :facts",
        ExpressionAttributeValues={":facts": {"S": json.dumps({**facts, "row_seconds": 0.01})}},
    )
    local.serving(name, SMALL)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_workers_that_are_killed_amid_their_chunks_leave_the_same_bytes(served: Local) -> None:
    slow_down(served, "killed")
    data = csv(sentences(30_000))
    calm = over(served, put(served, "calm.csv", data, model="killed"), seconds=400)
    job_id = put(served, "killed.csv", data, model="killed")
    deadline, deaths = clock.monotonic() + 200, 0
    while deaths < 2 and clock.monotonic() < deadline:
        clock.sleep(0.2)
        answer = served.send("GET", f"/batch/{job_id}")
        if answer.status == 200 and answer.body["rows"] > 6_000 * deaths and answer.body["status"] not in OVER:
            kill_workers(served)
            deaths += 1
    killed = over(served, job_id, seconds=400)
    assert deaths == 2
    assert (killed["status"], killed["error"], killed["rows"]) == ("completed", None, calm["rows"])
    [undisturbed, disturbed] = [
        {name: data for name, data in output(served, job).items() if name.startswith(("part-", "rejects"))}
        for job in (calm, killed)
    ]
    assert disturbed == undisturbed
    assert len(disturbed) > 10


def kill_workers(local: Local) -> None:
    """SIGKILL to every process in which the emulator runs a function."""
    for children in Path(f"/proc/{local.record.pid}/task").glob("*/children"):
        for pid in children.read_text().split():
            os.kill(int(pid), signal.SIGKILL)


def event(local: Local, name: str, version_id: str, sequencer: str, model: str = "scored") -> bytes:
    """What EventBridge hands to the function."""
    given = {"key": f"inbox/{model}/{name}", "size": 1, "etag": "x", "sequencer": sequencer, "version-id": version_id}
    return json.dumps(
        {"source": "aws.s3", "detail": {"bucket": {"name": local.record.data_bucket}, "object": given}}
    ).encode()


def hand(local: Local, payload: bytes) -> Any:
    name = local.record.functions["batch"]
    answer = local.aws("lambda").invoke(FunctionName=name, Qualifier="live", Payload=payload)
    return json.load(answer["Payload"])


def test_the_same_event_16_times_at_once_is_one_job_and_one_execution(served: Local) -> None:
    put(served, "twice.csv", csv(sentences(5)))
    s3, bucket = served.aws("s3"), served.record.data_bucket
    version_id = s3.head_object(Bucket=bucket, Key="inbox/scored/twice.csv")["VersionId"]
    payload = event(served, "twice.csv", version_id, "0" * 16)
    hand(served, payload)  # older by its sequencer than the upload's own event: the same job all the same
    payload = event(served, "twice.csv", version_id, "F" * 16)
    told = served.at_once([partial(hand, served, payload)] * 16)
    [job_id] = {one["job_id"] for one in told}
    assert over(served, job_id)["status"] == "completed"
    assert executions(served, job_id) == [job_id]
    assert [row["row"] for row in rows(output(served, over(served, job_id)))] == [1, 2, 3, 4, 5]


def test_uploads_that_come_together_all_finish(served: Local) -> None:
    work: list[Callable[[], str]] = [
        partial(put, served, f"together/{number}.jsonl", b'{"text": "fine"}\n') for number in range(16)
    ]
    jobs = served.at_once(work)
    clock.sleep(5)  # each upload starts a worker of its own here, and a question would start one more
    assert {over(served, job_id, seconds=300)["status"] for job_id in jobs} == {"completed"}


def test_own_outputs_begin_nothing(served: Local) -> None:
    job = over(served, put(served, "once.jsonl", b'{"text": "fine"}\n'))
    s3, bucket = served.aws("s3"), served.record.data_bucket
    s3.put_object(Bucket=bucket, Key=f"outbox/scored/{job['job_id']}/more.csv", Body=b"text\nfine\n")
    over(served, put(served, "afterwards.jsonl", b'{"text": "fine"}\n'))
    keys = {one["input"]["key"] for one in served.send("GET", "/batch").body["jobs"]}
    assert "inbox/scored/afterwards.jsonl" in keys
    assert not [key for key in keys if key.startswith("outbox/")]


def test_a_poison_file_fails_with_its_reason_and_a_redrive_that_allows_it_ends_well(served: Local) -> None:
    job = over(served, put(served, "poison.jsonl", b'{"text": "fine"}\nnot json\n'))
    assert (job["status"], job["rejects"]) == ("failed", 1)
    assert "were rejected" in job["error"]
    driven = served.send("POST", f"/batch/{job['job_id']}/redrive", {"max_reject_percent": 60})
    assert driven.status == 202
    again = over(served, job["job_id"])
    assert (again["status"], again["rows"], again["rejects"]) == ("completed", 1, 1)
    assert sorted(executions(served, job["job_id"])) == [job["job_id"], f"{job['job_id']}-r1"]


def test_an_upload_for_a_model_that_is_not_there_is_told(served: Local) -> None:
    job = over(served, put(served, "f.csv", b"text\nfine\n", model="nobody"))
    assert (job["status"], job["model_version"]) == ("failed", None)
    assert job["error"].startswith("unknown_model")


def test_an_event_that_can_not_be_planned_ends_in_its_queue(local: Local) -> None:
    name = local.record.functions["batch"]
    broken = b'{"source": "aws.s3", "detail": {"broken": true}}'
    local.aws("lambda").invoke(FunctionName=name, Qualifier="live", InvocationType="Event", Payload=broken)
    sqs = local.aws("sqs")
    [queue] = [url for url in sqs.list_queues()["QueueUrls"] if "BatchFailures" in url]
    deadline = clock.monotonic() + 90
    messages: list[Any] = []
    while not messages and clock.monotonic() < deadline:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages", [])
    assert json.loads(messages[0]["Body"])["requestPayload"]["detail"] == {"broken": True}


def test_the_command_uploads_watches_and_brings_home(served: Local, tmp_path: Path) -> None:
    file = tmp_path / "typed reviews.csv"
    file.write_bytes(csv(sentences(20)))

    def typed(*words: str | Path) -> Any:
        return CliRunner().invoke(main, ["batch", *map(str, words), "--url", served.record.api_url])

    result = typed("run", file, "--model", "scored", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "completed 100%, 20 rows, 0 rejects" in result.output
    lines = (tmp_path / "out" / "part-00000-00000.jsonl").read_text().splitlines()
    assert len(lines) == 20
    texts = tmp_path / "texts.csv"
    texts.write_text("".join(f'"{text}"\n' for text in ("good", "a bad film")))
    assert "declare header=true" in typed("run", texts, "--model", "scored").output
    assert "completed 100%, 2 rows" in typed("run", texts, "--model", "scored", "--declare", "header=false").output
    job_id = result.stdout.split()[0]
    assert job_id in typed("list").output
    assert "20 rows" in typed("show", job_id).output
    assert "[409 job_over]" in typed("cancel", job_id).output
