"""Other servers on the same model with the same preprocessing, each at its best setting with one worker, in one run.

Over HTTP on this machine, one kept connection, one request at a time, turn about in blocks. Counted are the CPU time of
the server's whole process tree for a request, the least of several blocks, and the p50 as the client waits. No API
Gateway is in the path of any row: ours runs its deployed handler, with all that it logs and signs, behind the smallest
HTTP loop there is, where the bare loop runs too.
"""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.peers.sentiment import Sentiment
from bench.workload import ROOT, reviews

ROUNDS, REQUESTS, CHECKED = 10, 100, 50
START_SECONDS = 120
ENVIRONMENTS = ROOT / ".zeroloop" / "env"


class Peer(NamedTuple):
    """A server: its dependency group, its script with arguments, and how it is asked."""

    group: str
    script: tuple[str, ...]
    path: str
    body: Callable[[str], object]


PEERS = {
    "bare loop": Peer("bench", ("serve_loop", "bare"), "/predict", lambda text: {"text": text}),
    "Zeroloop": Peer("bench", ("serve_loop", "predict"), "/predict", lambda text: {"text": text}),
    "FastAPI": Peer("bench-fastapi", ("serve_fastapi",), "/predict", lambda text: {"text": text}),
    "MLServer": Peer(
        "bench-mlserver",
        ("serve_mlserver",),
        "/v2/models/sentiment/infer",
        lambda text: {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}]},
    ),
    "LitServe": Peer("bench-litserve", ("serve_litserve",), "/predict", lambda text: {"text": text}),
    "BentoML": Peer("bench-bentoml", ("serve_bentoml",), "/predict", lambda text: {"text": text}),
    "MLflow": Peer("bench-mlflow", ("serve_mlflow",), "/invocations", lambda text: {"inputs": [text]}),
}


def main() -> None:
    """Print the table; what can't be installed or doesn't start says why below it."""
    texts, notes, servers = reviews(REQUESTS), [], {}
    with ExitStack() as stack:
        for name, peer in PEERS.items():
            try:
                servers[name] = stack.enter_context(running(peer))
                check(servers[name], texts[:CHECKED])
            except (OSError, RuntimeError, subprocess.CalledProcessError) as error:
                servers.pop(name, None)
                notes.append(f"{name}: {error}")
        rounds = [{name: server.block(texts) for name, server in servers.items()} for _ in range(ROUNDS)]
    cpu = {name: min(round_[name][0] for round_ in rounds) for name in servers}
    p50 = {name: float(np.median([round_[name][1] for round_ in rounds])) for name in servers}
    print(f"{'over HTTP':<14}{'CPU us':>9}{'x bare':>9}{'p50 us':>9}{'x bare':>9}")
    for name in servers:
        ratios = cpu[name] / cpu["bare loop"], p50[name] / p50["bare loop"]
        print(f"{name:<14}{cpu[name]:>9.0f}{ratios[0]:>9.1f}{p50[name]:>9.0f}{ratios[1]:>9.1f}")
    print("wanted: ours before every other's; no API Gateway is in the path of any")
    print("".join(f"not measured: {note}\n" for note in notes))


