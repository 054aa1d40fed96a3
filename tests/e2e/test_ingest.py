"""Predict's log, subscription, ingest and feedback on the deployed local stack; and the services through faults."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests import traffic
from tests.aws_chaos import Chaos
from tests.local_stack import Local
from zeroloop import clock
from zeroloop.monitoring.aggregate import EMPTY, Aggregate
from zeroloop.monitoring.store import MonitoringStore

pytestmark = pytest.mark.e2e

SMALL = "sentiment/packages/small"
T = TypeVar("T")


class Watched:
    """A model of the stack, and what is counted of its champion this hour and the last."""

    def __init__(self, local: Local, name: str, store: MonitoringStore) -> None:
        self.local = local
        self.name = name
        local.serving(name, SMALL)
        self._store = store
        self._model_id = local.send("GET", f"/models/{name}/versions/1").body["model_id"]

    def predict(self) -> str:
        return str(
            self.local.send("POST", f"/predict/{self.name}", {"text": "A wonderful film."}).body["prediction_id"]
        )

    def counted(self) -> Aggregate:
        minute = clock.now_ms() // 60_000
        return self._store.window(self._model_id, minute - 60, minute + 1).get((1, "champion"), EMPTY)

    def label(self, prediction_id: str) -> Any:
        return self.local.send("POST", "/feedback", {"prediction_id": prediction_id, "label": "positive"}).body["label"]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli.main", *words, "--home", str(self.local.home.path)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def within_a_minute(look: Callable[[], T], wanted: T) -> None:
    deadline = clock.monotonic() + 60
    while (seen := look()) != wanted:
        assert clock.monotonic() < deadline, seen
        clock.sleep(0.3)


@pytest.fixture(name="watched", scope="module")
def _watched(local: Local) -> Iterator[Watched]:
    record = local.record
    with traffic.opened(record.endpoint_url, record.tables["monitoring"], record.region) as store:
        yield Watched(local, "watched", store)


def test_a_prediction_is_counted_within_a_minute_and_its_label_once(watched: Watched) -> None:
    before = watched.counted()
    prediction_id = watched.predict()
    within_a_minute(lambda: watched.counted().n, before.n + 1)
    assert [watched.label(prediction_id) for _ in range(3)] == ["counted", "known", "known"]
    after = watched.counted()
    assert after.requests == {"200": 1000 * (before.n + 1)}
    assert after.confusion == {"positive\tpositive": 1}
    assert watched.local.send("POST", "/feedback", {"prediction_id": prediction_id[:-3], "label": "x"}).status == 422


def test_what_is_archived_is_what_is_counted_and_starts_no_job(watched: Watched) -> None:
    jobs = watched.local.send("GET", "/batch").body["jobs"]
    watched.predict()
    within_a_minute(lambda: watched.command("ingest", "reconcile", "watched", *window()).returncode, 0)
    assert watched.local.send("GET", "/batch").body["jobs"] == jobs


def window() -> tuple[str, ...]:
    minute = clock.now_ms() // 60_000 * 60_000
    start, end = (clock.iso(minute + by * 60_000) for by in (-60, 1))
    return ("--start", start, "--end", end)


def test_an_erased_prediction_is_gone_from_the_archive(watched: Watched) -> None:
    n = watched.counted().n
    prediction_id = watched.predict()
    within_a_minute(lambda: watched.counted().n, n + 1)
    erased = watched.command("predictions", "erase", prediction_id, "--json")
    assert json.loads(erased.stdout) == {"erased": 1}, erased.stderr
    told = watched.command("ingest", "reconcile", "watched", *window())
    assert (told.returncode, watched.counted().n) == (1, n + 1)
    assert ["champion", "n", "+1"] in [line.split()[1:] for line in told.stdout.splitlines()]


def test_a_delivery_that_was_given_up_is_counted_by_one_command(watched: Watched) -> None:
    """The table's name is wrong for a while: an outage that no retry outlasts."""
    local, name = watched.local, watched.local.record.functions["ingest"]
    functions = local.aws("lambda")
    variables = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    before = functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    event = delivery(watched)
    n = watched.counted().n

    functions.update_function_configuration(
        FunctionName=name, Environment={"Variables": {**variables, "MONITORING_TABLE": "gone"}}
    )
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    broken = functions.publish_version(FunctionName=name)["Version"]
    functions.update_alias(FunctionName=name, Name="live", FunctionVersion=broken)
    try:
        functions.invoke(FunctionName=name, Qualifier="live", InvocationType="Event", Payload=event)
        queue = local.aws("cloudformation").describe_stacks(StackName="zeroloop")["Stacks"][0]["Outputs"]
        [url] = [one["OutputValue"] for one in queue if one["OutputKey"] == "IngestFailures"]
        within_a_minute(lambda: waiting(local, url), 1)
    finally:
        functions.update_alias(FunctionName=name, Name="live", FunctionVersion=before)
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    for counted in (1, 0):
        replayed = watched.command("ingest", "replay", "--json")
        assert json.loads(replayed.stdout) == {"counted": counted, "failed": []}, replayed.stderr
    assert watched.counted().n == n + 1


def waiting(local: Local, url: str) -> int:
    told = local.aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
    return int(told["Attributes"]["ApproximateNumberOfMessages"])


def delivery(watched: Watched) -> bytes:
    """A subscription's event of one prediction of now, which never was in the log."""
    from tests.integration.test_ingest import delivered  # noqa: PLC0415 - a sibling's helper

    record = {
        "schema": "zl.prediction.v1", "time": clock.now_ms(), "request_id": "lost", "model": watched.name,
        "model_id": watched._model_id, "version": 1, "variant": "champion", "status": 200, "latency_ms": 1.0,
        "predictions": [{"prediction_id": "zr1.lost", "label": "positive", "score": 0.9, "features": [1, 2]}],
    }  # fmt: skip
    return json.dumps(delivered(json.dumps(record))).encode()


def test_counts_are_exact_through_faults(local: Local) -> None:
    """A fiftieth of bench/monitoring_write.py; the services run here, so that it costs no Lambda calls."""
    chaos = Chaos(7, throttle=0.1, conflict=0.06, server_error=0.02, lost_answer=0.02)
    record = local.record
    came = traffic.run(record.endpoint_url, record.tables["monitoring"], chaos, (2000, 400), 60, record.region)
    assert set(came.faults) == {"throttle", "conflict", "server_error", "lost_answer"}
    assert sum(came.faults.values()) > 50
    assert came.repeated > 10
    assert came.counted.keys() == came.wanted.keys() == {(1, "champion"), (2, "challenger")}
    assert sum(one.n for one in came.counted.values()) == 2000
    assert traffic.exact(came)
