"""Monitoring on the deployed stack: schedules that fire, webhooks that arrive, a rollback that nobody asks for."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from cli.local.home import REGION
from examples.sentiment import dataset
from tests.local_stack import Local
from zeroloop import clock
from zeroloop.config import Aws
from zeroloop.digests import sha256
from zeroloop.dynamo import Table
from zeroloop.monitoring.aggregate import Aggregate
from zeroloop.monitoring.cells import Cell
from zeroloop.monitoring.frame import Frame
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.signed import Session

pytestmark = pytest.mark.e2e

SMALL, LARGE = "sentiment/packages/small", "sentiment/packages/large"
SECONDS = 240.0
SOON = {"drift_minutes": 1, "settle_seconds": 1, "running": 1}


class Listener:
    """A server on this machine, and what was posted to it, by path."""

    def __init__(self) -> None:
        posted: list[tuple[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted.append((self.path, json.loads(body)))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.posted = posted
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(name="listener", scope="module")
def _listener() -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.server.serve_forever, daemon=True)
    thread.start()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()
    thread.join()


def eventually(found: Any, seconds: float = SECONDS) -> Any:
    """What `found` answers once it is something."""
    deadline = clock.monotonic() + seconds
    while not (value := found()):
        assert clock.monotonic() < deadline, "it never came"
        clock.sleep(3)
    return value


def scheduled(local: Local, name: str) -> list[dict[str, Any]]:
    reports = local.send("GET", f"/models/{name}/reports").body["reports"]
    return [one for one in reports if one["every"] != "demand"]


def test_a_schedule_finds_another_domain_and_tells_slack_and_pagerduty_once(local: Local, listener: Listener) -> None:
    local.serving("abroad", SMALL)
    hooks = [
        {"url": f"{listener.url}/services/T/B/x", "format": "slack"},
        {"url": f"{listener.url}/v2/enqueue", "format": "pagerduty", "routing_key": "r0"},
    ]
    assert local.send("PUT", "/models/abroad/monitor", {**SOON, "webhooks": hooks}).status == 200
    texts = [one.text for one in dataset.read(dataset.DATA / "nyt_editorials.tsv.gz")[:300]]
    for start in range(0, 300, 100):
        body = {"instances": [{"text": text} for text in texts[start : start + 100]]}
        assert local.send("POST", "/predict/abroad", body).status == 200
    eventually(lambda: len(listener.posted) >= 2)
    function = local.record.functions["monitor"]
    payload = json.dumps({"schedule": "hour"})
    local.at_once([lambda: local.aws("lambda").invoke(FunctionName=function, Payload=payload) for _ in range(2)])
    (slack, said), (pagerduty, event) = sorted(listener.posted)
    assert (slack, pagerduty) == ("/services/T/B/x", "/v2/enqueue")
    assert "abroad" in said["text"]
    assert "/models/abroad/reports?before=" in said["text"]
    assert "|Report>" in said["text"]
    assert (event["routing_key"], event["event_action"]) == ("r0", "trigger")
    assert event["payload"]["class"] == "drift"
    reports = scheduled(local, "abroad")
    assert [one["status"] for one in reports if one["n"] >= 200] == ["drifted"]
    assert set(Counter(one["window_end"] for one in reports).values()) == {1}
    told = local.send("GET", "/models/abroad/alerts").body
    assert told["alerting"] == ["drift"]
    assert [one["kind"] for one in told["alerts"]] == ["drift"]
    metrics = local.send("GET", "/models/abroad/metrics?window=60m").body
    assert (metrics["total"], metrics["requests"]["2xx"], metrics["error_rate"]) == (300, 3, 0)


def test_a_promotion_that_fails_its_callers_is_taken_back_by_the_schedule(local: Local) -> None:
    local.serving("guarded", SMALL)
    model_id = local.send("GET", "/models/guarded/lineup").body["model_id"]
    settings = {"rollback": {"enabled": True, "hours": 1}, "minutes": 1, "settle_seconds": 1}
    assert local.send("PUT", "/models/guarded/monitor", settings).status == 200
    keys = Aws(REGION, "test", "test", aws_endpoint_url=local.record.endpoint_url)
    session = Session(keys)
    counts = MonitoringStore(Table(local.record.tables["monitoring"], session))
    now = clock.now_ms() // 60_000
    then = {
        Cell(model_id, 1, "champion", now - 2): (
            Aggregate(n=2000, requests={"200": 2_000_000}, latency={100: 2000}),
            Frame(),
        )
    }
    counts.count(sha256(b"before"), then)
    version = local.register(LARGE, "guarded")["version"]
    local.send("POST", "/models/guarded/promote", {"version": version, "reason": "better"})
    bad = Aggregate(n=800, requests={"200": 800_000, "503": 200_000}, latency={100: 800})
    counts.count(sha256(b"after"), {Cell(model_id, version, "champion", clock.now_ms() // 60_000): (bad, Frame())})
    for connection in session._connections.values():
        connection.close()
    lineup = eventually(lambda: (one := local.send("GET", "/models/guarded/lineup").body)["champion"] == 1 and one)
    assert (lineup["champion"], lineup["previous"]) == (1, None)
    [record, *_] = local.send("GET", "/models/guarded/history").body["history"]
    assert (record["action"], record["evidence"]["guardrail"]) == ("rollback", "errors")
    alerts = eventually(lambda: local.send("GET", "/models/guarded/alerts").body["alerts"])
    assert [one["kind"] for one in alerts] == ["rollback"]
