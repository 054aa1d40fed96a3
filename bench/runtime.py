"""Predict and the bare loop behind AWS's own runtime client: the CPU that they take more than a no-op.

`awslambdaric`, the client inside Lambda's Python runtimes, asks a Runtime API on this machine for the gateway's events
and hands the answers back, in a process of its own for each handler. Counted is that process's CPU time, the least of
many short rounds that take turns: neighbours on the same core can only lengthen it. No API Gateway is in either path.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

from bench.workload import ROOT, event, reviews

ROUNDS, REQUESTS = 40, 100
LIMIT = 120.0
HANDLERS = {"no-op": "bench.handlers.nothing", "bare loop": "bench.handlers.bare", "predict": "bench.handlers.predict"}


def main() -> None:
    """Print the table."""
    events = [json.dumps(event(text)).encode() for text in reviews(REQUESTS)]
    with ExitStack() as stack:
        runtimes = {name: stack.enter_context(running(handler)) for name, handler in HANDLERS.items()}
        for runtime in runtimes.values():
            runtime.answers(events)  # warm
        cpu: dict[str, list[float]] = {name: [] for name in runtimes}
        for _ in range(ROUNDS):
            for name, runtime in runtimes.items():
                cpu[name].append(runtime.cpu_of(events))
    least = {name: min(rounds) for name, rounds in cpu.items()}
    print(f"{'awslambdaric':<14}{'CPU us':>9}{'+ us':>9}")
    for name, taken in least.items():
        print(f"{name:<14}{taken:>9.1f}{taken - least['no-op']:>9.1f}")
    print(f"wanted: predict at most {LIMIT:.0f} us more than a no-op\n")


class Runtime:
    """A process of the runtime client, and the Runtime API that it asks."""

    def __init__(self, process: subprocess.Popen[bytes], api: type["Api"]) -> None:
        self._process = process
        self._api = api

    def answers(self, events: list[bytes]) -> list[bytes]:
        """What the handler answers to each event."""
        told = []
        for sent in events:
            self._api.events.put(sent)
            told.append(self._api.answers.get(timeout=30))
        return told

    def cpu_of(self, events: list[bytes]) -> float:
        """Microseconds of CPU that an event takes, in all threads of the process."""
        before = self._cpu_ns()
        self.answers(events)
        return (self._cpu_ns() - before) / len(events) / 1000

    def _cpu_ns(self) -> int:
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


class Api(BaseHTTPRequestHandler):
    """The Runtime API of Lambda: /invocation/next, /invocation/{id}/response, and the errors."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    events: ClassVar[queue.Queue[bytes]]
    answers: ClassVar[queue.Queue[bytes]]
    ids: ClassVar[Iterator[int]]

    def do_GET(self) -> None:
        """The next event, once there is one."""
        body = self.events.get()
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", f"8c2e0d3f-0000-4000-8000-{next(self.ids):012}")
        self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:bench")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """An answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if self.path.endswith("/error"):
            print(body.decode(), file=sys.stderr)
            return
        self.answers.put(body)

    def log_message(self, *_: Any) -> None:
        """Nothing: the table is all that is printed."""


class Server(ThreadingHTTPServer):
    """Serves until its client goes, and says nothing when it does."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Nothing: an error of the handler comes by the API."""


@contextmanager
def running(handler: str) -> Iterator[Runtime]:
    """The runtime client with `handler`, until the end of the block."""
    api = type("Own", (Api,), {"events": queue.Queue(), "answers": queue.Queue(), "ids": count()})
    server = Server(("127.0.0.1", 0), api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = os.environ | {
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.server_port}", "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769", "AWS_REGION": "us-east-1",
        "LAMBDA_TASK_ROOT": str(ROOT), "PYTHONPATH": str(ROOT), "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
    }  # fmt: skip
    command = [sys.executable, "-m", "awslambdaric", handler]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield Runtime(process, api)
    finally:
        process.terminate()
        process.wait()
        server.shutdown()


if __name__ == "__main__":
    main()
