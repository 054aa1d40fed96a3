"""HTTP/1.1 as AWS's APIs speak it, on a kept connection: a request, then the whole of its answer.

Stands in for http.client, which imports all of `email` to read a few headers: a sixth of predict's cold start. Neither
redirects nor proxies nor encodings, since those APIs have none.
"""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import BinaryIO, cast
from urllib.parse import urlsplit

_BLOCK = 1 << 16
_LINES = 200
_NO_CONTENT = 204

Left = Callable[[], float]
"""How many seconds are left; raises TimeoutError when none are."""


class Broken(ConnectionError):  # noqa: N818 - named for what is the case
    """The other side hung up early, or speaks no HTTP."""


class Connection:
    """A connection to an origin ("https://host:port"), opened by the first request.

    After an OSError (Broken is one) it is of no use: close it.
    """

    def __init__(self, origin: str) -> None:
        self._origin = urlsplit(origin)
        self._socket: socket.socket | None = None
        self._file: BinaryIO | None = None

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes, left: Left) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises
        ------
        OSError
            No connection, no whole answer, or no time left.
        """
        if self._socket is None:
            self._open(left())
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "Accept-Encoding: identity", "\r\n"])
        self._wait(left).sendall(head.encode("ascii") + body)
        status, told = self._head(left)
        answer = b"".join(self._body(status, told, left))
        if told.get(b"connection", b"").lower() == b"close":
            self.close()
        return status, answer

    def close(self) -> None:
        """Hang up; the next request opens anew."""
        for part in (self._file, self._socket):
            if part:
                part.close()
        self._socket = self._file = None

    def _open(self, seconds: float) -> None:
        secure = self._origin.scheme == "https"
        host = self._origin.hostname or ""
        plain = socket.create_connection((host, self._origin.port or (443 if secure else 80)), seconds)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = _tls().wrap_socket(plain, server_hostname=host) if secure else plain
        except BaseException:
            plain.close()
            raise
        self._file = cast("BinaryIO", self._socket.makefile("rb"))

    def _wait(self, left: Left) -> socket.socket:
        """The socket, which will wait for as long as is left."""
        if self._socket is None:
            raise Broken("closed")
        self._socket.settimeout(left())
        return self._socket

    def _head(self, left: Left) -> tuple[int, dict[bytes, bytes]]:
        """Status and headers, their names in lower case, of the first answer that is final."""
        status = 100
        while 100 <= status < 200:
            version, _, rest = self._line(left).partition(b" ")
            if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
                raise Broken("that is no HTTP")
            status = int(rest[:3])
            told: dict[bytes, bytes] = {}
            while line := self._line(left):
                name, _, value = line.partition(b":")
                told[name.strip().lower()] = value.strip()
                if len(told) > _LINES:
                    raise Broken("too many headers")
        return status, told

    def _body(self, status: int, told: Mapping[bytes, bytes], left: Left) -> Iterator[bytes]:
        if told.get(b"transfer-encoding", b"").lower() == b"chunked":
            while size := _number(self._line(left).partition(b";")[0], 16):
                yield from self._bytes(size, left)
                self._line(left)
            while self._line(left):
                pass
        elif b"content-length" in told:
            yield from self._bytes(_number(told[b"content-length"], 10), left)
        elif status != _NO_CONTENT:
            raise Broken("an answer of unknown length")

    def _bytes(self, n: int, left: Left) -> Iterator[bytes]:
        """The next `n` bytes; a socket's own timeout would let them trickle in for ever."""
        while n:
            part = self._readable(left).read1(min(n, _BLOCK))  # type: ignore[attr-defined]
            if not part:
                raise Broken("the answer is cut short")
            n -= len(part)
            yield part

    def _line(self, left: Left) -> bytes:
        line = self._readable(left).readline(_BLOCK)
        if not line.endswith(b"\n"):
            raise Broken("the answer is cut short")
        return line.strip()

    def _readable(self, left: Left) -> BinaryIO:
        self._wait(left)
        if self._file is None:
            raise Broken("closed")
        return self._file


def _number(text: bytes, base: int) -> int:
    try:
        number = int(text, base)
    except ValueError as error:
        raise Broken("a length that is no number") from error
    if number < 0:
        raise Broken("a length below 0")
    return number


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()  # 45 ms
