"""HTTP/1.1 by hand: what is sent, and every way in which an answer can come or fail to."""

import io
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from zeroloop.http1 import Broken, Connection

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"


class Socket:
    """Stands for a socket: what will be answered, whatever is asked; `step` bytes at a time."""

    def __init__(self, told: bytes, step: int = 1 << 16) -> None:
        self.sent = b""
        self.closed = False
        self.waits: list[float] = []
        self._told = io.BytesIO(told)
        self._step = step

    def makefile(self, _mode: str) -> Any:
        return io.BufferedReader(_Raw(self._told, self._step))

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def settimeout(self, seconds: float) -> None:
        self.waits.append(seconds)

    def setsockopt(self, *_: int) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class _Raw(io.RawIOBase):
    def __init__(self, told: io.BytesIO, step: int) -> None:
        self._told = told
        self._step = step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._told.read(min(self._step, len(buffer)))
        buffer[: len(data)] = data
        return len(data)


Opened = Callable[..., list[Socket]]


@pytest.fixture(name="opens")
def _opens(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Makes the next connections lead to these sockets."""

    def opens(*sockets: Socket) -> list[Socket]:
        left = iter(sockets)
        monkeypatch.setattr(socket, "create_connection", lambda *_: next(left))
        return list(sockets)

    return opens


def ask(connection: Connection, left: Callable[[], float] = lambda: 1.0) -> tuple[int, bytes]:
    return connection.ask("POST", "/path", {"Host": "host", "X-Amz-Target": "do"}, b"asked", left)


def test_a_request_is_sent_as_the_protocol_wants_it(opens: Opened) -> None:
    [wire] = opens(Socket(OK))
    assert ask(Connection("http://host:1")) == (200, b"body")
    assert wire.sent == (
        b"POST /path HTTP/1.1\r\nHost: host\r\nX-Amz-Target: do\r\nContent-Length: 5\r\n"
        b"Accept-Encoding: identity\r\n\r\nasked"
    )


@pytest.mark.parametrize("step", [1, 3, 1 << 16])
@pytest.mark.parametrize(
    ("told", "status", "body"),
    [
        (OK, 200, b"body"),
        (b"HTTP/1.1 404\r\ncontent-length:0\r\n\r\n", 404, b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200, b"body"),
        (b"HTTP/1.0 500 x\nContent-Length: 1\n\n!", 500, b"!"),
        (
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;a=b\r\nbod\r\nA\r\ny123456789\r\n0\r\nt: 1\r\n\r\n"
            ),
            200,
            b"body123456789",
        ),
    ],
)
def test_an_answer_is_read_to_its_end_and_not_beyond(
    opens: Opened, step: int, told: bytes, status: int, body: bytes
) -> None:
    opens(Socket(told + OK, step))
    connection = Connection("http://host:1")
    assert ask(connection) == (status, body)
    assert ask(connection) == (200, b"body")


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbod",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\n\r\nof unknown length",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nbo",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\nbo",
        b"HTTP/1.1 200 OK\r\n" + b"a" * (1 << 17),
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"%d: 1\r\n" % i for i in range(1000)) + b"\r\n",
    ],
)
def test_what_is_no_whole_answer_is_broken(opens: Opened, told: bytes) -> None:
    opens(Socket(told))
    with pytest.raises(Broken):
        ask(Connection("http://host:1"))


def test_an_answer_that_ends_the_connection_ends_it(opens: Opened) -> None:
    first, second = opens(Socket(OK.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")), Socket(OK))
    connection = Connection("http://host:1")
    assert ask(connection) == ask(connection) == (200, b"body")
    assert first.closed
    assert not second.closed


def test_a_closed_connection_opens_anew(opens: Opened) -> None:
    first, _ = opens(Socket(OK), Socket(OK))
    connection = Connection("http://host:1")
    ask(connection)
    connection.close()
    assert first.closed
    assert ask(connection) == (200, b"body")


def test_an_answer_that_trickles_ends_with_the_time(opens: Opened) -> None:
    def seconds() -> Iterator[float]:
        yield from [3.0, 2.0, 1.0, 1.0]
        raise TimeoutError

    left = seconds()
    [wire] = opens(Socket(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000, 64))
    with pytest.raises(TimeoutError):
        ask(Connection("http://host:1"), lambda: next(left))
    assert wire.waits == [2.0, 1.0, 1.0]
