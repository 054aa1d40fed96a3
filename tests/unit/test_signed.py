"""The lean signer against botocore's own, and the retries."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import botocore.auth
import msgspec
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from zeroloop import clock, signed
from zeroloop.config import Aws
from zeroloop.errors import NotFound, Unavailable
from zeroloop.http1 import Broken
from zeroloop.signed import Credentials, Session

AT_MS = 1_795_380_650_000
AWS = Aws(aws_region="eu-west-1", aws_access_key_id="AKID", aws_secret_access_key="secret")


class _FixedClock:
    @staticmethod
    def get_current_datetime(remove_tzinfo: bool = True) -> datetime:
        at = datetime.fromtimestamp(AT_MS / 1000, UTC)
        return at.replace(tzinfo=None) if remove_tzinfo else at


def botocore_authorization(credentials: Credentials, request: signed._Request, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", _FixedClock.get_current_datetime)
    signer = botocore.auth.S3SigV4Auth if request.service == "s3" else botocore.auth.SigV4Auth
    aws = AWSRequest(request.method, request.origin + request.path, headers=request.headers, data=request.body)
    if request.service == "s3":
        aws.context["payload_signing_enabled"] = True
    keys = BotoCredentials(credentials.access_key, credentials.secret_key, credentials.token or None)
    signer(keys, request.service, "eu-west-1").add_auth(aws)
    return str(aws.headers["Authorization"])


keys = st.text("abcdefghijklmnop/._- +=é", min_size=1, max_size=40).map(lambda key: f"models/{key}x")


@given(body=st.binary(max_size=200), key=keys, token=st.sampled_from(["", "a-token"]))
@pytest.mark.parametrize("service", ["dynamodb", "s3", "secretsmanager"])
def test_signatures_are_those_of_botocore(service: str, body: bytes, key: str, token: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        credentials = Credentials("AKID", "se/cret+", token)
        path = f"/{quote(key)}" if service == "s3" else "/"
        headers = {} if service == "s3" else {"X-Amz-Target": "DynamoDB_20120810.GetItem"}
        origin = f"https://{service}.eu-west-1.amazonaws.com"
        request = signed._Request(service, "GET" if service == "s3" else "POST", origin, path, headers, body)
        ours = signed.sign(credentials, request, region="eu-west-1", at_ms=AT_MS)
        # botocore leaves the token of S3 and the payload hash where we put them: the same signed headers.
        assert ours["Authorization"] == botocore_authorization(credentials, request, patch)


class Wire:
    """Stands for a connection: answers or raises, in order."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent = 0

    def ask(self, _method: str, _path: str, _headers: Any, _body: bytes, left: Callable[[], float]) -> Any:
        assert left() > 0
        self.sent += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


@pytest.fixture(name="wired")
def _wired(monkeypatch: pytest.MonkeyPatch) -> Any:
    def wire(*answers: Any) -> tuple[Session, Wire]:
        connection = Wire(*answers)
        monkeypatch.setattr(signed, "Connection", lambda _origin: connection)
        monkeypatch.setattr(clock, "sleep", lambda _seconds: None)
        return Session(AWS), connection

    return wire


@pytest.mark.parametrize(
    "first",
    [
        (500, b"internal"),
        (503, b"busy"),
        (400, b'{"__type":"ProvisionedThroughputExceededException"}'),
        (400, b'{"__type":"ThrottlingException"}'),
        ConnectionResetError("stale"),
        Broken("stale"),
        TimeoutError("slow"),
    ],
)
def test_what_passes_is_tried_again(wired: Any, first: Any) -> None:
    session, connection = wired(first, (200, b'{"Item": {}}'))
    assert session.json("dynamodb", "GetItem", {}, timeout=1) == {"Item": {}}
    assert connection.sent == 2


def test_a_refusal_is_not_tried_again(wired: Any) -> None:
    session, connection = wired((400, b'{"__type":"ValidationException"}'))
    with pytest.raises(Unavailable, match="did not answer; try again") as refused:
        session.json("dynamodb", "GetItem", {}, timeout=1)
    assert "ValidationException" in str(refused.value.__cause__)
    assert connection.sent == 1


def test_an_object_that_is_not_there_is_not_found(wired: Any) -> None:
    session, _ = wired((404, b"NoSuchKey"))
    with pytest.raises(NotFound):
        session.get_object("bucket", "key", timeout=1)


def test_a_secret_that_is_not_there_is_not_found_and_a_table_that_is_not_there_is_a_fault_of_ours(wired: Any) -> None:
    gone = (400, b'{"__type": "ResourceNotFoundException"}')
    session, _ = wired(gone, gone)
    with pytest.raises(NotFound):
        session.json("secretsmanager", "secretsmanager.GetSecretValue", {}, timeout=1)
    with pytest.raises(Unavailable):
        session.json("dynamodb", "DynamoDB_20120810.GetItem", {}, timeout=1)


