"""Canonical JSON and the digests made of it: the same bytes on every machine and in every language."""

import hashlib
import json
from collections.abc import Iterable
from json.encoder import encode_basestring
from typing import Any, NamedTuple


class PackageFile(NamedTuple):
    """One file of a package: POSIX path relative to the package, SHA-256 in hex, size in bytes."""

    path: str
    sha256: str
    size: int


def canonical(value: Any) -> bytes:
    """`value` as JSON with sorted keys, no spaces, UTF-8.

    Raises
    ------
    ValueError
        NaN or an infinity: they have no JSON.
    """
    return (encode_basestring(value) if type(value) is str else _encoder.encode(value)).encode()


# Made once: json.dumps makes one each time.
_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


# Copied: to look the algorithm up takes longer than to hash a sentence.
_sha256 = hashlib.sha256()


def sha256(data: bytes) -> str:
    """SHA-256 of `data`: 64 hex digits."""
    state = _sha256.copy()
    state.update(data)
    return state.hexdigest()


def package_digest(files: Iterable[PackageFile]) -> str:
    """A package's identity: SHA-256 over the canonical JSON of its files, sorted, each [path, sha256, size].

    The order of `files` doesn't matter.
    """
    return sha256(canonical(sorted([file.path, file.sha256, file.size] for file in files)))
