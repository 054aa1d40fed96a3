"""The kinds of preprocessing. Training and serving run this same code, and a digest proves it."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from zeroloop.digests import canonical, sha256
from zeroloop.errors import InvalidInput
from zeroloop.inference.columns import Columns
from zeroloop.inference.text import HashedNgrams
from zeroloop.inference.tokenizer import Tokenizer


class Encoder(Protocol):
    """Makes a model's input of what callers send. Never changes once made, so threads may share it.

    `field` names what it reads in an instance ("text", "features"); `width` and `dtype` are those of an encoded row,
    `largest` the greatest id that it makes, where it makes ids.
    """

    field: str
    width: int
    dtype: str
    largest: int | None

    def encode(self, values: Sequence[Any], where: Sequence[str]) -> NDArray[np.int32] | NDArray[np.float32]:
        """(batch, width) array of `values`; `where[i]` is the path of value i, for the message of InvalidInput."""

    def features(self, values: Sequence[Any], rows: NDArray[Any]) -> list[Any]:
        """What the log keeps of each value and its encoded row: enough for monitoring, never a caller's words."""


TENSORS = "tensors"
"""The kind that is none: what callers send is what the model takes."""
_TENSORS_VERSION = 1

KINDS: Mapping[str, type[HashedNgrams | Columns | Tokenizer]] = {
    encoder.kind: encoder for encoder in (HashedNgrams, Columns, Tokenizer)
}


def encoder(kind: str, parameters: Mapping[str, Any], tokenizer: bytes | None = None) -> Encoder:
    """The encoder of package.json's `preprocessing`; `tokenizer` is the package's tokenizer.json.

    Raises
    ------
    InvalidInput
        Names the parameter that is unknown, of the wrong type or out of bounds.
    """
    return _kind(kind)(parameters, tokenizer)


def digest(kind: str, parameters: Mapping[str, Any]) -> str:
    """SHA-256 of kind, the version of its code and parameters: equal digests make equal arrays of equal values."""
    code_version = _TENSORS_VERSION if kind == TENSORS else _kind(kind).code_version
    return sha256(canonical({"kind": kind, "code_version": code_version, "parameters": parameters}))


def _kind(kind: Any) -> type[HashedNgrams | Columns | Tokenizer]:
    if type(kind) is not str or kind not in KINDS:
        raise InvalidInput(f"must be one of {', '.join(KINDS)}", field="preprocessing.kind")
    return KINDS[kind]
