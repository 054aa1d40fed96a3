"""Which version answers a request: a pure function of lineup, key and pinned version."""

from hashlib import blake2b

from msgspec import Struct

from zeroloop.errors import Conflict
from zeroloop.registry.rules import Lineup, Test

BUCKETS = 10_000
CONTROL = "control"


class Assigned(Struct, frozen=True, gc=False):
    """The version that answers, and as what; the test that counts it, and the version that scores it in the shadow."""

    version: int
    variant: str
    test_id: str | None = None
    shadow: int | None = None


def bucket(salt: str, unit: str) -> int:
    """Bucket of `unit` in 0..9999: BLAKE2b with 8 bytes of digest over salt, NUL, unit (UTF-8), big-endian, mod 10000.

    Any language can reproduce it; bias of the modulus is below 1e-15.
    """
    return int.from_bytes(blake2b(f"{salt}\0{unit}".encode(), digest_size=8).digest(), "big") % BUCKETS


def assign(lineup: Lineup, key: str, pinned: int | None, unit: str | None = None) -> Assigned:
    """The version for a request: the pinned one, else the running test's, else the challenger's share, else champion.

    `key` is the unit where the caller gives one (the same unit gets the same variant, and raising the share moves
    nobody back), else anything unique to the request. A test counts none but a `unit`.

    Raises
    ------
    Conflict
        `no_champion`: nothing is promoted yet.
    """
    if pinned is not None:
        return Assigned(pinned, "pinned")
    first = champion(lineup)
    if lineup.test is not None:
        return in_test(lineup.test, first, unit)
    if lineup.challenger is not None:
        salt = f"canary:{lineup.model_id}:{lineup.challenger}"
        if bucket(salt, key) < round(lineup.traffic * BUCKETS):
            return Assigned(lineup.challenger, "challenger")
    return Assigned(first, "champion")


def in_test(test: Test, control: int, unit: str | None) -> Assigned:
    """What `test` does with `unit`: an arm by its bucket of the one salt, if its bucket of the other is covered.

    All else is answered by `control` and not counted. Arms have fixed buckets, so more coverage moves nobody who is in.
    """
    if unit is None or bucket(test.coverage_salt, unit) >= round(test.coverage * BUCKETS):
        return Assigned(control, CONTROL)
    place = bucket(test.salt, unit)
    arm = next(arm for arm in test.arms if arm.first <= place <= arm.last)
    if test.shadow:
        return Assigned(control, CONTROL, test.test_id, arm.version)
    return Assigned(arm.version, arm.variant, test.test_id)


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
