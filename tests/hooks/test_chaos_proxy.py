"""The proxy: each fault as botocore sees it, and everything else as it came."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import urllib3
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.aws_chaos import Chaos
from tests.chaos_proxy import proxy
from tests.hooks.test_aws_chaos import only
from tests.unit.wire import ONE_ATTEMPT, RETRIES, key, new_session, put, puts


class Upstream(BaseHTTPRequestHandler):
    """Answers every request with what it got."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    got: list[tuple[str, str, bytes]]
    connections: Counter[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.got.append((self.command, self.path, body))
        self.connections[self.client_address[1]] += 1
        self.send_response(int(self.headers.get("X-Status", 200)))
        self.send_header("X-Got", self.headers.get("X-Sent", ""))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(name="upstream")
def _upstream() -> Iterator[tuple[str, type[Upstream]]]:
    handler = type("Fresh", (Upstream,), {"got": [], "connections": Counter()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", handler
        server.shutdown()
        thread.join()


@pytest.fixture(name="through")
def _through(upstream: tuple[str, type[Upstream]]) -> Iterator[Callable[..., tuple[str, Chaos]]]:
    """A proxy with the rates given: its URL and its chaos."""
    with ExitStack() as stack:

        def start(seed: int = 1, **rates: Any) -> tuple[str, Chaos]:
            chaos = Chaos(seed, **rates)
            return stack.enter_context(proxy(upstream[0], chaos)), chaos

        yield start


def dynamodb(url: str, config: Any = ONE_ATTEMPT) -> Any:
    return new_session().create_client("dynamodb", "eu-west-1", endpoint_url=url, config=config)


@pytest.mark.parametrize(
    ("fault", "send", "codes", "arrives"),
    [
        ("throttle", put(key()), {"ThrottlingException", "ProvisionedThroughputExceededException"}, 0),
        ("server_error", put(key()), {"InternalServerError"}, 0),
        ("conflict", put(key()), {"TransactionConflictException"}, 0),
        ("conflict", puts(key(1), key(2)), {"TransactionCanceledException"}, 0),
        ("lost_answer", put(key()), {"ConnectionClosedError"}, 1),
    ],
)
def test_each_fault_is_the_services_own(
    upstream: tuple[str, type[Upstream]],
    through: Callable[..., tuple[str, Chaos]],
    fault: str,
    send: dict[str, Any],
    codes: set[str],
    arrives: int,
) -> None:
    url, chaos = through(**only(fault))
    assert fate(dynamodb(url), send) in codes
    assert len(upstream[1].got) == arrives
    assert sum(chaos.injected.values()) == 1


def fate(client: Any, params: dict[str, Any]) -> str:
    call = client.transact_write_items if "TransactItems" in params else client.put_item
    try:
        call(**params)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except ConnectionClosedError as error:
        return type(error).__name__
    return "ok"


def test_a_cancelled_transaction_names_the_action_that_conflicted(through: Callable[..., tuple[str, Chaos]]) -> None:
    client = dynamodb(through(seed=3, **only("conflict"))[0])
    with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
        client.transact_write_items(**puts(key(1), key(2), key(3)))
    codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert sorted(codes) == ["None", "None", "TransactionConflict"]


def test_botocore_retries_through_it(
    upstream: tuple[str, type[Upstream]], through: Callable[..., tuple[str, Chaos]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    url, chaos = through(**only("lost_answer"))
    assert fate(dynamodb(url, RETRIES), put(key())) == "ConnectionClosedError"
    assert len(upstream[1].got) == chaos.injected["dynamodb.PutItem", "lost_answer"] == 3


def test_faults_come_at_their_rates_and_the_same_again(through: Callable[..., tuple[str, Chaos]]) -> None:
    rates = {"throttle": 0.1, "conflict": 0.0, "server_error": 0.05, "lost_answer": 0.05}
    url, chaos = through(seed=5, **rates)
    client = dynamodb(url)
    fates = [fate(client, put(key())) for _ in range(150)]
    assert sum(chaos.injected.values()) == 150 - fates.count("ok")
    assert 15 <= 150 - fates.count("ok") <= 45
    again = dynamodb(through(seed=5, **rates)[0])
    assert fates == [fate(again, put(key())) for _ in range(150)]


def test_without_faults_everything_passes_as_it_came(
    upstream: tuple[str, type[Upstream]], through: Callable[..., tuple[str, Chaos]]
) -> None:
    url, chaos = through(**only("throttle", throttle=0.0))
    pool = urllib3.PoolManager(retries=False)
    target = {"X-Amz-Target": "DynamoDB_20120810.PutItem"}
    for status in (200, 400, 503):
        answer = pool.request(
            "POST", f"{url}/a%20b?c=%2F", body=b"\x00\xff", headers={"X-Sent": "it", "X-Status": str(status), **target}
        )
        assert (answer.status, answer.headers["X-Got"], answer.data) == (status, "it", b"{}")
    assert upstream[1].got == [("POST", "/a%20b?c=%2F", b"\x00\xff")] * 3
    assert list(upstream[1].connections.values()) == [3], "a connection is kept, on both sides"
    assert not chaos.injected


def test_only_dynamodb_meets_faults(
    upstream: tuple[str, type[Upstream]], through: Callable[..., tuple[str, Chaos]]
) -> None:
    url, chaos = through(**only("throttle"))
    pool = urllib3.PoolManager(retries=False)
    assert pool.request("GET", f"{url}/bucket/key").status == 200
    assert pool.request("PUT", f"{url}/bucket/key", body=json.dumps({}).encode()).status == 200
    assert pool.request("POST", url, headers={"X-Amz-Target": "AWSCognito.List"}).status == 200
    assert [got[0] for got in upstream[1].got] == ["GET", "PUT", "POST"]
    assert not chaos.injected
