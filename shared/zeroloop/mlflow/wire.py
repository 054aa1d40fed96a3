"""MLflow's JSON <-> values: how its server reads a request, and how it writes an answer or an error.

Reference: MLflow's REST API documentation, and the server of MLflow 3.17, which tests/conformance holds this against.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct

from zeroloop.errors import Conflict, InvalidInput, NotFound, Unavailable, ZeroloopError

T = TypeVar("T", bound="Message")

# Both prefixes carry the same routes: clients use the first, MLflow's web pages the second.
PREFIXES = ("/api", "/ajax-api")
VERSION = "3.17.2"  # the server that we answer like

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

_KINDS: dict[type[ZeroloopError], tuple[str, int]] = {
    InvalidInput: ("INVALID_PARAMETER_VALUE", 400),
    NotFound: ("RESOURCE_DOES_NOT_EXIST", 404),
    Conflict: ("RESOURCE_CONFLICT", 409),
    Unavailable: ("TEMPORARILY_UNAVAILABLE", 503),
}
_CODES: dict[str, tuple[str, int]] = {
    "already_exists": ("RESOURCE_ALREADY_EXISTS", 400),
    "not_json": ("BAD_REQUEST", 400),
    "no_route": ("ENDPOINT_NOT_FOUND", 404),
    "not_supported": ("ENDPOINT_NOT_FOUND", 404),
    "too_large": ("INVALID_PARAMETER_VALUE", 413),
    "not_permitted": ("PERMISSION_DENIED", 403),
}
INTERNAL = ("INTERNAL_ERROR", 500)


class Message(Struct, omit_defaults=True):
    """A request or an answer. Absent is the default: UNSET, an empty text or an empty list, and isn't written."""


class KeyValue(Message):
    """A tag or a param."""

    key: str = ""
    value: str = ""


def error(failure: Exception) -> tuple[int, dict[str, str]]:
    """Status and body that tell of `failure` in MLflow's words; what isn't a kind of ours is an internal error."""
    if not isinstance(failure, ZeroloopError):
        code, status = INTERNAL
        return status, {"error_code": code, "message": "an error of ours; the log knows more"}
    kinds = [_KINDS[kind] for kind in type(failure).__mro__ if kind in _KINDS]
    code, status = _CODES.get(failure.code) or (kinds[0] if kinds else INTERNAL)
    return status, {"error_code": code, "message": failure.message}


def read(message: type[T], *, body: bytes = b"", query: Mapping[str, list[str]] | None = None) -> T:
    """A request out of its query, where there is one, or its JSON body, which may be empty.

    As protobuf's JSON mapping has it: null is absent, unknown fields are ignored, whole numbers may be text, and what
    isn't finite is.

    Raises
    ------
    InvalidInput
        `not_json`; or a field, which is named, is missing or of a wrong type.
    """
    fields = _from_query(message, query) if query else _from_body(body)
    try:
        return msgspec.convert(_present(fields), message, strict=False)
    except msgspec.ValidationError as refused:
        what, _, path = str(refused).partition(" - at `$")
        field = path.rstrip("`").lstrip(".") or "request"
        raise InvalidInput(f"Invalid value for parameter '{field}' supplied: {what}", field=field) from refused


def require(message: Message, *fields: str) -> None:
    """Refuse a request in which one of `fields` is absent or empty.

    Raises
    ------
    InvalidInput
    """
    for field in fields:
        if getattr(message, field) in {UNSET, ""}:
            raise InvalidInput(f"Missing value for required parameter '{field}'.", field=field)


def given(value: Any) -> Any:
    """`value`, or None where the request didn't say."""
    return None if value is UNSET else value


def number(value: float) -> float | str:
    """A float as MLflow writes it: JSON has no NaN and no infinities."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def write(answer: Any) -> str:
    """`answer` as JSON."""
    return msgspec.json.encode(answer).decode()


def _present(value: Any) -> Any:
    """`value` without what is null in it."""
    if isinstance(value, dict):
        return {name: _present(inner) for name, inner in value.items() if inner is not None}
    return [_present(inner) for inner in value] if isinstance(value, list) else value


def _from_query(message: type[Message], query: Mapping[str, list[str]]) -> dict[str, Any]:
    lists = {field.name for field in msgspec.structs.fields(message) if _is_list(field.type)}
    return {name: values if name in lists else values[0] for name, values in query.items()}


def _is_list(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is list


def _from_body(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body) if body.strip() else {}
    except (msgspec.DecodeError, UnicodeError, RecursionError) as broken:
        raise InvalidInput(f"Malformed JSON: {broken}", code="not_json", field="body") from broken
    # The client sends its JSON as a JSON text now and then; MLflow's server takes that too.
    found = _from_text(found) if isinstance(found, str) else found
    if not isinstance(found, dict):
        raise InvalidInput("the body is not a JSON object", code="not_json", field="body")
    return found


def _from_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as broken:
        raise InvalidInput(f"Malformed JSON: {broken}", code="not_json", field="body") from broken
