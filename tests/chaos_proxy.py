"""Faults inside deployed functions: a proxy between them and the emulated DynamoDB, with the fates of `aws_chaos`.

`botocore` takes the proxy's URL from AWS_ENDPOINT_URL_DYNAMODB, so a function meets it by its environment alone.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import urllib3

from tests.aws_chaos import Chaos, refusal

_TARGET = "DynamoDB_20120810."
_HOP_BY_HOP = {"connection", "content-length", "date", "host", "keep-alive", "server", "transfer-encoding"}


@contextmanager
def proxy(upstream: str, chaos: Chaos) -> Iterator[str]:
    """The URL of a proxy to `upstream`. Calls of DynamoDB meet `chaos`; all else passes."""
    pool = urllib3.PoolManager(maxsize=16, retries=False)
    handler = type("Handler", (_Handler,), {"upstream": upstream, "chaos": chaos, "pool": pool})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True  # a connection that is kept open must not keep the test
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    disable_nagle_algorithm = True
    upstream: ClassVar[str]
    chaos: ClassVar[Chaos]
    pool: ClassVar[urllib3.PoolManager]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        if not target.startswith(_TARGET):
            return self._forward(body)
        call = f"dynamodb.{target.removeprefix(_TARGET)}"
        fault, dice = self.chaos.draw(call)
        if fault is None:
            return self._forward(body)
        if fault == "lost_answer":
            self._send(body)
            self.close_connection = True  # and not a word
            return None
        said = refusal(fault, call, json.loads(body), dice)
        kind = {"__type": f"com.amazonaws.dynamodb.v20120810#{said.code}", "message": said.message, **said.extra}
        return self._answer(said.status, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(kind).encode())

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815

    def _forward(self, body: bytes) -> None:
        answer = self._send(body)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
        self._answer(answer.status, kept, answer.data)

    def _send(self, body: bytes) -> urllib3.BaseHTTPResponse:
        sent = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP - {"host"}}
        return self.pool.request(
            self.command, self.upstream + self.path, body=body, headers=sent, redirect=False, decode_content=False
        )

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's own
        """Nothing: a test's output is its own."""
