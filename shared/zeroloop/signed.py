"""AWS calls of the hot paths, predict's and the tracker's: one signed HTTP request each, on a connection that is kept.

Stands in for botocore there, and only there: its client costs a cold start 358 ms of imports and set-up where these
imports cost 40, and a call 1.4 ms of CPU where this costs 0.3. Signature Version 4 as in the AWS General Reference
("Create a signed AWS API request"); the tests hold it against botocore's own signer.
"""

import hashlib
import hmac
import threading
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Struct, field

from zeroloop import clock
from zeroloop.config import Aws
from zeroloop.errors import NotFound, Unavailable
from zeroloop.http1 import Connection

_PASSING = (b"Throttl", b"ProvisionedThroughputExceeded", b"RequestLimitExceeded", b"SlowDown")
_JSON = {"dynamodb": "1.0", "secretsmanager": "1.1"}
_RENEW_MS, _PAUSE_MS = 300_000, 30_000
_IDLE_MS = 10_000
_SCHEME = "AWS4-HMAC-SHA256"
_OK, _NOT_FOUND, _SERVER_ERRORS = 200, 404, 500


class Credentials(Struct, frozen=True):
    """Keys of the function's role, and when they end (ms since 1970; None: with the environment)."""

    access_key: str
    secret_key: str
    token: str = ""
    ends_at: int | None = None


class _Request(NamedTuple):
    """One request. `origin` is scheme and host, `path` is as sent: quoted, without a query."""

    service: str
    method: str
    origin: str
    path: str
    headers: dict[str, str]
    body: bytes


class _Passing(Exception):  # noqa: N818
    """The service is busy or failed: trying again is right."""


class _Told(Struct):
    """What a JSON service says of a refusal."""

    type: str = field(name="__type", default="")


