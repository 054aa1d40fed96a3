"""MLflow's JSON <-> values: how its server reads a request, and how it writes an answer or an error.

Reference: MLflow's REST API documentation, and the server of MLflow 3.17, which tests/conformance holds this against.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, Struct

from zeroloop.errors import Conflict, InvalidInput, NotFound, Unavailable, ZeroloopError

T = TypeVar("T", bound="Message")

# Both prefixes carry the same routes: clients use the first, MLflow's web pages the second.
PREFIXES = ("/api", "/ajax-api")
FILE_PATH = "/get-artifact"  # where those pages link to files, below neither
TRACES_PATH = "/v1/traces"  # where clients send traces, as OpenTelemetry does
VERSION = "3.17.2"  # the server that we answer like

Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

_FAMILY = re.compile(r"/(?:ajax-)?api/\d\.0/mlflow/([^/]+)")
_SERVED = {"experiments", "runs", "metrics", "artifacts", "logged-models", "registered-models", "model-versions"}

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_KINDS: dict[type[ZeroloopError], tuple[str, int]] = {
    InvalidInput: ("INVALID_PARAMETER_VALUE", 400),
    NotFound: ("RESOURCE_DOES_NOT_EXIST", 404),
    Conflict: ("RESOURCE_CONFLICT", 409),
    Unavailable: ("TEMPORARILY_UNAVAILABLE", 503),
}
_CODES: dict[str, tuple[str, int]] = {
    "already_exists": ("RESOURCE_ALREADY_EXISTS", 400),
    "busy": ("RESOURCE_EXHAUSTED", 429),  # which clients repeat
    "not_json": ("BAD_REQUEST", 400),
    "repeated": ("BAD_REQUEST", 400),
    "no_route": ("ENDPOINT_NOT_FOUND", 404),
    "not_supported": ("ENDPOINT_NOT_FOUND", 404),
    "too_large": ("INVALID_PARAMETER_VALUE", 413),
    "not_permitted": ("PERMISSION_DENIED", 403),
}
INTERNAL = ("INTERNAL_ERROR", 500)

ANSWER_BYTES = 6 * 2**20 - 4_096
"""What Lambda answers at the most, less status and headers."""


class Message(Struct, omit_defaults=True):
    """A request or an answer. Absent is the default: UNSET, an empty text or an empty list, and isn't written."""


View = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]


def view(name: str | int) -> View:
    """The view that is meant, by name or number.

    Raises
    ------
    InvalidInput
    """
    for number, known in enumerate(get_args(View), 1):
        if str(name) in {known, str(number)}:
            return known  # type: ignore[no-any-return]
    raise InvalidInput(f"Invalid value {name!r} for parameter 'view_type' supplied.", field="view_type")


class KeyValue(Message):
    """A tag or a param as it is sent."""

    key: str = ""
    value: str = ""


class Pair(Message):
    """A tag or a param as it is shown: an empty value too."""

    key: str
    value: str


def pairs(values: Mapping[str, str]) -> list[Pair]:
    """Params or tags as they are shown."""
    return [Pair(key=key, value=value) for key, value in values.items()]


def error(failure: Exception) -> tuple[int, dict[str, str]]:
    """Status and body that tell of `failure` in MLflow's words; what isn't a kind of ours is an internal error."""
    if not isinstance(failure, ZeroloopError):
        code, status = INTERNAL
        return status, {"error_code": code, "message": "an error of ours; the log knows more"}
    kinds = [_KINDS[kind] for kind in type(failure).__mro__ if kind in _KINDS]
    code, status = _CODES.get(failure.code) or (kinds[0] if kinds else INTERNAL)
    return status, {"error_code": code, "message": failure.message}


def read(
    message: type[T],
    *,
    body: bytes = b"",
    query: Mapping[str, list[str]] | None = None,
    path: Mapping[str, str] | None = None,
) -> T:
    """A request out of its query, where there is one, or its JSON body, which may be empty, and what its path names.

    As protobuf's JSON mapping has it: null is absent, unknown fields are ignored, names may be in camel case, whole
    numbers may be text, and what isn't finite is.

    Raises
    ------
    InvalidInput
        `not_json`; or a field, which is named, is missing or of a wrong type.
    """
    fields = _from_query(message, query) if query else _from_body(body)
    try:
        return msgspec.convert({**_present(fields), **(path or {})}, message, strict=False)
    except msgspec.ValidationError as refused:
        what, _, where = str(refused).partition(" - at `$")
        field = where.rstrip("`").lstrip(".") or "request"
        raise InvalidInput(f"Invalid value for parameter '{field}' supplied: {what}", field=field) from refused


def is_unsupported(path: str) -> bool:
    """Whether MLflow may have a call there, but of a family (traces, scorers, gateway, ...) that isn't served here."""
    family = _FAMILY.match(path)
    return path == TRACES_PATH or (family is not None and family[1] not in _SERVED)


def require(message: Message, *fields: str) -> None:
    """Refuse a request in which one of `fields` is absent or empty.

    Raises
    ------
    InvalidInput
    """
    for field in fields:
        if is_absent(getattr(message, field)):
            raise InvalidInput(f"Missing value for required parameter '{field}'.", field=field)


def is_absent(value: Any) -> bool:
    """Whether a request didn't say, or said nothing: MLflow takes an empty text for none."""
    return value is UNSET or value == ""


def given(value: Any) -> Any:
    """`value`, or None where the request didn't say."""
    return None if value is UNSET else value


def number(value: float) -> float | str:
    """A float as MLflow writes it: JSON has no NaN and no infinities."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else ("Infinity" if value > 0 else "-Infinity")


def write(answer: Any) -> str:
    """`answer` as JSON.

    Raises
    ------
    InvalidInput
        `too_large`: more than Lambda answers, of which the caller would hear nothing but a failure.
    """
    body = msgspec.json.encode(answer)
    if answer_bytes(body) > ANSWER_BYTES:
        message = f"the answer would have {len(body):,} bytes, more than a function can answer: ask for less at a time"
        raise InvalidInput(message, code="too_large")
    return body.decode()


def answer_bytes(body: bytes) -> int:
    """What JSON takes of Lambda's answer, which is JSON again: each quote and each backslash is two bytes."""
    return len(body) + body.count(b'"') + body.count(b"\\")


def texts_bytes(*texts: str) -> int:
    """The same of texts that will stand in it."""
    return sum(answer_bytes(msgspec.json.encode(text)) for text in texts)


def _present(value: Any) -> Any:
    """`value` without what is null in it, its names in snake case."""
    if isinstance(value, list):
        return [_present(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    found = {_snake(name): _present(inner) for name, inner in value.items() if inner is not None}
    for name in value:
        if (snake := _snake(name)) != name and snake in value:
            raise InvalidInput(f"Request specifies both '{snake}' and '{name}'; provide only one of them.", field=snake)
    return found


@lru_cache(1024)
def _snake(name: str) -> str:
    return _HUMP.sub(r"_\1", name).lower()


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
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidInput("the body is not a JSON object", code="not_json", field="body")
    return found


def _from_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as broken:
        raise InvalidInput(f"Malformed JSON: {broken}", code="not_json", field="body") from broken
