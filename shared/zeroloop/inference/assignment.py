"""Which version answers a request: a pure function of lineup, key and pinned version."""

from hashlib import blake2b

from msgspec import Struct

from zeroloop.errors import Conflict
from zeroloop.registry.rules import Lineup

BUCKETS = 10_000


class Assigned(Struct, frozen=True, gc=False):
    """The version that answers, and as what."""

    version: int
    variant: str


def bucket(salt: str, unit: str) -> int:
    """Bucket of `unit` in 0..9999: BLAKE2b with 8 bytes of digest over salt, NUL, unit (UTF-8), big-endian, mod 10000.

    Any language can reproduce it; bias of the modulus is below 1e-15.
    """
    return int.from_bytes(blake2b(f"{salt}\0{unit}".encode(), digest_size=8).digest(), "big") % BUCKETS


def assign(lineup: Lineup, key: str, pinned: int | None) -> Assigned:
    """The version for a request: the pinned one, else the challenger for its share of keys, else the champion.

    `key` is the unit where the caller gives one (the same unit gets the same variant, and raising the share moves
    nobody back), else anything unique to the request.

    Raises
    ------
    Conflict
        `no_champion`: nothing is promoted yet.
    """
    if pinned is not None:
        return Assigned(pinned, "pinned")
    first = champion(lineup)
    if lineup.challenger is not None:
        salt = f"canary:{lineup.model_id}:{lineup.challenger}"
        if bucket(salt, key) < round(lineup.traffic * BUCKETS):
            return Assigned(lineup.challenger, "challenger")
    return Assigned(first, "champion")


def champion(lineup: Lineup) -> int:
    """The champion's version.

    Raises
    ------
    Conflict
        `no_champion`: nothing is promoted yet.
    """
    if lineup.champion is None:
        raise Conflict(f"{lineup.model} has no champion yet: promote a version", code="no_champion", field="model")
    return lineup.champion
