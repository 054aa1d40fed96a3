"""Signed calls over real sockets."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from zeroloop.config import Aws
from zeroloop.signed import Refused, Session


class Served(ThreadingHTTPServer):
    """Answers every request alike and counts connections and requests."""

    connections = requests = 0
    status = 200


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Served

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        self.send_response(self.server.status)
        body = b'{"__type": "x#ValidationException"}' if self.server.status >= 400 else b'{"Item": {}}'
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(name="served")
def _served() -> Iterator[Served]:
    with Served(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(name="session")
def _session(served: Served) -> Iterator[Session]:
    session = Session(Aws("eu-west-1", "id", "secret", aws_endpoint_url=f"http://127.0.0.1:{served.server_port}"))
    yield session
    session.renew(session._aws)


def test_calls_share_one_connection_and_each_is_sent_once(served: Served, session: Session) -> None:
    for _ in range(5):
        session.json("dynamodb", "DynamoDB_20120810.GetItem", {}, timeout=5)

    assert (served.connections, served.requests) == (1, 5)


def test_a_refusal_leaves_the_connection_usable(served: Served, session: Session) -> None:
    served.status = 400
    for _ in range(3):
        with pytest.raises(Refused) as refused:
            session.call("dynamodb", "DynamoDB_20120810.GetItem", {}, timeout=5)
        assert refused.value.code == "ValidationException"

    assert (served.connections, served.requests) == (1, 3)
