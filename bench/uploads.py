"""Five hundred uploads on the deployed local stack, sixteen of them under way at any time: every job ends, once.

Each client uploads its next file when the job of the one before has put its `_SUCCESS`. More at once is more than the
emulator can: it starts a process for each event that finds none idle, and gives an event up that was throttled thrice,
which AWS keeps for six hours. It counts, and times nothing.
"""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from bench.deployed import deployed
from bench.workload import reviews
from cli import model
from cli.api import Api, local_api
from cli.local import deployment
from cli.local.home import PROJECT, Record
from cli.model import pages
from zeroloop import clock
from zeroloop.batch import rules

UPLOADS, CLIENTS, MOST_ROWS = 500, 16, 20
NAME = "uploads"
PATIENCE_SECONDS = 300


def main() -> None:
    """Print what came of it."""
    with deployed() as (home, record):
        print(told(*uploaded(local_api(home), record)))


def uploaded(api: Api, record: Record) -> tuple[dict[str, int], list[dict[str, Any]], Counter[str]]:
    """How many rows each job was given, the jobs that are there in the end, and how many executions each had."""
    s3 = deployment.client("s3", record.endpoint_url)
    number = model.register(api, PROJECT / "examples/sentiment/packages/small", NAME)["version"]
    api.post(f"/models/{NAME}/promote", {"version": number, "reason": "bench"})
    texts = reviews(UPLOADS + MOST_ROWS)

    def upload(i: int) -> tuple[str, int]:
        rows = texts[i : i + 1 + i % MOST_ROWS]
        body = "".join(json.dumps({"text": text}) + "\n" for text in rows).encode()
        key, bucket = f"inbox/{NAME}/{i:03}.jsonl", record.data_bucket
        put = s3.put_object(Bucket=bucket, Key=key, Body=body)
        job = rules.job_id(bucket, key, put["VersionId"], NAME, None)
        _wait(s3, bucket, f"outbox/{NAME}/{job}/_SUCCESS")
        return job, len(rows)

    with ThreadPoolExecutor(CLIENTS) as pool:
        given = dict(pool.map(upload, range(UPLOADS)))
    return given, pages(api, "/batch", "jobs", "before"), _executions(record.endpoint_url)


def told(given: dict[str, int], jobs: list[dict[str, Any]], executions: Counter[str]) -> str:
    """The result in words."""
    done = {job["job_id"]: job["rows"] for job in jobs if job["status"] == "completed" and not job["rejects"]}
    once = len(jobs) == UPLOADS and executions == Counter(given.keys())
    return (
        f"{UPLOADS} uploads, {CLIENTS} under way at any time: {len(jobs)} jobs, {len(done)} completed, "
        f"{sum(done.values()):,} of {sum(given.values()):,} rows scored, {executions.total()} executions\n"
        f"wanted: each completed, with all its rows, by one execution: "
        f"{'holds' if done == given and once else 'DOES NOT HOLD'}\n"
    )


def _wait(s3: Any, bucket: str, key: str) -> None:
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while clock.monotonic() < deadline:
        try:
            s3.head_object(Bucket=bucket, Key=key)
        except ClientError:
            clock.sleep(0.2)
        else:
            return
    # What is not there then is told as a job that did not complete.


def _executions(endpoint: str) -> Counter[str]:
    client = deployment.client("stepfunctions", endpoint)
    [machine] = client.list_state_machines()["stateMachines"]
    found = client.get_paginator("list_executions").paginate(stateMachineArn=machine["stateMachineArn"])
    return Counter(one["name"] for page in found for one in page["executions"])


if __name__ == "__main__":
    main()
