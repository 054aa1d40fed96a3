"""Prediction ids: signed receipts. Pure. Contract: docs/contracts/receipt.schema.json."""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal

import msgspec
from msgspec import Struct

from zeroloop.errors import InvalidInput

_PREFIX = "zr1"
_SIGNATURE_BYTES = 16


class Key(Struct, frozen=True):
    """A signing key and its id."""

    kid: str
    secret: bytes


class Receipt(Struct, frozen=True, kw_only=True):
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
    text = f"{_PREFIX}.{_text(msgspec.json.encode(receipt))}"
    return f"{text}.{_text(_signature(text, key))}"


def verify(prediction_id: str, keys: Mapping[str, Key]) -> Receipt:
    """The receipt in a prediction id that one of `keys` (by id) signed.

    Raises
    ------
    InvalidInput
        `bad_prediction_id`: forged, cut short, not one of ours, or signed by a key that is gone.
    """
    refused = InvalidInput("not a prediction id of this service", code="bad_prediction_id", field="prediction_id")
    text, _, given = prediction_id.rpartition(".")
    prefix, _, body = text.partition(".")
    try:
        receipt = msgspec.json.decode(_bytes(body), type=Receipt)
        signature = given.encode("ascii")
    except (ValueError, NotBase64, msgspec.DecodeError, RecursionError) as error:
        raise refused from error
    key = keys.get(receipt.kid)
    # The text is compared and not its bytes: base64 writes the same bytes in several ways.
    if prefix != _PREFIX or key is None or not hmac.compare_digest(_text(_signature(text, key)).encode(), signature):
        raise refused
    return receipt


def unit_hash(unit: str, key: Key) -> str:
    """A keyed hash of a unit, 16 bytes in hex: joins a unit's predictions without telling who it is."""
    return blake2b(unit.encode(), key=key.secret[:64], digest_size=16).hexdigest()


def _signature(text: str, key: Key) -> bytes:
    return hmac.digest(key.secret, text.encode(), "sha256")[:_SIGNATURE_BYTES]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
