"""The audit chain of a model: each change of its lineup, hash-linked to the one before. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from zeroloop.digests import canonical, sha256
from zeroloop.registry.rules import Lineup

FIRST = "0" * 64

Action = Literal["promote", "rollback", "challenger", "test", "clear", "rename", "delete", "gates", "approve"]


class Serving(Struct, frozen=True, kw_only=True):
    """Who served, before or after a change."""

    champion: int | None
    challenger: int | None
    previous: int | None
    traffic: float


class Record(Struct, frozen=True, kw_only=True):
    """One change of a lineup. Contract: docs/contracts/audit-record.schema.json."""

    schema_version: Literal[1] = 1
    model_id: str
    model: str
    revision: int
    at: int
    actor: str
    action: Action
    reason: str
    before: Serving
    after: Serving
    evidence: dict[str, Any] | None = None
    previous_hash: str
    hash: str = ""


class Turn(Struct, frozen=True):
    """A lineup as it was read, as it shall be, and the record of that; without a record it only has to be as read.

    `judged` tells since when the evaluations are kept (None: there was none) that versions were judged by.
    """

    before: Lineup
    after: Lineup
    record: Record | None = None
    judged: Mapping[int, int | None] = {}


def serving(lineup: Lineup) -> Serving:
    """The part of a lineup that the audit keeps."""
    return Serving(
        champion=lineup.champion, challenger=lineup.challenger, previous=lineup.previous, traffic=lineup.traffic
    )


def seal(record: Record) -> Record:
    """`record` with its hash: SHA-256 of the canonical JSON of all its other fields."""
    return replace(record, hash=_hash(msgspec.to_builtins(record)))


def _hash(record: dict[str, Any]) -> str:
    return sha256(canonical({name: value for name, value in record.items() if name != "hash"}))


def faults(records: Iterable[dict[str, Any]], revision: int) -> list[str]:
    """What is wrong with a chain, oldest record first: a changed record, a gap, a wrong link. Empty when whole.

    `revision` is the lineup's own: a chain that ends before it has lost its end. Takes the records as they were
    stored, so that a field which this version of the code doesn't know is verified too.
    """
    found, expected, link = [], 1, FIRST
    for record in records:
        number = record.get("revision")
        if number != expected:
            found.append(f"revision {number} stands where {expected} should")
        if record.get("previous_hash") != link:
            found.append(f"revision {number} is not linked to the record before it")
        if record.get("hash") != _hash(record):
            found.append(f"revision {number} was changed after it was written")
        expected, link = (number or expected) + 1, record.get("hash", "")
    if expected != revision + 1:
        found.append(f"the chain ends at revision {expected - 1}, the lineup is at {revision}")
    return found
