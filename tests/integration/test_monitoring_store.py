"""MonitoringTable on moto: what is counted is read, once each."""

from functools import reduce
from typing import Any

import pytest

from tests.integration.conftest import DynamoSession
from zeroloop import clock
from zeroloop.digests import sha256
from zeroloop.dynamo import Table
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.cells import Cell
from zeroloop.monitoring.frame import Frame
from zeroloop.monitoring.store import MINUTE_DAYS, MonitoringStore, changes, cuts

FRAME = Frame(labels=frozenset({"yes", "no"}))
NOW = 1_795_380_600_000  # 10 minutes past an hour
MINUTE = NOW // 60_000


@pytest.fixture(name="session")
def _session(aws: None, monkeypatch: pytest.MonkeyPatch) -> DynamoSession:
    monkeypatch.setattr(clock, "now_ms", lambda: NOW)
    return DynamoSession()


@pytest.fixture(name="store")
def _store(session: DynamoSession) -> MonitoringStore:
    return MonitoringStore(Table("monitoring", session))  # type: ignore[arg-type] # what it calls of a session


def batch(number: int) -> str:
    return sha256(str(number).encode())


def count(store: MonitoringStore, number: int, minute: int, version: int = 1, variant: str = "champion") -> int:
    cell = Cell("m-1", version, variant, minute)
    return store.count(batch(number), {cell: (one(number), FRAME)})


def one(number: int) -> Aggregate:
    return Aggregate(n=1, latency={number % 7: 1}, labels={"yes": 1}, scores={number % 50: 1})


def test_a_batch_is_counted_once(store: MonitoringStore) -> None:
    assert [count(store, 1, MINUTE) for _ in range(3)] == [1, 0, 0]
    assert store.window("m-1", MINUTE, MINUTE + 1) == {(1, "champion"): one(1)}


def test_minutes_are_read_one_by_one(store: MonitoringStore) -> None:
    for number, (minute, version) in enumerate([(MINUTE - 2, 1), (MINUTE - 2, 2), (MINUTE - 1, 1), (MINUTE, 1)]):
        count(store, number, minute, version)
    minutes = store.minutes("m-1", MINUTE - 2, MINUTE, lambda _: True)
    assert minutes == {MINUTE - 2: merge(one(0), one(1)), MINUTE - 1: one(2)}
    assert store.minutes("m-1", MINUTE, MINUTE, lambda _: True) == {}
    assert store.minutes("m-1", MINUTE - 2, MINUTE, lambda who: who == (2, "champion")) == {MINUTE - 2: one(1)}
    count(store, 4, MINUTE - 1, 0, "a#b")
    assert store.minutes("m-1", MINUTE - 2, MINUTE, lambda who: who == (0, "a#b")) == {MINUTE - 1: one(4)}


def test_a_window_is_the_sum_of_its_minutes_whichever_rows_it_reads(store: MonitoringStore) -> None:
    minutes = range(MINUTE - 150, MINUTE + 1)
    for minute in minutes[::5]:
        count(store, minute, minute)
    for start, end in [
        (MINUTE - 150, MINUTE + 1),
        (MINUTE - 133, MINUTE - 7),
        (MINUTE - 9, MINUTE),
        (MINUTE - 70, MINUTE - 10),
    ]:
        inside = [one(minute) for minute in minutes[::5] if start <= minute < end]
        assert store.window("m-1", start, end) == {(1, "champion"): reduce(merge, inside, EMPTY)}


def test_versions_and_variants_are_apart_and_can_be_picked(store: MonitoringStore) -> None:
    for number, (version, variant) in enumerate([(1, "champion"), (2, "a#b"), (0, "")]):
        count(store, number, MINUTE, version, variant)
    count(store, 9, MINUTE + 1, 7)
    assert list(store.window("m-1", MINUTE, MINUTE + 1)) == [(0, ""), (1, "champion"), (2, "a#b")]
    assert list(store.window("m-1", MINUTE, MINUTE + 1, version=2)) == [(2, "a#b")]
    assert list(store.window("m-1", MINUTE, MINUTE + 1, variant="champion")) == [(1, "champion")]
    assert store.window("m-2", MINUTE, MINUTE + 1) == {}


def test_minutes_are_forgotten_before_their_hour_is(store: MonitoringStore, monkeypatch: pytest.MonkeyPatch) -> None:
    count(store, 1, MINUTE)
    monkeypatch.setattr(clock, "now_ms", lambda: NOW + (MINUTE_DAYS * 86_400 + 1) * 1000)
    hour = MINUTE // 60 * 60
    assert store.window("m-1", MINUTE, MINUTE + 1) == {}
    assert store.window("m-1", hour, hour + 60) == {(1, "champion"): one(1)}


def test_what_broke_off_between_two_cuts_goes_on_where_it_was(
    store: MonitoringStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = {Cell("m-1", version, "champion", MINUTE): (one(version), FRAME) for version in range(1, 41)}
    write = Table.write
    done: list[int] = []

    def breaks(table: Table, what: str, *actions: Any) -> None:
        if len(done) == 1:
            raise TimeoutError
        done.append(len(actions))
        write(table, what, *actions)

    with monkeypatch.context() as broken:
        broken.setattr(Table, "write", breaks)
        with pytest.raises(TimeoutError):
            store.count(batch(1), cells)

    assert done == [100]
    left = len(list(cuts(changes(batch(1), cells)))) - 1
    assert left > 0
    assert store.count(batch(1), cells) == left
    assert store.window("m-1", MINUTE, MINUTE + 1) == {(v, "champion"): one(v) for v in range(1, 41)}
