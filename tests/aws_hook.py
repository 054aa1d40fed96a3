"""How a test gets between our code and AWS: botocore events, nothing to change in the code under test.

Only the standard library and botocore, so that a function of a test stack can load it too.
"""

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import botocore.handlers
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

Answer = tuple[AWSResponse, dict[str, Any]]
Handler = Callable[..., Answer | None]


class Refused(Exception):  # noqa: N818  # it is what AWS answers, and becomes the service's own exception
    """AWS says no: `code` and `message` as the service words them, `extra` beside them in the answer."""

    def __init__(self, code: str, message: str, status: int = 400, **extra: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status, self.extra = code, message, status, extra

    def answer(self) -> Answer:
        """The pair that botocore takes in place of an exchange: it raises the modelled exception and may retry."""
        parsed = {
            "Error": {"Code": self.code, "Message": self.message},
            "ResponseMetadata": {"HTTPStatusCode": self.status, "HTTPHeaders": {}, "RequestId": "refused-by-the-tests"},
            "message": self.message,
            **self.extra,
        }
        return AWSResponse("https://refused.invalid/", self.status, HTTPHeaders(), _NoBody()), parsed


def invalid(message: str) -> Refused:
    """The refusal that DynamoDB, Step Functions and EventBridge share."""
    return Refused("ValidationException", message)


class _NoBody(io.BytesIO):
    """The part of urllib3's response that botocore reads."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


class Hook:
    """Handlers for the calls of one client, of the clients that a session makes, or of every session.

    Handlers outlive `uninstall` in clients made meanwhile (botocore copies them), hence `active`.
    """

    active = False

    def handlers(self) -> list[tuple[str, Handler]]:
        """Pairs of event and handler; botocore passes everything by keyword."""
        raise NotImplementedError

    def remember(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        """Handler of `before-parameter-build`: `before-call` sees bytes on the wire, rules want the call's arguments.

        A method, so that one hook's `uninstall` leaves another's in place.
        """
        context["tests.params"] = params

    def install(self, target: Any = None) -> Self:
        """Listen to a botocore or boto3 session, client or resource; to all later sessions if None.

        Clients that exist keep the handlers they were made with, so install before the first client is made, or
        pass the client itself.
        """
        self.uninstall()
        self.active = True
        self._emitters = _emitters(target)
        for event, handler in self.handlers():
            if target is None:
                botocore.handlers.BUILTIN_HANDLERS.append((event, handler))
            for emitter in self._emitters:
                emitter.register(event, handler)
        return self

    def uninstall(self) -> None:
        """Stop, also in the clients that still hold the handlers."""
        self.active = False
        for event, handler in self.handlers():
            if (event, handler) in botocore.handlers.BUILTIN_HANDLERS:
                botocore.handlers.BUILTIN_HANDLERS.remove((event, handler))
            for emitter in self._emitters:
                emitter.unregister(event, handler)
        self._emitters = []

    _emitters: list[Any] = []  # noqa: RUF012  # rebound, never mutated

    def __enter__(self) -> Self:
        return self if self.active else self.install()

    def __exit__(self, *_: object) -> None:
        self.uninstall()


def call_name(model: Any) -> str:
    """`dynamodb.PutItem`, as botocore's events spell it."""
    return f"{model.service_model.service_id.hyphenize()}.{model.name}"


def _emitters(target: Any) -> list[Any]:
    if target is None:
        default = getattr(sys.modules.get("boto3"), "DEFAULT_SESSION", None)
        return [default.events] if default else []
    if hasattr(target, "meta"):
        return [getattr(target.meta, "client", target).meta.events]
    return [target.events if hasattr(target, "events") else target.get_component("event_emitter")]
