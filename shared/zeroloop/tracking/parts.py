"""Things that may be too large for an item, as a first row and further parts (`<sk>#1`, `<sk>#2`, ...).

The first row's `parts` says how many there are, where there are several, and its `rev` counts the changes of them all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from zeroloop import clock, dynamo
from zeroloop.dynamo import Action, Item, Key, Table
from zeroloop.errors import InvalidInput, Unavailable

ROOM = 300_000  # bytes a part, of the 400 KB that an item holds
MOST = 8  # parts of one thing: a transaction writes 4 MB, and an answer has 6

_MOST_FIELDS = 200  # 12 characters each, of the 4 KB of an expression
_ATTEMPTS = 8

Fields = Sequence[Sequence[str]]


def split(key: Key, plain: Item, maps: Mapping[str, Mapping[str, Any]], rev: int, *, most: int = MOST) -> list[Item]:
    """`plain` and the entries of `maps` as rows.

    Raises
    ------
    InvalidInput
        `too_large`: they would be more than `most`, or an entry has no room in any.
    """
    parts: list[Item] = [{**plain, **{name: {} for name in maps}}]
    left = ROOM
    for name, entry, value in _entries(maps):
        size = len(entry.encode()) + len(value if isinstance(value, bytes) else value.encode()) + 4
        if size > left:
            parts.append({})
            left = ROOM
        parts[-1].setdefault(name, {})[entry] = value
        left -= size
        if left < 0 or len(parts) > most:
            what = f"the {', '.join(maps)} of one thing have at most {most * ROOM:,} bytes, and each at most {ROOM:,}"
            raise InvalidInput(what, code="too_large", field=name)
    if len(parts) > 1:
        parts[0]["parts"] = len(parts)
    parts[0]["rev"] = rev
    return [
        {"pk": key[0], "sk": f"{key[1]}#{number}" if number else key[1], **part} for number, part in enumerate(parts)
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
    """Each of `keys` that exists, with its parts in order: a read for each 100, and two more where there are parts.

    Raises
    ------
    Unavailable
        One with parts was written to at every look.
    """
    found = {(row["pk"], row["sk"]): [row] for row in table.get(keys)}
    torn = [key for key, (row,) in found.items() if "parts" in row]
    for attempt in range(_ATTEMPTS if torn else 0):
        further = [part for key in torn for part in _parts(found[key])]
        parts = {(row["pk"], row["sk"]): row for row in table.get(further)}
        again = {(row["pk"], row["sk"]): row for row in table.get(torn)}
        # A first row that is the same before and after says that nobody wrote to its parts in between.
        still = []
        for key in torn:
            first, now = found[key][0], again.get(key)
            if now is None:
                del found[key]
            elif now["rev"] == first["rev"]:
                found[key] = [first, *(parts[part] for part in _parts([first]) if part in parts)]
            else:
                found[key] = [now]
                still += [key] if "parts" in now else []
        torn = still
        if not torn:
            break
        clock.sleep(clock.pause_seconds(attempt))
    if torn:
        raise Unavailable("too many write to this at once; try again")
    return found


def _parts(rows: Sequence[Item]) -> list[Key]:
    first = rows[0]
    return [(first["pk"], f"{first['sk']}#{number}") for number in range(1, first["parts"])]


def changes(before: Sequence[Item], after: Sequence[Item]) -> list[Action]:
    """What makes the rows `before`, as they were read, those `after`, if nobody changed them; nothing for the same."""
    if list(before) == list(after):
        return []
    rev = before[0]["rev"]
    first = dynamo.save({**after[0], "rev": rev + 1}, "rev = :rev", rev=rev)
    more = [dynamo.save(row) for row in after[1:] if row not in before]
    gone = [dynamo.remove((row["pk"], row["sk"])) for row in before[len(after) :]]
    return [first, *more, *gone]


def scan(table: Table, pk: str, fields: Fields) -> Iterator[tuple[str, Item]]:
    """Every thing of a partition: its id, and of its rows `fields`, or more than these."""
    if len(fields) > _MOST_FIELDS:
        fields = [[name] for name in dict.fromkeys(path[0] for path in fields)]
    found = table.query(pk, fields=[("sk",), *fields])
    for thing_id, rows in groupby(found, key=lambda row: row["sk"].partition("#")[0]):
        first, *more = rows
        if first["sk"] == thing_id:  # else what is left of something that is being removed
            maps = {name for row in more for name in row if name != "sk"}
            yield thing_id, {**first, **merged([first, *more], maps)} if maps else first
