"""Ingest: what the log subscription delivers is kept and counted, once, however often it is delivered."""

from typing import NamedTuple

from zeroloop.inference.registered import Registered
from zeroloop.monitoring import lines
from zeroloop.monitoring.aggregate import Aggregate
from zeroloop.monitoring.archive import UNKNOWN, Archive, Kept
from zeroloop.monitoring.cells import Cell
from zeroloop.monitoring.frame import Frame
from zeroloop.monitoring.frames import Frames
from zeroloop.monitoring.lines import Aside, Batch, LogEvent, Record
from zeroloop.monitoring.store import MonitoringStore

_LOOK_UP_SECONDS = 3.0
_MINUTE_MS = 60_000
_NO_NAMES = {"unknown_model", "bad_name"}
"""What predict says of a name that isn't a model's: it needn't be looked up."""

Lines = list[tuple[LogEvent, Record]]


class Taken(NamedTuple):
    """What became of a batch: lines, those of nobody's model, those set aside; whether all was counted before."""

    lines: int
    nobodys: int
    aside: int
    repeated: bool


class Ingest:
    """The use case: keep, then count, so that what is counted can be counted again."""

    def __init__(self, store: MonitoringStore, archive: Archive, registered: Registered) -> None:
        self._store = store
        self._archive = archive
        self._registered = registered
        self._frames = Frames(registered)

    def take(self, batch: Batch) -> Taken:
        """Keep and count a batch.

        A line that can't be read or counted is set aside. What fails beyond that fails whole, and may be tried again.

        Raises
        ------
        Unavailable
        """
        aside: list[Aside] = []
        owners: dict[str, str | None] = {}
        kept: dict[tuple[str, str], list[Kept]] = {}
        by_cell: dict[Cell, Lines] = {}
        nobodys = 0
        for event, record in lines.records(batch.events, aside):
            line = Kept(record.time, event.message.rstrip("\n"))
            if not isinstance(record, Record):
                kept.setdefault(("feedback", record.model_id), []).append(line)
                continue
            owner = self._owner(record, owners)
            kept.setdefault(("predictions", owner or UNKNOWN), []).append(line)
            if owner is None:
                nobodys += 1
                continue
            cell = Cell(owner, record.version or 0, record.variant or "", record.time // _MINUTE_MS)
            by_cell.setdefault(cell, []).append((event, record))
        cells = self._counted(by_cell, aside)
        for (kind, model_id), some in kept.items():
            self._archive.keep(kind, model_id, batch.digest, some)
        self._archive.set_aside(batch.digest, aside)
        new = self._store.count(batch.digest, cells)
        return Taken(len(batch.events), nobodys, len(aside), bool(cells) and not new)

    def _counted(self, by_cell: dict[Cell, Lines], aside: list[Aside]) -> dict[Cell, tuple[Aggregate, Frame]]:
        frames = {cell: self._frames.get(cell.model_id, cell.version) for cell in by_cell}
        return {cell: (lines.counted(some, frames[cell], aside), frames[cell]) for cell, some in by_cell.items()}

    def _owner(self, record: Record, owners: dict[str, str | None]) -> str | None:
        """Whose request it was. One that failed early has only the name that the caller gave."""
        if record.model_id or record.code in _NO_NAMES or not record.model:
            return record.model_id
        if record.model not in owners:
            owners[record.model] = self._registered.model_id(record.model, _LOOK_UP_SECONDS)
        return owners[record.model]
