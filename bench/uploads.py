"""500 uploads at once, each a job: all of them finish and no row is lost. `python -m bench.uploads`.

A local stack of its own, the real event, state machine and function: some 1,500 calls of it, and so not among the
tests. The clients are 16 threads that put as fast as they are answered. How many workers run at a time is the
emulator's affair; on AWS it is BatchConcurrency.
"""

import argparse
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.workload import reviews
from cli import demo
from cli.api import local_api
from cli.local import deployment, stack, tools
from cli.local.home import Home, Record
from zeroloop import clock
from zeroloop.batch import rules

ROWS = 10


def main() -> None:
    """Print how long they took, and what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=540)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="zeroloop-bench-") as folder:
        home = Home(Path(folder))
        try:
            record = stack.up(home, uv=tools.find_uv(None), port=None, iam=False)
            demo.serve(local_api(home), "sentiment", ["sentiment/packages/small"])
            measure(record, given.uploads, given.seconds)
        finally:
            stack.down(home)


def measure(record: Record, n: int, seconds: float) -> None:
    """Put `n` files and wait until each has its result; the bucket is asked, since batch would be called by it."""
    s3, bucket = deployment.client("s3", record.endpoint_url), record.data_bucket
    body = b"".join(json.dumps({"text": text}).encode() + b"\n" for text in reviews(ROWS))

    def put(number: int) -> str:
        key = f"inbox/sentiment/{number}.jsonl"
        done = s3.put_object(Bucket=bucket, Key=key, Body=body)
        return rules.job_id(bucket, key, done["VersionId"], "sentiment", None)

    started = clock.monotonic()
    with ThreadPoolExecutor(16) as pool:
        wanted = set(pool.map(put, range(n)))
    uploaded = clock.monotonic() - started
    finished: set[str] = set()
    while not wanted <= finished and clock.monotonic() - started < seconds:
        clock.sleep(2)
        finished = {key.split("/")[2] for key in keys(s3, bucket) if key.endswith("/_SUCCESS")}
    taken = clock.monotonic() - started
    manifests = [key for key in keys(s3, bucket) if key.endswith("/manifest.json")]
    rows = sum(json.load(s3.get_object(Bucket=bucket, Key=key)["Body"])["rows"] for key in manifests)
    print(f"{n} uploads in {uploaded:.0f} s, {len(finished & wanted)} jobs completed after {taken:.0f} s")
    print(f"{rows:,} rows out, {n * ROWS:,} in; jobs nobody asked for: {len(finished - wanted)}")
    if finished != wanted or rows != n * ROWS:
        raise SystemExit("not all finished, or not once")


def keys(s3: Any, bucket: str) -> list[str]:
    """Keys of the outbox."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{rules.OUTBOX}sentiment/")
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


if __name__ == "__main__":
    main()
