"""Prediction and feedback lines in DataBucket: gzip JSON lines, one object a batch.

    predictions/model=<model_id>/dt=YYYY-MM-DD/<first>-<last>-<batch>.jsonl.gz      as predict logged them
    feedback/model=<model_id>/dt=YYYY-MM-DD/<first>-<last>-<batch>.jsonl.gz         as feedback did
    aside/dt=YYYY-MM-DD/<first>-<last>-<batch>.jsonl.gz                             what is no such line, and why

`dt` and the times `hhmmssmmm` of the first and last line are those of the lines, in UTC. The path names a table's
partitions for Athena and duckdb. An object is written once: the same batch again finds it, also after an erasure.
"""

import gzip
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from typing import NamedTuple

import msgspec

from zeroloop import clock
from zeroloop.data import DataBucket
from zeroloop.errors import Conflict
from zeroloop.monitoring.lines import Aside

UNKNOWN = "unknown"
"""In place of a model_id, for requests to no model of ours."""
_DAY_MS = 86_400_000
_LONGEST_MS = 3_600_000  # no batch reaches over more than this: seconds are usual


class Kept(NamedTuple):
    """A line to keep; time in ms since 1970."""

    time: int
    line: str


class Archive:
    """What was logged, for reading again."""

    def __init__(self, bucket: DataBucket) -> None:
        self._bucket = bucket

    def keep(self, kind: str, model_id: str, batch: str, lines: Iterable[Kept]) -> None:
        """Write `lines` of one batch, an object a day; what is there stays."""
        for day, kept in _by_day(lines).items():
            self._put(f"{folder(kind, model_id, day)}{_name(kept, batch)}", kept)

    def set_aside(self, batch: str, aside: Iterable[Aside]) -> None:
        """Write what could not be counted, with its reason."""
        lines = [Kept(one.event.timestamp, _reasoned(one)) for one in aside]
        self.keep("aside", "", batch, lines)

    def lines(self, kind: str, model_id: str, start_ms: int, end_ms: int) -> Iterator[str]:
        """The lines of objects that reach into [start_ms, end_ms), so perhaps some from without."""
        for key in self.keys(kind, model_id, start_ms, end_ms):
            yield from gzip.decompress(self._bucket.read(key)).decode().split("\n")[:-1]

    def keys(self, kind: str, model_id: str, start_ms: int, end_ms: int) -> Iterator[str]:
        """The keys of objects that reach into [start_ms, end_ms)."""
        for at in range(start_ms // _DAY_MS * _DAY_MS, end_ms, _DAY_MS):
            place = folder(kind, model_id, _day(at))
            begin, end = _time(max(start_ms, at)), _time(min(end_ms, at + _DAY_MS) - 1)
            for key in self._bucket.keys(place, f"{place}{_time(max(start_ms - _LONGEST_MS, at))}"):
                first, last, _ = key.removeprefix(place).split("-", 2)
                if first > end:
                    break
                if last >= begin:
                    yield key

    def erase(self, keys: Collection[str], without: frozenset[str]) -> int:
        """Take what has these ids out of objects and their older versions; of how many lines or predictions.

        Older versions are left by erasures only, so whatever there is goes: one may have broken off before that.

        Raises
        ------
        Conflict
            Another erasure was faster with one of them; erasing again goes on.
        """
        erased = 0
        for place, some in groupby(sorted(keys), lambda key: f"{key.rpartition('/')[0]}/"):
            looked_at = frozenset(some)
            erased += sum(self._erase(key, without) for key in looked_at)
            self._bucket.forget_older(place, looked_at)
        return erased

    def _erase(self, key: str, without: frozenset[str]) -> int:
        before = self._bucket.version(key)
        lines = gzip.decompress(self._bucket.read(key)).decode().split("\n")[:-1]
        left, erased = [], 0
        for line in lines:
            rest, gone = _without(line, without)
            erased += gone
            left += [rest] if rest else []
        if erased:
            self._bucket.write(key, _packed(left), over=before)
        return erased

    def _put(self, key: str, kept: list[Kept]) -> None:
        with suppress(Conflict):
            self._bucket.write_once(key, _packed([one.line for one in kept]))


def folder(kind: str, model_id: str, day: str) -> str:
    """Where the lines of a model's day lie, or of nobody's."""
    return f"{kind}/model={model_id}/dt={day}/" if model_id else f"{kind}/dt={day}/"


def _packed(lines: Iterable[str]) -> bytes:
    """The same bytes for the same lines: without a time, and at a level that costs a tenth of the best."""
    return gzip.compress("".join(f"{line}\n" for line in lines).encode(), compresslevel=1, mtime=0)


def _without(line: str, ids: frozenset[str]) -> tuple[str | None, int]:
    record = msgspec.json.decode(line, type=dict)
    aside = record.get("message", "")
    if record.get("prediction_id") in ids or any(one in aside for one in ids):
        return None, 1
    told = record.get("predictions", [])
    left = [one for one in told if one["prediction_id"] not in ids]
    if len(left) == len(told):
        return line, 0
    return msgspec.json.encode({**record, "predictions": left}).decode(), len(told) - len(left)


def _reasoned(aside: Aside) -> str:
    event = aside.event
    told = {"id": event.id, "timestamp": event.timestamp, "message": event.message, "reason": aside.reason}
    return msgspec.json.encode(told).decode()


def _by_day(lines: Iterable[Kept]) -> dict[str, list[Kept]]:
    days: dict[str, list[Kept]] = {}
    for kept in lines:
        days.setdefault(_day(kept.time), []).append(kept)
    return days


def _name(kept: list[Kept], batch: str) -> str:
    times = [one.time for one in kept]
    return f"{_time(min(times))}-{_time(max(times))}-{batch[:32]}.jsonl.gz"


def _day(at_ms: int) -> str:
    return clock.iso(at_ms)[:10]


def _time(at_ms: int) -> str:
    return f"{clock.label(at_ms)[8:]}{at_ms % 1000:03}"
