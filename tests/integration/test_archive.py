"""The archive on moto: what lies where, what is found by time, what is erased, and what is counted again."""

import gzip
import json
import random
from typing import Any

import pytest

from tests.integration.conftest import DynamoSession, client
from tests.traffic import FRAME, KEY, batches, predictions
from zeroloop import clock
from zeroloop.data import DataBucket, Put
from zeroloop.digests import sha256
from zeroloop.dynamo import Table
from zeroloop.errors import Conflict, InvalidInput, Unavailable
from zeroloop.inference.receipts import verify
from zeroloop.monitoring.archive import Archive, Kept
from zeroloop.monitoring.frames import Frames
from zeroloop.monitoring.ingest import Ingest
from zeroloop.monitoring.lines import Aside, Batch, LogEvent
from zeroloop.monitoring.recounting import differences
from zeroloop.monitoring.store import MonitoringStore

NOW = 1_795_909_800_000  # 2026-11-28T23:50:00Z
MINUTE_MS = 60_000
MODEL = "m-0123456789abcdef"


@pytest.fixture(name="archive")
def _archive(aws: None) -> Archive:
    return Archive(DataBucket("data"))


def keys() -> list[str]:
    return [entry["Key"] for entry in client("s3").list_objects_v2(Bucket="data").get("Contents", [])]


def keep(archive: Archive, *minutes: int, number: int = 0) -> None:
    lines = [Kept(NOW + minute * MINUTE_MS, json.dumps({"minute": minute, "predictions": []})) for minute in minutes]
    archive.keep("predictions", MODEL, sha256(f"{number}{minutes}".encode()), lines)


def found(archive: Archive, start: int, end: int) -> list[int]:
    lines = archive.lines("predictions", MODEL, NOW + start * MINUTE_MS, NOW + end * MINUTE_MS)
    return sorted(json.loads(line)["minute"] for line in lines)


def test_a_deliverys_lines_lie_by_their_own_day_and_time(archive: Archive) -> None:
    keep(archive, -1, 9, 11)
    batch = sha256(b"0(-1, 9, 11)")[:32]
    assert keys() == [
        f"predictions/model={MODEL}/dt=2026-11-28/234900000-235900000-{batch}.jsonl.gz",
        f"predictions/model={MODEL}/dt=2026-11-29/000100000-000100000-{batch}.jsonl.gz",
    ]


def test_lines_are_found_by_time(archive: Archive) -> None:
    for number, minutes in enumerate([(-120, -118), (-3, -2), (-1, 1), (5, 15), (20,)]):
        keep(archive, *minutes, number=number)
    assert found(archive, 0, 1) == [-1, 1]  # in the same object
    assert found(archive, 10, 16) == [15]
    assert found(archive, -2, 6) == [-3, -2, -1, 1, 5]
    assert found(archive, -200, 100) == [-120, -118, -3, -2, -1, 1, 5, 15, 20]
    assert found(archive, 30, 40) == []


def test_the_same_lines_make_the_same_bytes_and_what_is_there_stays(archive: Archive) -> None:
    keep(archive, 0)
    [key] = keys()
    first = client("s3").head_object(Bucket="data", Key=key)
    keep(archive, 0)
    assert client("s3").head_object(Bucket="data", Key=key)["VersionId"] == first["VersionId"]


def test_a_line_may_hold_what_others_take_for_a_line_end(archive: Archive) -> None:
    archive.keep(
        "predictions", MODEL, "b" * 64, [Kept(NOW, json.dumps({"minute": 0, "x": "\u2028"}, ensure_ascii=False))]
    )
    assert found(archive, 0, 1) == [0]


def test_what_is_set_aside_tells_why(archive: Archive) -> None:
    archive.set_aside("b" * 64, [Aside(LogEvent("1", NOW, "{"), "no JSON")])
    [key] = keys()
    assert key.startswith("aside/dt=2026-11-28/235000000-")
    body = gzip.decompress(client("s3").get_object(Bucket="data", Key=key)["Body"].read())
    assert json.loads(body) == {"id": "1", "timestamp": NOW, "message": "{", "reason": "no JSON"}


