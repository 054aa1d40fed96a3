"""One local stack for the whole run: the real template, on a free port, in a folder of its own, gone at the end."""

import json
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
import urllib3

from cli import model
from cli.api import Api, local_api
from cli.local import deployment, stack, tools
from cli.local.home import PROJECT, Home, Record
from tests import aws_limits
from zeroloop import clock

MOST_CALLS = 3_000
MOST_CLIENTS = 16
PACKAGES = PROJECT / "examples"

T = TypeVar("T")


class Answer(NamedTuple):
    """What the API answered."""

    status: int
    body: Any


class Local:
    """The running stack, as tests talk to it: over HTTP, through the operator's code, or at the emulated AWS."""

    def __init__(self, home: Home, record: Record) -> None:
        self.home = home
        self.record = record
        self._http = urllib3.PoolManager(maxsize=MOST_CLIENTS, timeout=60, retries=False)
        self._clients = threading.Semaphore(MOST_CLIENTS)
        self._noted: set[tuple[str, int, str]] = set()

    @property
    def api(self) -> Api:
        return local_api(self.home)

    def aws(self, service: str) -> Any:
        return deployment.client(service, self.record.endpoint_url)

    def send(self, method: str, path: str, body: Any = None) -> Answer:
        """One HTTP request; every answer must be one that API Gateway could have given."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if not self._clients.acquire(blocking=False):
            raise AssertionError(f"more than {MOST_CLIENTS} clients at once")
        try:
            started = clock.monotonic()
            answer = self._http.request(method, self.record.api_url + path, body=data)
            aws_limits.check_answer(clock.monotonic() - started, answer.status, answer.data)
        finally:
            self._clients.release()
        return Answer(answer.status, json.loads(answer.data) if answer.data else None)

    def at_once(self, work: Sequence[Callable[[], T]]) -> list[T]:
        """Do all of `work` at the same moment, a thread each."""
        gate = threading.Barrier(len(work))

        def start(item: Callable[[], T]) -> T:
            gate.wait()
            return item()

        with ThreadPoolExecutor(MOST_CLIENTS) as pool:
            return list(pool.map(start, work))

    def register(self, package: str | Path, name: str) -> dict[str, Any]:
        """Register a package and wait for its admission."""
        return model.register(self.api, PACKAGES / package, name)

    def serving(self, name: str, *packages: str | Path) -> None:
        """Register and promote packages in turn, unless a test before did."""
        for package in packages:
            version = self.register(package, name)
            assert version["state"] == "READY", version["reason"]
            promoted = self.promote(name, version["version"])
            assert promoted.status == 200 or promoted.body["code"] == "already_champion", promoted

    def promote(self, name: str, version: int, **order: Any) -> Answer:
        return self.send("POST", f"/models/{name}/promote", {"version": version, "reason": "test", **order})

    def note_calls(self) -> None:
        """Remember the calls so far, before the stack is deployed anew: its logs may outlive that, and may not."""
        self._noted = self._calls()

    def count_calls(self) -> Counter[str]:
        """Lambda invocations of this run by function, by what the functions logged."""
        return Counter(name for name, _, _ in self._noted | self._calls())

    def _calls(self) -> set[tuple[str, int, str]]:
        logs = self.aws("logs")
        events = [
            (name, int(event["timestamp"]), str(event["message"]))
            for name in self.record.functions.values()
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
            for event in page["events"]
        ]
        aws_limits.check_log_lines(message for _, _, message in events)
        return {event for event in events if event[2].startswith("START RequestId")}


@pytest.fixture(scope="session", name="home")
def _home() -> Iterator[Home]:
    with tempfile.TemporaryDirectory(prefix="zeroloop-test-") as folder:
        home = Home(Path(folder))
        try:
            yield home
        finally:
            stack.down(home)


@pytest.fixture(scope="session", name="port")
def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session", name="local")
def _local(home: Home, port: int) -> Iterator[Local]:
    """The stack, open to its own machine; fails the run above 3,000 Lambda calls."""
    local = Local(home, stack.up(home, uv=tools.find_uv(None), port=port, iam=False))
    yield local
    calls = local.count_calls()
    assert calls.total() > 0, "no call was counted: the count is broken"
    assert calls.total() <= MOST_CALLS, f"{calls.total()} Lambda calls, {calls}: move what is that large to bench/"
