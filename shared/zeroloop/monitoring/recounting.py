"""The archive counted again: what a delivery that came twice in other pieces added too much, or what was lost."""

from msgspec.json import decode

from zeroloop import clock
from zeroloop.errors import InvalidInput
from zeroloop.monitoring.aggregate import Aggregate
from zeroloop.monitoring.archive import Archive
from zeroloop.monitoring.cells import Counters, flat, is_outcome
from zeroloop.monitoring.frames import Frames
from zeroloop.monitoring.lines import LogEvent, Record, counted
from zeroloop.monitoring.store import MINUTE_DAYS, MonitoringStore

_MINUTE_MS = 60_000

Who = tuple[int, str]


def recount(archive: Archive, frames: Frames, model_id: str, start: int, end: int) -> dict[Who, Aggregate]:
    """What the archive has of minutes `start` to before `end`, by (version, variant): each prediction once by its id.

    A line without predictions is told by its request's id.
    """
    found: dict[tuple[str, str], tuple[LogEvent, Record]] = {}
    for line in archive.lines("predictions", model_id, start * _MINUTE_MS, end * _MINUTE_MS):
        record = decode(line, type=Record)
        if start <= record.time // _MINUTE_MS < end:
            first = record.predictions[0].prediction_id if record.predictions else ""
            found[record.request_id, first] = (LogEvent("", record.time, line), record)
    by_who: dict[Who, list[tuple[LogEvent, Record]]] = {}
    for event, record in found.values():
        by_who.setdefault((record.version or 0, record.variant or ""), []).append((event, record))
    # What ingest set aside because it can't be counted is left out here, too.
    return {who: counted(some, frames.get(model_id, who[0]), []) for who, some in sorted(by_who.items())}


def differences(  # noqa: PLR0913, PLR0917 - two sources and a window
    store: MonitoringStore, archive: Archive, frames: Frames, model_id: str, start: int, end: int
) -> dict[Who, Counters]:
    """By (version, variant) and counter, what is counted too much (above 0) or too little in the window.

    Raises
    ------
    InvalidInput
        It begins or ends within an hour whose minutes may be forgotten by now.
    """
    forgotten = clock.now_ms() // _MINUTE_MS - MINUTE_DAYS * 1440
    for field, minute in (("start", start), ("end", end)):
        if minute % 60 and minute // 60 * 60 <= forgotten:
            raise InvalidInput(f"minutes are kept for {MINUTE_DAYS} days: name a full hour", field=field)
    archived = recount(archive, frames, model_id, start, end)
    stored = store.window(model_id, start, end)
    return {
        who: found
        for who in sorted({*archived, *stored})
        if (found := _more(_predictions(stored.get(who)), _predictions(archived.get(who))))
    }


def _predictions(aggregate: Aggregate | None) -> Counters:
    """The counters of predictions: labels come by another way."""
    counters = flat(aggregate) if aggregate else {}
    return {name: value for name, value in counters.items() if not is_outcome(name)}


def _more(a: Counters, b: Counters) -> Counters:
    return {name: n for name in sorted({*a, *b}) if (n := a.get(name, 0) - b.get(name, 0))}
