"""MonitoringTable's counts: added to by who counts, read by who judges. Rows never leave this module.

    M#<model>#<shard>  <minute>#<version>#<part>#<variant>    a part of a minute's cell, for 8 days
    H#<model>#<shard>  <hour>#<version>#<part>#<variant>      the same of an hour, for 400 days
    B#<batch>          <cut>                                  that a cut of a batch is counted, for 16 days
    F#<receipt>        LABEL                                  the label that is counted, what it added, for 400 days

Minutes and hours are written by the same transaction: a schedule that rolls up later would need a guard in every write
against labels and batches that come late, and that costs as much as the hour. A batch goes to the shard that its
digest names, so that no partition is hot and an hour fills all shards at any traffic.
"""

from collections.abc import Callable, Iterator, Mapping

from zeroloop import clock
from zeroloop.dynamo import Action, ConditionFailed, Item, Key, Table, Update, change, save
from zeroloop.monitoring.aggregate import Aggregate
from zeroloop.monitoring.cells import MOST_COUNTERS, Cell, Counters, add, flat, spread, whole
from zeroloop.monitoring.frame import Frame

SHARDS = 8
"""Each takes 1,000 write units a second."""
MINUTE_DAYS = 8
"""How long minutes can be read; of what is older, whole hours."""
HOUR_DAYS = 400
MARK_DAYS = 16
"""Longer than the queue of what failed keeps a batch of which some cuts are counted: 14 days."""

_MOST_ACTIONS = 100
_DAY_SECONDS = 86_400
_APART = frozenset({"pk", "sk", "gone_at"})

Cells = Mapping[Cell, tuple[Aggregate, Frame]]
Label = tuple[str | None, Counters]