def test_what_was_set_aside_is_erased_with_its_prediction(archive: Archive) -> None:
    events = [
        LogEvent(str(n), NOW, f'{{"predictions": [{{"prediction_id": "zr1.{who}"}}]') for n, who in enumerate("ab")
    ]
    archive.set_aside("b" * 64, [Aside(event, "cut short") for event in events])
    [key] = archive.keys("aside", "", NOW - 5, NOW + 5)
    assert archive.erase([key], frozenset({"zr1.a"})) == 1
    [left] = archive.lines("aside", "", NOW, NOW + 1)
    assert "zr1.b" in left


def test_an_erasure_that_broke_off_is_finished_by_the_next(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"predictions": [{"prediction_id": "zr1.a"}, {"prediction_id": "zr1.b"}]}
    archive.keep("predictions", MODEL, sha256(b"x"), [Kept(NOW, json.dumps(told))])
    [key] = keys()

    def forbidden(_bucket: DataBucket, folder: str, _keys: Any) -> None:
        raise Unavailable(f"no right to delete versions in {folder}")

    with monkeypatch.context() as broken:
        broken.setattr(DataBucket, "forget_older", forbidden)
        with pytest.raises(Unavailable):
            archive.erase([key], frozenset({"zr1.a"}))
    archive.erase([key], frozenset({"zr1.a"}))
    [version] = client("s3").list_object_versions(Bucket="data")["Versions"]
    kept = client("s3").get_object(Bucket="data", Key=key, VersionId=version["VersionId"])["Body"].read()
    assert json.loads(gzip.decompress(kept)) == {"predictions": [{"prediction_id": "zr1.b"}]}


def test_feedback_is_erased_line_by_line(archive: Archive) -> None:
    lines = [Kept(NOW, json.dumps({"prediction_id": who, "label": "yes"})) for who in ("zr1.a", "zr1.b")]
    archive.keep("feedback", MODEL, "b" * 64, lines)
    [key] = keys()
    assert archive.erase([key], frozenset({"zr1.a", "zr1.c"})) == 1
    assert [json.loads(line)["prediction_id"] for line in archive.lines("feedback", MODEL, NOW, NOW + 1)] == ["zr1.b"]
    assert archive.erase([key], frozenset({"zr1.a"})) == 0


