"""Ingest on moto: predict's own lines, as CloudWatch Logs delivers them."""

import gzip
import json
from base64 import b64encode
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.integration.conftest import Context, client, event
from tests.integration.test_predict import MACHINE, SMALL, World, configured
from zeroloop import clock
from zeroloop.dynamo import Table
from zeroloop.errors import InvalidInput
from zeroloop.inference.receipts import Key, verify
from zeroloop.monitoring import lines

SECRET = Key("5f2b9a01", b"0123456789abcdef")


def delivered(*messages: str, first: int = 0, **fields: Any) -> dict[str, Any]:
    """The subscription's event of these lines; their ids are by their place, from `first`."""
    log = [{"id": f"{first + i:056}", "timestamp": 1795380650548, "message": m} for i, m in enumerate(messages)]
    batch = {"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": log, **fields}
    return {"awslogs": {"data": b64encode(gzip.compress(json.dumps(batch).encode())).decode()}}


class Ingested(World):
    """Predict, and ingest behind its log."""

    def __init__(self, predict: ModuleType, ingest: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(predict)
        self.ingest = ingest
        ingest.registered._session = self.session
        self._capsys = capsys

    def lines(self, case: str = "text", **changes: Any) -> list[str]:
        """What predict logs of a request."""
        self._capsys.readouterr()
        self.ask(case, **changes)
        return [line for line in self._capsys.readouterr().out.splitlines() if "zl.prediction.v1" in line]

    def take(self, *messages: str, **fields: Any) -> dict[str, Any]:
        taken: dict[str, Any] = self.ingest.lambda_handler(delivered(*messages, **fields), Context())
        return taken

    def window(self, line: str) -> dict[tuple[int, str], Any]:
        record = json.loads(line)
        minute = record["time"] // 60_000
        model_id = (
            record["model_id"] or self.session.json("dynamodb", "", _name(record), timeout=1)["Item"]["model_id"]["S"]
        )
        return dict(self.ingest.ingest._store.window(model_id, minute, minute + 1))

    def objects(self, prefix: str) -> dict[str, list[dict[str, Any]]]:
        found = client("s3").list_objects_v2(Bucket="data", Prefix=prefix).get("Contents", [])
        bodies = {
            entry["Key"]: client("s3").get_object(Bucket="data", Key=entry["Key"])["Body"].read() for entry in found
        }
        return {
            key: [json.loads(line) for line in gzip.decompress(body).decode().split("\n")[:-1]]
            for key, body in bodies.items()
        }


def _name(record: dict[str, Any]) -> dict[str, Any]:
    return {"TableName": "registry", "Key": {"pk": {"S": f"NAME#{record['model']}"}, "sk": {"S": "NAME"}}}


@pytest.fixture(name="world")
def _world(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ingested:
    configured(monkeypatch)
    world = Ingested(load("predict"), load("ingest"), capsys)
    world.promote("sentiment", world.register("sentiment", SMALL))
    return world


def test_a_prediction_becomes_counts_and_a_line_of_the_archive(world: Ingested) -> None:
    [line] = world.lines()
    assert world.take(line) == {"lines": 1, "nobodys": 0, "aside": 0, "repeated": False}

    [(who, counts)] = world.window(line).items()
    assert who == (1, "champion")
    assert (counts.n, counts.requests, counts.labels) == (1, {"200": 1000}, {"positive": 1})
    assert counts.features["length"].n == 1
    assert sum(counts.tokens) > 0
    [(key, kept)] = world.objects("predictions/").items()
    record = json.loads(line)
    assert key.startswith(f"predictions/model={record['model_id']}/dt={clock.iso(record['time'])[:10]}/")
    assert kept == [record]


def test_the_recorded_event_is_counted(world: Ingested) -> None:
    taken = world.ingest.lambda_handler(event("ingest", "lines"), Context())
    assert (taken["aside"], taken["repeated"]) == (0, False)
    assert taken["lines"] > 1


def test_a_delivery_that_comes_again_changes_nothing(world: Ingested) -> None:
    [line] = world.lines()
    assert [world.take(line, line)["repeated"] for _ in range(3)] == [False, True, True]
    assert world.window(line)[1, "champion"].n == 2
    assert len(world.objects("predictions/")) == 1


def test_a_line_within_a_delivery_counts_once(world: Ingested) -> None:
    [line] = world.lines()
    twice = lines.read(delivered(line))
    twice.log_events *= 2
    assert world.ingest.ingest.take(twice).lines == 1
    assert world.window(line)[1, "champion"].n == 1


def test_a_poison_line_stops_no_other(world: Ingested) -> None:
    [line] = world.lines()
    record = json.loads(line)
    record["predictions"][0]["features"] = ["no", "ids"]
    poison = ['{"schema": "zl.prediction.v1"', '{"schema":"zl.prediction.v1","time":"now"}', json.dumps(record)]
    taken = world.take(line, *poison, line)
    assert (taken["aside"], taken["repeated"]) == (3, False)
    assert world.window(line)[1, "champion"].n == 2
    [aside] = world.objects("aside/").values()
    assert [one["message"] for one in aside] == poison
    assert all(one["reason"] for one in aside)


def test_what_failed_before_a_version_was_known_is_the_models_all_the_same(world: Ingested) -> None:
    [line] = world.lines(body="{")
    assert json.loads(line)["model_id"] is None
    assert world.take(line)["nobodys"] == 0
    assert world.window(line)[0, ""].requests == {"422": 1000}


def test_requests_to_no_model_are_kept_and_nobodys(world: Ingested) -> None:
    [line] = world.lines("unknown_model")
    assert world.take(line) == {"lines": 1, "nobodys": 1, "aside": 0, "repeated": False}
    assert [key.split("/")[1] for key in world.objects("predictions/")] == ["model=unknown"]


def test_versions_of_one_delivery_are_counted_apart(world: Ingested) -> None:
    [text] = world.lines()
    world.promote("machine", world.register("machine", MACHINE))
    [row] = world.lines("features")
    world.take(text, row)
    assert world.window(row)[1, "champion"].features["torque"].n == 1
    assert world.window(text)[1, "champion"].features["length"].n == 1


def test_a_subscriptions_own_test_is_no_line(world: Ingested) -> None:
    taken = world.take("CWL CONTROL MESSAGE: Checking health of destination", messageType="CONTROL_MESSAGE")
    assert taken == {"lines": 0, "nobodys": 0, "aside": 0, "repeated": False}


def test_a_delivery_that_fails_is_whole_when_it_comes_again(world: Ingested, monkeypatch: pytest.MonkeyPatch) -> None:
    [line] = world.lines()
    with monkeypatch.context() as broken:
        broken.setattr(Table, "write", lambda *_: (_ for _ in ()).throw(TimeoutError))
        with pytest.raises(TimeoutError):
            world.take(line)
    assert not world.take(line)["repeated"]
    assert world.window(line)[1, "champion"].n == 1


@pytest.mark.parametrize("bad", [{}, {"awslogs": {"data": "?"}}, {"awslogs": {"data": b64encode(b"{}").decode()}}])
def test_what_is_no_delivery_fails_and_so_ends_in_the_queue(world: Ingested, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        world.ingest.lambda_handler(bad, Context())


def test_a_truncated_delivery_fails_too(world: Ingested) -> None:
    whole = b64encode(gzip.compress(b"{}")[:-4]).decode()
    with pytest.raises(InvalidInput):
        world.ingest.lambda_handler({"awslogs": {"data": whole}}, Context())


def test_predictions_are_erased_and_stay_so(world: Ingested) -> None:
    one, two = world.lines("instances")[0], world.lines()[0]
    world.take(one, two)
    [(key, _)] = world.objects("predictions/").items()
    gone = json.loads(one)["predictions"][0]["prediction_id"]
    assert world.ingest.ingest._archive.erase([key], frozenset({gone})) == 1

    [kept] = world.objects("predictions/").values()
    left = [prediction["prediction_id"] for line in kept for prediction in line["predictions"]]
    assert len(left) == len(json.loads(one)["predictions"])
    assert gone not in left
    versions = client("s3").list_object_versions(Bucket="data", Prefix=key)["Versions"]
    assert len(versions) == 1
    world.take(one, two)  # the delivery comes again
    assert world.objects("predictions/") == {key: kept}


def test_receipts_and_records_tell_the_same_time(world: Ingested) -> None:
    """So that a label lands in the minute that its prediction was counted in."""
    [line] = world.lines()
    record = json.loads(line)
    receipt = verify(record["predictions"][0]["prediction_id"], {SECRET.kid: SECRET})
    assert (receipt.time, receipt.version, receipt.variant) == (record["time"], record["version"], record["variant"])