class MonitoringStore:
    """The counts of all models."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def count(self, batch: str, cells: Cells) -> int:
        """Add `cells`, once for each `batch` (64 hex digits) however often it is called; how many cuts were new.

        A batch must always come with the same cells: what one transaction can't hold is cut, each cut with its mark.
        """
        new = 0
        gone_at = clock.now_ms() // 1000 + MARK_DAYS * _DAY_SECONDS
        for number, actions in enumerate(cuts(changes(batch, cells))):
            mark: Item = {"pk": f"B#{batch}", "sk": f"{number:04}", "gone_at": gone_at}
            try:
                self._table.write("a batch's counts", save(mark, "attribute_not_exists(pk)"), *actions)
                new += 1
            except ConditionFailed:
                continue  # counted before
        return new

    def label(self, receipt_id: str) -> tuple[str | None, Counters | None]:
        """The label that is counted for a prediction, and what it added; None where its mark is too old to say."""
        [item] = self._table.get([(f"F#{receipt_id}", "LABEL")]) or [{"actual": None, "added": {}}]
        return item["actual"], item.get("added")

    def learn(self, receipt_id: str, labels: tuple[Label, Label], cell: Cell, frame: Frame) -> None:
        """Count the second of `labels` in `cell`, in place of the first, which `label` gave, while that is counted.

        What is taken back is what was added, whatever the frame was then: a version may have been deleted since.

        Raises
        ------
        ConditionFailed
            It is another by now.
        """
        (before, old), (label, new) = labels
        gone_at = cell.minute * 60 + HOUR_DAYS * _DAY_SECONDS  # with the counts, however long labels are taken by then
        item: Item = {"pk": f"F#{receipt_id}", "sk": "LABEL", "actual": label, "added": new, "gone_at": gone_at}
        mark = save(item, "actual = :before", before=before) if before else save(item, "attribute_not_exists(pk)")
        more = whole(add([new, {name: -value for name, value in old.items()}]))
        self._table.write("a prediction's label", mark, *next(cuts(changes(receipt_id, {cell: (more, frame)})), []))

    def window(
        self, model_id: str, start: int, end: int, version: int | None = None, variant: str | None = None
    ) -> dict[tuple[int, str], Aggregate]:
        """What was counted from minute `start` to before `end`, by (version, variant), of one of each if it is given.

        Whole hours in it are read as hours, so a day costs what two hours do: the number of items depends on how many
        versions were active and on neither the traffic nor, much, on the length.
        """
        found: dict[tuple[int, str], list[Item]] = {}
        for item in self._items(model_id, start, end):
            _, number, _, name = item["sk"].split("#", 3)
            if version in {None, int(number)} and variant in {None, name}:
                found.setdefault((int(number), name), []).append(item)
        return {key: whole(_counters(items)) for key, items in sorted(found.items())}

    def minutes(
        self, model_id: str, start: int, end: int, wanted: Callable[[tuple[int, str]], bool]
    ) -> dict[int, Aggregate]:
        """What was counted from minute `start` to before `end`, by minute, of each `wanted` (version, variant)."""
        found: dict[int, list[Item]] = {}
        for item in self._query("M", model_id, start, end):
            minute, version, _, variant = item["sk"].split("#", 3)
            if wanted((int(version), variant)):
                found.setdefault(int(minute), []).append(item)
        return {minute: whole(_counters(items)) for minute, items in sorted(found.items())}

    def _items(self, model_id: str, start: int, end: int) -> Iterator[Item]:
        first, last = -(-start // 60), end // 60
        if first >= last:  # no whole hour
            return self._query("M", model_id, start, end)
        return (
            item
            for kind, a, b in (("M", start, first * 60), ("H", first, last), ("M", last * 60, end))
            for item in self._query(kind, model_id, a, b)
        )

    def _query(self, kind: str, model_id: str, start: int, end: int) -> Iterator[Item]:
        if start >= end:
            return
        now = clock.now_ms() // 1000
        for shard in range(SHARDS):
            # "$" is what follows "#", so this ends before `end` and behind all of the time before it.
            pk, last = f"{kind}#{model_id}#{shard}", f"{end - 1:09}$"
            for item in self._table.query(pk, first=f"{start:09}", last=last):
                if item["gone_at"] > now:
                    yield item


def changes(batch: str, cells: Cells) -> dict[Key, tuple[int, Counters]]:
    """What `cells` add, by item: when that may go, in seconds, and counters. The same for the same, at any time."""
    shard = int(batch[:8], 16) % SHARDS
    added: dict[Key, tuple[int, Counters]] = {}
    for cell, (aggregate, frame) in cells.items():
        for part, counters in spread(flat(aggregate), frame).items():
            for kind, minutes, days in (("M", 1, MINUTE_DAYS), ("H", 60, HOUR_DAYS)):
                time = cell.minute // minutes
                key = (f"{kind}#{cell.model_id}#{shard}", f"{time:09}#{cell.version:08}#{part}#{cell.variant}")
                _, before = added.get(key, (0, {}))
                added[key] = (time * minutes * 60 + days * _DAY_SECONDS, add([before, counters]))
    return added


def cuts(added: Mapping[Key, tuple[int, Counters]]) -> Iterator[list[Action]]:
    """`added` as the actions of one transaction after another, with room for a mark in each; always in one order.

    An item stands once in a transaction, so of one with many counters the rest comes with a later one.
    """
    sliced = [(key, gone_at, list(_slices(counters))) for key, (gone_at, counters) in sorted(added.items())]
    for turn in range(max((len(slices) for _, _, slices in sliced), default=0)):
        actions = [change(key, _adding(gone_at, slices[turn])) for key, gone_at, slices in sliced if turn < len(slices)]
        for start in range(0, len(actions), _MOST_ACTIONS - 1):
            yield actions[start : start + _MOST_ACTIONS - 1]


def _slices(counters: Counters) -> Iterator[Counters]:
    ordered = sorted(counters.items())
    for start in range(0, len(ordered), MOST_COUNTERS):
        yield dict(ordered[start : start + MOST_COUNTERS])


def _adding(gone_at: int, counters: Counters) -> Update:
    names = {f"#{i}": name for i, name in enumerate(counters)}
    sums = ", ".join(f"#{i} :{i}" for i in range(len(counters)))
    values: Item = {f":{i}": value for i, value in enumerate(counters.values())}
    return Update(f"SET gone_at = :g ADD {sums}", names=names, values={**values, ":g": gone_at})


def _counters(items: list[Item]) -> Counters:
    sums = add({name: value for name, value in item.items() if name not in _APART} for item in items)
    return {name: value for name, value in sums.items() if value}  # what was replaced left a 0