def test_two_erasures_at_once_undo_neither(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.keep(
        "feedback", MODEL, sha256(b"x"), [Kept(NOW, json.dumps({"prediction_id": f"zr1.{one}"})) for one in "abc"]
    )
    [key] = keys()
    write = DataBucket.write
    other: list[str] = []

    def slow(bucket: DataBucket, *args: Any, **more: Any) -> Put:
        if not other:
            other.append("b")
            assert archive.erase([key], frozenset({"zr1.b"})) == 1
        return write(bucket, *args, **more)

    monkeypatch.setattr(DataBucket, "write", slow)
    with pytest.raises(Conflict):
        archive.erase([key], frozenset({"zr1.a"}))
    assert archive.erase([key], frozenset({"zr1.a"})) == 1
    assert [json.loads(line)["prediction_id"] for line in archive.lines("feedback", MODEL, NOW, NOW + 1)] == ["zr1.c"]
    assert len(client("s3").list_object_versions(Bucket="data")["Versions"]) == 1


def test_versions_are_listed_once_for_a_day_and_those_of_no_other_object_go(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, minutes in enumerate([-2, -1, 0, 20]):
        line = Kept(NOW + minutes * MINUTE_MS, json.dumps({"prediction_id": f"zr1.{number}"}))
        archive.keep("feedback", MODEL, sha256(str(number).encode()), [line])
    mine, other = keys()[1:], keys()[0]
    client("s3").put_object(Bucket="data", Key=other, Body=b"newer")
    listed: list[str] = []
    forget = DataBucket.forget_older

    def noted(bucket: DataBucket, folder: str, some: Any) -> None:
        listed.append(folder.rpartition("=")[2])
        forget(bucket, folder, some)

    monkeypatch.setattr(DataBucket, "forget_older", noted)
    assert archive.erase(mine, frozenset({"zr1.1", "zr1.3"})) == 2
    assert listed == ["2026-11-28/", "2026-11-29/"]
    left = [one["Key"] for one in client("s3").list_object_versions(Bucket="data")["Versions"]]
    assert (len(left), left.count(other)) == (5, 2)


@pytest.mark.parametrize(("start", "end"), [(-30, 0), (-60, -30), (-20, -10)])
def test_minutes_that_may_be_forgotten_are_not_told_as_lost(archive: Archive, start: int, end: int) -> None:
    hour = clock.now_ms() // MINUTE_MS // 60 * 60 - 8 * 1440 - 60
    store = MonitoringStore(Table("monitoring", DynamoSession()))  # type: ignore[arg-type] # what it calls of a session
    with pytest.raises(InvalidInput, match="8 days"):
        differences(store, archive, OneFrame(), MODEL, hour + start, hour + end)
    assert differences(store, archive, OneFrame(), MODEL, hour - 60, hour) == {}


def test_an_hour_that_began_when_minutes_are_forgotten_is_whole_or_none(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The minute that just went is the hour's first."""
    hour = clock.now_ms() // MINUTE_MS // 60 * 60
    monkeypatch.setattr(clock, "now_ms", lambda: hour * MINUTE_MS)
    store = MonitoringStore(Table("monitoring", DynamoSession()))  # type: ignore[arg-type] # what it calls of a session
    begun = hour - 8 * 1440
    with pytest.raises(InvalidInput, match="8 days"):
        differences(store, archive, OneFrame(), MODEL, begun, begun + 30)
    assert differences(store, archive, OneFrame(), MODEL, begun + 60, begun + 90) == {}


class OneFrame(Frames):
    def __init__(self) -> None:
        pass

    def get(self, _model_id: str, _version: int) -> Any:
        return FRAME


def test_a_delivery_that_came_again_in_other_pieces_is_told_by_counter(archive: Archive) -> None:
    store = MonitoringStore(Table("monitoring", DynamoSession()))  # type: ignore[arg-type] # what it calls of a session
    ingest = Ingest(store, archive, None)  # type: ignore[arg-type] # every line knows its model
    ingest._frames = OneFrame()
    made = list(predictions(40, random.Random(3), MODEL))
    for batch in batches(made, 10, random.Random(4)):
        ingest.take(batch)
    odd = json.loads(made[0].line)
    odd["predictions"][0] = {**odd["predictions"][0], "prediction_id": "zr1.odd", "features": ["no", "ids"]}
    assert ingest.take(Batch("g", "s", [LogEvent("odd", NOW, json.dumps(odd))])).aside == 1
    end = clock.now_ms() // MINUTE_MS + 1
    window = (MODEL, end - 120, end)
    assert differences(store, archive, ingest._frames, *window) == {}

    again = [LogEvent(one.receipt.id, one.receipt.time, one.line) for one in made[:7]]
    ingest.take(Batch("g", "s", again))
    more = differences(store, archive, ingest._frames, *window)
    receipts = [verify(json.loads(one.line)["predictions"][0]["prediction_id"], {KEY.kid: KEY}) for one in made[:7]]
    counted = {who: some["n"] for who, some in more.items()}
    assert counted == {
        who: n for who in [(1, "champion"), (2, "challenger")]
        if (n := sum((one.version, one.variant) == who for one in receipts))
    }  # fmt: skip
    assert all(value > 0 for some in more.values() for name, value in some.items() if not name.startswith("fs"))
