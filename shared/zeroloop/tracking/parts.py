"""Things that may be too large for an item, as a first row and further parts (`<sk>#1`, `<sk>#2`, ...).

The first row's `parts` says how many there are, where there are several, and its `rev` counts the changes of them all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from zeroloop import dynamo
from zeroloop.dynamo import Action, Item, Key, Table

ROOM = 300_000  # bytes a part, of the 400 KB that an item holds

Fields = Sequence[Sequence[str]]


def split(key: Key, plain: Item, maps: Mapping[str, Mapping[str, Any]], rev: int) -> list[Item]:
    """`plain` and the entries of `maps` as rows."""
    parts: list[Item] = [{**plain, **{name: {} for name in maps}}]
    left = ROOM
    for name, entry, value in _entries(maps):
        size = len(entry.encode()) + len(value if isinstance(value, bytes) else value.encode()) + 4
        if size > left:
            parts.append({})
            left = ROOM
        parts[-1].setdefault(name, {})[entry] = value
        left -= size
    if len(parts) > 1:
        parts[0]["parts"] = len(parts)
    return [
        {"pk": key[0], "sk": f"{key[1]}#{number}" if number else key[1], **part, "rev": rev}
        for number, part in enumerate(parts)
    ]


def _entries(maps: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    for name, entries in maps.items():
        for key, value in entries.items():
            yield name, key, value


def merged(rows: Iterable[Item], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The maps `names` of a row and its parts."""
    kept = list(rows)
    return {name: {key: value for row in kept for key, value in row.get(name, {}).items()} for name in names}


def read(table: Table, keys: Sequence[Key]) -> dict[Key, list[Item]]:
    """Each of `keys` that exists, with its parts in order: a read for each 100, and one more where there are parts."""
    found = {(row["pk"], row["sk"]): row for row in table.get(keys)}
    further = [(pk, f"{sk}#{number}") for (pk, sk), row in found.items() for number in range(1, row.get("parts", 1))]
    rows = found | {(row["pk"], row["sk"]): row for row in (table.get(further) if further else [])}
    return {
        (pk, sk): [row, *(rows[pk, f"{sk}#{number}"] for number in range(1, row.get("parts", 1)))]
        for (pk, sk), row in found.items()
    }


def changes(before: Sequence[Item], after: Sequence[Item]) -> list[Action]:
    """What makes the rows `before` those `after`, if they still are as they were; nothing where they are the same."""
    if list(before) == list(after):
        return []
    rev = before[0]["rev"]
    first = dynamo.save({**after[0], "rev": rev + 1}, "rev = :rev", rev=rev)
    more = [dynamo.save(row) for row in after[1:] if row not in before]
    gone = [dynamo.remove((row["pk"], row["sk"])) for row in before[len(after) :]]
    return [first, *more, *gone]


def scan(table: Table, pk: str, fields: Fields) -> Iterator[tuple[str, Item]]:
    """Every thing of a partition: its id, and of its rows only `fields`."""
    found = table.query(pk, fields=[("sk",), *fields])
    for thing_id, rows in groupby(found, key=lambda row: row["sk"].partition("#")[0]):
        row, *more = rows
        yield thing_id, {**row, **merged([row, *more], {path[0] for path in fields if path[1:]})} if more else row