class Refused(Exception):  # noqa: N818
    """The service understood and said no. `code` is its word for why, `answer` its whole answer."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(answer[:300].decode(errors="replace"))
        self.answer = answer
        try:
            self.code = msgspec.json.decode(answer, type=_Told).type.rpartition("#")[2]
        except msgspec.DecodeError:
            self.code = ""


def sign(credentials: Credentials, request: _Request, *, region: str, at_ms: int) -> dict[str, str]:
    """The headers of `request` and those that Signature Version 4 adds."""
    service, stamp = request.service, clock.stamp(at_ms)
    payload = hashlib.sha256(request.body).hexdigest()
    token = {"X-Amz-Security-Token": credentials.token} if credentials.token else {}
    content = {"X-Amz-Content-SHA256": payload} if service == "s3" else {}
    full = {"Host": urlsplit(request.origin).netloc, "X-Amz-Date": stamp, **content, **token, **request.headers}
    lowered = {name.lower(): " ".join(value.split()) for name, value in full.items()}
    names = ";".join(sorted(lowered))
    lines = "".join(f"{name}:{lowered[name]}\n" for name in sorted(lowered))
    # S3 signs the path as it is sent; every other service signs it quoted once more.
    path = request.path if service == "s3" else quote(request.path)
    canonical = f"{request.method}\n{path}\n\n{lines}\n{names}\n{payload}"
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = f"{_SCHEME}\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"Credential={credentials.access_key}/{scope}"
    return {**full, "Authorization": f"{_SCHEME} {credential}, SignedHeaders={names}, Signature={signature}"}


class Session:
    """Signed calls to a few services, each host on one kept connection. Threads that share it call one by one."""

    def __init__(
        self, aws: Aws, *, now_ms: Callable[[], int] = clock.now_ms, monotonic: Callable[[], float] = clock.monotonic
    ) -> None:
        self._aws = aws
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._connections: dict[str, Connection] = {}
        self._used_at: dict[str, int] = {}
        self._credentials: Credentials | None = None
        self._renew_at_ms = 0
        self._lock = threading.Lock()

    def json(self, service: str, target: str, body: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        """Call an operation of a JSON service (DynamoDB, Secrets Manager), all tries within `timeout` seconds.

        Raises
        ------
        NotFound
            A secret's version that isn't there.
        Unavailable
            No answer in time, or refused.
        """
        try:
            return msgspec.json.decode(self.call(service, target, body, timeout=timeout), type=dict[str, Any])
        except (Refused, msgspec.DecodeError) as error:
            raise _unavailable(service) from error

    def call(self, service: str, target: str, body: dict[str, Any], *, timeout: float) -> bytes:
        """The answer to an operation of a JSON service as it came. It may have run more than once: an answer was lost.

        Raises
        ------
        Refused
        Unavailable
            No answer in time.
        """
        headers = {"X-Amz-Target": target, "Content-Type": f"application/x-amz-json-{_JSON[service]}"}
        request = _Request(service, "POST", self._origin(service), "/", headers, msgspec.json.encode(body))
        return self._answer(request, timeout)

    def get_object(self, bucket: str, key: str, *, timeout: float) -> bytes:
        """The bytes of an S3 object; NotFound, or Unavailable."""
        local = bool(self._aws.aws_endpoint_url)
        path = f"/{bucket}/{quote(key)}" if local else f"/{quote(key)}"
        origin = self._origin("s3" if local else f"{bucket}.s3")
        try:
            return self._answer(_Request("s3", "GET", origin, path, {}, b""), timeout)
        except Refused as error:
            raise _unavailable("s3") from error

    def renew(self, aws: Aws) -> None:
        """Start over with what the environment says now: a snapshot's connections and keys end with it."""
        with self._lock:
            self._aws = aws
            for connection in self._connections.values():
                connection.close()
            self._connections.clear()
            self._credentials = None

    def _origin(self, name: str) -> str:
        """Where a service listens: one endpoint for all locally, a host each on AWS."""
        suffix = "amazonaws.com.cn" if self._aws.aws_region.startswith("cn-") else "amazonaws.com"
        return self._aws.aws_endpoint_url.rstrip("/") or f"https://{name}.{self._aws.aws_region}.{suffix}"

    def _answer(self, request: _Request, timeout: float) -> bytes:
        """The answer of 200, after as many tries as `timeout` seconds allow; waiting for other threads counts."""
        deadline = self._monotonic() + timeout
        if not self._lock.acquire(timeout=max(0.0, timeout)):
            raise _unavailable(request.service)
        try:
            return self._tried(request, deadline)
        finally:
            self._lock.release()

    def _tried(self, request: _Request, deadline: float) -> bytes:
        cause: Exception | None = None
        attempt = 0
        while self._monotonic() < deadline:
            try:
                return self._try(request, deadline)
            except OSError as error:
                self._drop(request.origin)
                cause = error
            except _Passing as error:
                cause = error
            clock.sleep(min(clock.pause_seconds(attempt), max(0.0, deadline - self._monotonic())))
            attempt += 1
        raise _unavailable(request.service) from cause

    def _try(self, request: _Request, deadline: float) -> bytes:
        headers = sign(self._current_credentials(), request, region=self._aws.aws_region, at_ms=self._now_ms())
        connection = self._connection(request.origin)
        status, answer = connection.ask(
            request.method, request.path, headers, request.body, lambda: self._left(deadline)
        )
        self._used_at[request.origin] = self._now_ms()
        if status == _OK:
            return answer
        what = f"{request.service} answered {status}: {answer[:300].decode(errors='replace')}"
        # Of a table it would mean that the deployment is broken, which is no answer to give a caller.
        gone = request.service == "secretsmanager" and b"ResourceNotFoundException" in answer
        if status == _NOT_FOUND or gone:
            raise NotFound(f"{request.service} has no such object") from _Passing(what)
        if status >= _SERVER_ERRORS or any(word in answer for word in _PASSING):
            raise _Passing(what)
        raise Refused(answer)

    def _left(self, deadline: float) -> float:
        left = deadline - self._monotonic()
        if left <= 0:
            raise TimeoutError("the time is up")
        return left

    def _connection(self, origin: str) -> Connection:
        """The kept connection, or a new one: after a pause (Lambda freezes) the other side has often hung up."""
        if self._now_ms() - self._used_at.get(origin, 0) > _IDLE_MS:
            self._drop(origin)
        if origin not in self._connections:
            self._connections[origin] = Connection(origin)
        return self._connections[origin]

    def _drop(self, origin: str) -> None:
        if connection := self._connections.pop(origin, None):
            connection.close()

    def _current_credentials(self) -> Credentials:
        known, now = self._credentials, self._now_ms()
        if known and (known.ends_at is None or now < min(self._renew_at_ms, known.ends_at)):
            return known
        aws = self._aws
        # With SnapStart the keys aren't in the environment: they'd be frozen into the snapshot.
        if not aws.aws_container_credentials_full_uri:
            self._credentials = Credentials(aws.aws_access_key_id, aws.aws_secret_access_key, aws.aws_session_token)
            return self._credentials
        try:
            fresh = _from_container(aws)
        except (OSError, _Passing):
            if known is None or known.ends_at is None or known.ends_at <= now:
                raise
            self._renew_at_ms = now + _PAUSE_MS  # the old keys are good until they end
            return known
        self._credentials = fresh
        self._renew_at_ms = (fresh.ends_at or 0) - _RENEW_MS
        return fresh


def _unavailable(service: str) -> Unavailable:
    """For the caller: what AWS said, with its ARNs, stays in the cause and the log."""
    return Unavailable(f"{service} did not answer; try again")


def _from_container(aws: Aws) -> Credentials:
    """Keys from the runtime's own endpoint, as the SDKs' container provider reads them."""
    parts = urlsplit(aws.aws_container_credentials_full_uri)
    connection = Connection(f"{parts.scheme}://{parts.netloc}")
    headers = {"Host": parts.netloc, "Authorization": aws.aws_container_authorization_token}
    try:
        _, body = connection.ask("GET", parts.path, headers, b"", lambda: 2.0)
        keys = msgspec.json.decode(body, type=dict[str, str])
        ends_at = clock.parse_iso(keys["Expiration"])
        return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys.get("Token", ""), ends_at)
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise _Passing("the credentials endpoint gave no keys") from error
    finally:
        connection.close()
