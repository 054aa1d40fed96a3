"""AbTestTable: tests, what was seen of each unit, and the sums of it.

    TESTS                      <name>   a test; they stand together to be listed
    ACTIVE                     <name>   the same names while there is something to watch
    TEST#<name>#OUTCOME#<id>   OUTCOME  an outcome by its id, and the unit that it is of: counted once
    TEST#<name>#UNIT#<unit>    UNIT     a unit's own sums; `rev` counts its changes
    TEST#<name>#SUMS#<shard>   <arm>    what the analysis reads: sums of an arm, in 16 shards by unit

An outcome is one transaction over its own row, its unit's and one shard, so that none is counted twice or by half.
Outcomes and units expire long after their test: only sums are kept for good.
"""

from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from zeroloop import dynamo
from zeroloop.abtest.counting import Outcome, Sums, Unit, merge
from zeroloop.abtest.rules import AbTest
from zeroloop.digests import sha256
from zeroloop.dynamo import Item, Table, Update

SHARDS = 16
_KEPT_SECONDS = 400 * 86_400
_OWN = {"pk", "sk"}


class Seen(Struct, frozen=True):
    """An outcome that was counted, and the unit that it is of."""

    unit: str
    outcome: Outcome


class Held(Struct, frozen=True):
    """What is known before an outcome is counted: its test, itself, and its unit at revision `rev` (0: unknown)."""

    test: AbTest | None
    seen: Seen | None
    unit: Unit | None
    rev: int


class AbTestStore:
    """Tests and sums as domain values. All reads are strongly consistent."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, name: str) -> AbTest | None:
        """The test called `name`."""
        return next((_test(item) for item in self._table.get([("TESTS", name)])), None)

    def page(self, after: str | None, limit: int) -> list[AbTest]:
        """Tests by name; `after` is the last name of the page before."""
        first = f"{after}\0" if after else None
        return [_test(item) for item in islice(self._table.query("TESTS", first=first, limit=limit), limit)]

    def active(self) -> list[str]:
        """Names of the tests that are to be watched."""
        return [item["sk"] for item in self._table.query("ACTIVE")]

    def add(self, test: AbTest) -> None:
        """Write a new test; Conflict if its name is taken, for good."""
        self._table.write(
            f"test {test.name}",
            dynamo.save(_row(test), "attribute_not_exists(pk)"),
            dynamo.save(_keyed(("ACTIVE", test.name))),
        )

    def save(self, test: AbTest, *, active: bool = True) -> AbTest:
        """Write `test`, one revision on; Conflict if it isn't as it was read any more."""
        after = msgspec.structs.replace(test, revision=test.revision + 1)
        key = ("ACTIVE", test.name)
        self._table.write(
            f"test {test.name}",
            dynamo.save(_row(after), "revision = :read", read=test.revision),
            dynamo.save(_keyed(key)) if active else dynamo.remove(key),
        )
        return after

    def discard(self, test: AbTest) -> None:
        """Take back a test that was added and could not begin."""
        self._table.write(
            f"test {test.name}", dynamo.remove(("TESTS", test.name)), dynamo.remove(("ACTIVE", test.name))
        )

    def held(self, name: str, outcome_id: str, unit: str) -> Held:
        """What is known of an outcome: one read."""
        keys = [("TESTS", name), _outcome_key(name, outcome_id), _unit_key(name, unit)]
        kinds = {(item["pk"], item["sk"]): item for item in self._table.get(keys)}
        test, seen, row = (kinds.get(key) for key in keys)
        return Held(
            _test(test) if test else None,
            msgspec.json.decode(seen["body"], type=Seen) if seen else None,
            msgspec.json.decode(row["body"], type=Unit) if row else None,
            row["rev"] if row else 0,
        )

    def count(  # noqa: PLR0913, PLR0917 - an outcome is that much
        self, held: Held, name: str, outcome_id: str, seen: Seen, after: Unit, added: Sums, *, at: int
    ) -> None:
        """Write an outcome, its unit and its shard of the sums; Conflict if one isn't as `held` read it any more."""
        gone_at = at // 1000 + _KEPT_SECONDS
        mark: Item = {**_keyed(_outcome_key(name, outcome_id)), "body": _json(seen), "gone_at": gone_at}
        unit: Item = {
            **_keyed(_unit_key(name, seen.unit)),
            "body": _json(after),
            "rev": held.rev + 1,
            "gone_at": gone_at,
        }
        new = "attribute_not_exists(pk)"
        actions = [
            dynamo.save(mark, "body = :read", read=_json(held.seen)) if held.seen else dynamo.save(mark, new),
            dynamo.save(unit, "rev = :read", read=held.rev) if held.rev else dynamo.save(unit, new),
        ]
        if added:
            names = {f"#n{i}": field for i, field in enumerate(added)}
            values = {f":v{i}": change for i, change in enumerate(added.values())}
            expression = "ADD " + ", ".join(f"#n{i} :v{i}" for i in range(len(added)))
            key = (f"TEST#{name}#SUMS#{_shard(seen.unit):02}", after.arm)
            actions.append(dynamo.change(key, Update(expression, "", names, values)))
        self._table.write(f"the outcome of test {name}", *actions)

    def sums(self, test: AbTest) -> dict[str, Sums]:
        """The sums of each arm: as many reads whatever was counted."""
        arms = dict.fromkeys([*(arm.variant for arm in test.ranges), "control"])
        keys = [(f"TEST#{test.name}#SUMS#{shard:02}", arm) for shard in range(SHARDS) for arm in arms]
        found: dict[str, list[Sums]] = {arm: [] for arm in arms}
        for item in self._table.get(keys):
            found[item["sk"]].append({name: value for name, value in item.items() if name not in _OWN})
        return {arm: merge(parts) for arm, parts in found.items()}


def _row(test: AbTest) -> Item:
    return {"pk": "TESTS", "sk": test.name, "revision": test.revision, "body": _json(test)}


def _test(item: Item) -> AbTest:
    return msgspec.json.decode(item["body"], type=AbTest)


def _keyed(key: tuple[str, str]) -> dict[str, Any]:
    return {"pk": key[0], "sk": key[1]}


def _outcome_key(name: str, outcome_id: str) -> tuple[str, str]:
    return f"TEST#{name}#OUTCOME#{outcome_id}", "OUTCOME"


def _unit_key(name: str, unit: str) -> tuple[str, str]:
    return f"TEST#{name}#UNIT#{unit}", "UNIT"


def _shard(unit: str) -> int:
    return int(sha256(unit.encode())[:8], 16) % SHARDS


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