def test_all_tries_end_with_the_time(wired: Any) -> None:
    session, _ = wired(*[(500, b"")] * 1000)
    ticks = iter(range(1000))
    session._monotonic = lambda: next(ticks) / 10
    with pytest.raises(Unavailable):
        session.json("dynamodb", "GetItem", {}, timeout=0.5)


@pytest.mark.parametrize(
    ("aws", "service", "origin"),
    [
        (AWS, "dynamodb", "https://dynamodb.eu-west-1.amazonaws.com"),
        (Aws(aws_region="cn-north-1"), "dynamodb", "https://dynamodb.cn-north-1.amazonaws.com.cn"),
        (Aws(aws_region="eu-west-1", aws_endpoint_url="http://127.0.0.1:4566/"), "s3", "http://127.0.0.1:4566"),
    ],
)
def test_where_a_service_listens(aws: Aws, service: str, origin: str) -> None:
    assert Session(aws)._origin(service) == origin


class Echo:
    """A kept connection: whoever sends before the last answer was taken gets that one."""

    def __init__(self, _origin: str) -> None:
        self.unread: list[bytes] = []

    def ask(self, _method: str, _path: str, _headers: Any, body: bytes, _left: Callable[[], float]) -> Any:
        self.unread.append(body)
        clock.sleep(0.001)
        return 200, self.unread.pop(0)

    def close(self) -> None:
        pass


def test_threads_that_share_a_session_get_their_own_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signed, "Connection", Echo)
    session, together = Session(AWS), threading.Barrier(8)

    def ask(thread: int) -> bool:
        together.wait()
        asked = [{"thread": thread, "i": i} for i in range(20)]
        return all(session.json("dynamodb", "GetItem", body, timeout=10) == body for body in asked)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(8)))


def test_waiting_for_another_thread_takes_no_longer_than_the_call_may(wired: Any) -> None:
    session, connection = wired((200, b"{}"))
    with session._lock, pytest.raises(Unavailable):
        session.json("dynamodb", "GetItem", {}, timeout=0.01)
    assert connection.sent == 0
    assert session.json("dynamodb", "GetItem", {}, timeout=1) == {}


def test_a_restore_drops_connections_and_keys(wired: Any) -> None:
    session, _ = wired((200, b"{}"), (200, b"{}"))
    session.json("dynamodb", "GetItem", {}, timeout=1)
    assert session._current_credentials().access_key == "AKID"
    session.renew(Aws(aws_region="eu-west-1", aws_access_key_id="NEW", aws_secret_access_key="secret"))
    assert session._connections == {}
    assert session._current_credentials().access_key == "NEW"


class Endpoint:
    """The runtime's credentials endpoint, which gives keys for six minutes, or is silent; and the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.silent, self.asked = AT_MS, False, 0
        aws = Aws(aws_region="eu-west-1", aws_container_credentials_full_uri="http://127.0.0.1:1/keys")
        self.session = Session(aws, now_ms=lambda: self.now)
        monkeypatch.setattr(signed, "Connection", lambda _origin: self)

    def ask(self, *_: Any) -> tuple[int, bytes]:
        self.asked += 1
        if self.silent:
            raise TimeoutError("the time is up")
        ends = clock.iso(self.now + 360_000)
        keys = {"AccessKeyId": f"KEY{self.asked}", "SecretAccessKey": "s", "Token": "t", "Expiration": ends}
        return 200, msgspec.json.encode(keys)

    def close(self) -> None:
        pass

    def key(self, seconds: int) -> str:
        self.now = AT_MS + seconds * 1000
        return self.session._current_credentials().access_key


def test_keys_are_renewed_five_minutes_before_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(monkeypatch)
    assert [endpoint.key(at) for at in (0, 30, 59, 60, 119)] == ["KEY1", "KEY1", "KEY1", "KEY2", "KEY2"]
    endpoint.session.renew(endpoint.session._aws)
    assert endpoint.key(119) == "KEY3"


def test_while_the_endpoint_is_silent_keys_are_good_until_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint(monkeypatch)
    endpoint.key(0)
    endpoint.silent = True
    assert {endpoint.key(at) for at in range(75, 360)} == {"KEY1"}
    assert endpoint.asked == 1 + 10  # it may take seconds to stay silent: not at every call
    with pytest.raises(TimeoutError):
        endpoint.key(360)
    endpoint.silent = False
    assert endpoint.key(361) == f"KEY{endpoint.asked}"
