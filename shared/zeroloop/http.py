"""The HTTP edge: kinds of failure as statuses, bodies as values. The only place that knows statuses."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qs, unquote

import msgspec

from zeroloop.errors import Conflict, InvalidInput, NotFound, Unavailable, ZeroloopError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response

T = TypeVar("T")

STATUS: dict[type[ZeroloopError], int] = {InvalidInput: 422, NotFound: 404, Conflict: 409, Unavailable: 503}
OK, INTERNAL = 200, 500

# Lambda takes 6 MB an event; base64 makes 4 of them 5.3.
MAX_BODY_BYTES = 4_000_000

_NAMED = re.compile(r"(?:unknown|missing required) field `(.*)`", re.DOTALL)


def status_of(error: ZeroloopError) -> int:
    """The status of the nearest kind that `error` is."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), INTERNAL)


def refusal(error: ZeroloopError) -> dict[str, str]:
    """The body that tells of `error`: code, message and, where one is at fault, field."""
    body = {"code": error.code, "message": error.message}
    return {**body, "field": error.field} if error.field else body


def body(event: dict[str, Any]) -> bytes:
    """The bytes that the caller sent: the gateway encodes all that isn't declared JSON or text, as curl's -d isn't.

    Raises
    ------
    InvalidInput
        `too_large`, or `not_json` where the encoding is broken.
    """
    text = event.get("body") or ""
    try:
        data = b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except ValueError as error:
        raise InvalidInput(f"the body can't be read: {error}", code="not_json", field="body") from error
    if len(data) > MAX_BODY_BYTES:
        raise InvalidInput(f"the body is over {MAX_BODY_BYTES:,} bytes", code="too_large", field="body")
    return data


def query(event: dict[str, Any]) -> dict[str, list[str]]:
    """The query's values by name, in order: the event's own dictionary joins repeated ones with commas."""
    try:
        return parse_qs(event.get("rawQueryString", ""), keep_blank_values=True, errors="strict")
    except UnicodeError as error:
        raise InvalidInput("the query is not UTF-8", field="query") from error


def parse(body: bytes | str | None, kind: type[T]) -> T:
    """`body`, JSON, as a value of `kind`.

    Raises
    ------
    InvalidInput
        `not_json`, or `invalid_input` with the path of the field at fault.
    """
    try:
        return msgspec.json.decode(body or b"", type=kind)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidInput(f"the body is not JSON: {error}", code="not_json", field="body") from error
    except RecursionError as error:
        raise InvalidInput("the body is nested too deeply", code="too_deep", field="body") from error


def _invalid(message: str) -> InvalidInput:
    """What is wrong and where, of the decoder's words; in linear time, for callers' names are among them."""
    what, at, path = message.rpartition(" - at `$")
    what, path = (what, path.removesuffix("`").removeprefix(".")) if at else (message, "")
    if named := _NAMED.search(what):
        path = f"{path}.{named[1]}" if path else named[1]
    return InvalidInput(what, field=path or "body")


def number(text: str, field: str) -> int:
    """A positive integer out of a path or query.

    Raises
    ------
    InvalidInput
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 8 and int(text) > 0):
        raise InvalidInput(f"{text[:80]!r} is not a positive whole number", field=field)
    return int(text)


def name(text: str) -> str:
    """A path parameter as its author wrote it: gateways differ in whether they decode the path."""
    return unquote(text) if "%" in text else text


def actor(event: dict[str, Any]) -> str:
    """Who calls, by the gateway's word: an IAM ARN, a token's subject, or `anonymous` on an open stack."""
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    iam, jwt = authorizer.get("iam") or {}, authorizer.get("jwt") or {}
    return str(iam.get("userArn") or (jwt.get("claims") or {}).get("sub") or "anonymous")


def tell(_path: str, error: Exception) -> tuple[int, dict[str, str]]:
    """Status and body that tell of `error` in our own words; a bug is 500 and no details."""
    if isinstance(error, ZeroloopError):
        return status_of(error), refusal(error)
    return INTERNAL, {"code": "internal", "message": "an error of ours; the log knows more"}


def api(
    log_failure: Callable[[Exception], None], tell: Callable[[str, Exception], tuple[int, dict[str, str]]] = tell
) -> APIGatewayHttpResolver:
    """A Powertools resolver for HTTP API events which answers failures of a path as `tell` says.

    `log_failure` gets an exception that nobody expected, to log it with its traceback.
    """
    # Powertools costs 150 ms of imports, which predict does without.
    from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response  # noqa: PLC0415

    resolver = APIGatewayHttpResolver()

    def answer(error: Exception) -> Response[str]:
        status, body = tell(resolver.current_event.path, error)
        return Response(status, "application/json", msgspec.json.encode(body).decode())

    @resolver.not_found
    def _no_route(_error: Exception) -> Response[str]:
        event = resolver.current_event
        return answer(NotFound(f"there is no {event.http_method} {event.path}", code="no_route"))

    @resolver.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def _failed(error: Exception) -> Response[str]:
        if not isinstance(error, ZeroloopError) or status_of(error) >= INTERNAL:
            log_failure(error)
        return answer(error)

    return resolver
