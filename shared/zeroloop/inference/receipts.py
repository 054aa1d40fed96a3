"""Prediction ids: signed receipts. Pure. Contract: docs/contracts/receipt.schema.json."""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from binascii import Error as NotBase64
from binascii import b2a_base64
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import msgspec
from msgspec import Struct

from zeroloop.errors import InvalidInput

_PREFIX = b"zr1."
_SIGNATURE_BYTES = 16
MOST_CHARACTERS = 45_000
"""Of a prediction id: an answer's labels have up to 32,000 bytes (`registry.rules.MAX_FACTS_BYTES`), and base64 makes 4
of 3."""


class Key(Struct, frozen=True, gc=False):
    """A signing key and its id."""

    kid: str
    secret: bytes


class Receipt(Struct, frozen=True, kw_only=True, gc=False):
    """What a prediction id carries. Time in ms since 1970; `unit_hash` from `unit_hash()`, never a raw unit."""

    v: Literal[1] = 1
    kid: str
    id: str
    model_id: str
    version: int
    variant: str
    label: str | None
    score: float | None
    time: int
    test_id: str | None = None
    unit_hash: str | None = None
    slice: str | None = None


def sign(receipt: Receipt, key: Key) -> str:
    """The prediction id of `receipt`."""
    body = _text(msgspec.json.encode(receipt))
    return b"".join((_PREFIX, body, b".", _signature(body, key))).decode()


def verify(prediction_id: str, keys: Mapping[str, Key]) -> Receipt:
    """The receipt in a prediction id that one of `keys` (by id) signed.

    Raises
    ------
    InvalidInput
        `bad_prediction_id`: forged, cut short, not one of ours, or signed by a key that is gone.
    """
    receipt, text, signature = _parts(prediction_id)
    body = text.removeprefix(_PREFIX)
    key = keys.get(receipt.kid)
    # The text is compared and not its bytes: base64 writes the same bytes in several ways.
    if body == text or key is None or not hmac.compare_digest(_signature(body, key), signature):
        raise _refused()
    return receipt


def claimed(prediction_id: str) -> Receipt:
    """What a prediction id says, whoever signed it; for whoever may do more than it could claim. Raises as `verify`."""
    return _parts(prediction_id)[0]


def _parts(prediction_id: str) -> tuple[Receipt, bytes, bytes]:
    """Receipt, signed text and signature."""
    try:
        text, _, signature = prediction_id.encode("ascii").rpartition(b".")
        return msgspec.json.decode(_bytes(text.removeprefix(_PREFIX)), type=Receipt), text, signature
    except (ValueError, NotBase64, msgspec.DecodeError, RecursionError) as error:
        raise _refused() from error


def _refused() -> InvalidInput:
    return InvalidInput("not a prediction id of this service", code="bad_prediction_id", field="prediction_id")


def unit_hash(unit: str, key: Key) -> str:
    """A keyed hash of a unit, 16 bytes in hex: joins a unit's predictions without telling who it is."""
    return hashlib.blake2b(unit.encode(), key=key.secret[:64], digest_size=16).hexdigest()


def _signature(body: bytes, key: Key) -> bytes:
    inner, outer = _keyed(key.secret)
    inner, outer = inner.copy(), outer.copy()
    inner.update(body)
    outer.update(inner.digest())
    return _text(outer.digest()[:_SIGNATURE_BYTES])


@lru_cache(maxsize=4)
def _keyed(secret: bytes) -> tuple[Any, Any]:
    """Both states of HMAC-SHA256 (RFC 2104), key and prefix already in; `hmac.digest` takes thrice as long."""
    block = secret if len(secret) <= 64 else hashlib.sha256(secret).digest()
    inner, outer = (bytes(byte ^ pad for byte in block.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    return hashlib.sha256(inner + _PREFIX), hashlib.sha256(outer)


def _text(data: bytes) -> bytes:
    """base64url without padding."""
    return b2a_base64(data, newline=False).rstrip(b"=").replace(b"+", b"-").replace(b"/", b"_")


def _bytes(text: bytes) -> bytes:
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