class Server:
    """A running peer and a kept connection to it."""

    def __init__(self, peer: Peer, process: subprocess.Popen[bytes], port: int) -> None:
        self._peer = peer
        self._process = process
        self._port = port
        self._connection: socket.socket | None = None
        self._connect()

    def block(self, texts: list[str]) -> tuple[float, float]:
        """Microseconds of CPU a request, and the median that its client waits."""
        self._connect()
        requests = [self._request(text) for text in texts]
        waited, before = [], cpu_ns(self._process.pid)
        for request in requests:
            started = time.perf_counter_ns()
            self._ask(request)
            waited.append((time.perf_counter_ns() - started) / 1000)
        return (cpu_ns(self._process.pid) - before) / len(texts) / 1000, float(np.median(waited))

    def answer(self, text: str) -> bytes:
        """The body of the answer; RuntimeError for any status but 200."""
        status, body = self._ask(self._request(text))
        if b" 200 " not in status:
            raise RuntimeError(f"{status!r} {body[:300]!r}")
        return body

    def _connect(self) -> None:
        """Once a block: while the others had their turn, a server may have hung up."""
        self.close()
        self._connection = socket.create_connection(("127.0.0.1", self._port), timeout=30)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._told = self._connection.makefile("rb")
        self.answer("a wonderful film")

    def close(self) -> None:
        """Hang up."""
        if self._connection:
            self._told.close()
            self._connection.close()

    def _request(self, text: str) -> bytes:
        body = json.dumps(self._peer.body(text)).encode()
        head = f"POST {self._peer.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        return head.encode() + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)

    def _ask(self, request: bytes) -> tuple[bytes, bytes]:
        assert self._connection  # noqa: S101 - it was opened before
        self._connection.sendall(request)
        status, length = self._told.readline(), None
        while (line := self._told.readline()) not in {b"\r\n", b""}:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        return status, self._chunks() if length is None else self._told.read(length)

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self._told.readline() or b"0", 16):
            parts.append(self._told.read(size))
            self._told.readline()
        self._told.readline()
        return b"".join(parts)


@contextmanager
def running(peer: Peer) -> Iterator[Server]:
    """The peer, once it answers, until the end of the block."""
    python = installed(peer.group)
    with socket.socket() as probe, tempfile.TemporaryDirectory() as home:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
        probe.close()
        environment = os.environ | {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'shared'}", "HOME": home,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "DO_NOT_TRACK": "true", "BENTOML_DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true",
        }  # fmt: skip
        log = Path(home, "log")
        script, *arguments = peer.script
        process = subprocess.Popen(  # noqa: S603 - an environment of our own
            [python, "-m", f"bench.peers.{script}", str(port), *arguments],
            env=environment, cwd=home, stdout=subprocess.DEVNULL, stderr=log.open("wb"), start_new_session=True,
        )  # fmt: skip
        try:
            yield started(peer, process, port, log)
        finally:
            stop(process)


def installed(group: str) -> Path:
    """The interpreter of a dependency group's environment, brought up to date."""
    folder = ENVIRONMENTS / group
    if group == "bench":
        return Path(sys.executable)
    command = [os.environ.get("UV", "uv"), "sync", "--frozen", "--quiet", "--only-group", group, "--no-install-project"]
    subprocess.run(  # noqa: S603 - uv
        command, check=True, env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(folder), "UV_PROJECT": str(ROOT)}
    )
    return folder / "bin" / "python"


def started(peer: Peer, process: subprocess.Popen[bytes], port: int, log: Path) -> Server:
    """The server, once it answers a request with 200."""
    deadline, error = time.monotonic() + START_SECONDS, ""
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server = Server(peer, process, port)
        except (OSError, RuntimeError, ValueError) as failure:
            error = str(failure)
            time.sleep(0.2)
        else:
            return server
    raise RuntimeError(f"does not answer ({error}): {log.read_text(errors='replace')[-500:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server and all that it started."""
    for pid in [*descendants(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 15)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def check(server: Server, texts: list[str]) -> None:
    """RuntimeError unless the server answers the model's own labels."""
    model = Sentiment()
    for text in texts:
        label, _ = model.answer(text)
        answer = server.answer(text)
        named = re.findall(rb'"(negative|positive)"', re.sub(rb'"scores": ?{[^}]*}', b"", answer))
        if named != [label.encode()]:
            raise RuntimeError(f"answers {answer!r}, not {label}")


def cpu_ns(pid: int) -> int:
    """CPU time of a process and all that it started."""
    total = 0
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += sum(
                int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{one}/task").iterdir()
            )
    return total


def descendants(pid: int) -> list[int]:
    """Processes that a process started, and those started by them."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
        return [*children, *(one for child in children for one in descendants(child))]
    return []


if __name__ == "__main__":
    main()
