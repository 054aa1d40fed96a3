"""The predict function on moto: registry's own rows and objects, read through a stand-in for the signed session."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.aws_limits import check_answer, check_log_lines
from tests.integration.conftest import ROOT, Context, client, event
from zeroloop import clock
from zeroloop.digests import PackageFile, sha256
from zeroloop.errors import ModelFailed, NotFound, Unavailable
from zeroloop.inference import preprocessing
from zeroloop.inference.lineups import FRESH_SECONDS, STALE_SECONDS
from zeroloop.inference.receipts import Key, verify
from zeroloop.inference.requests import carried
from zeroloop.objects import Bucket
from zeroloop.registry.rules import Facts
from zeroloop.registry.service import Admissions, Change, Registry, object_key
from zeroloop.registry.store import RegistryStore

SMALL, LARGE = (ROOT / "examples/sentiment/packages" / size for size in ("small", "large"))
MACHINE = ROOT / "examples/tabular/packages/v1"
SECRET = "0123456789abcdef"
TEXT = {"name": "text", "datatype": "BYTES", "shape": [1], "data": ["fine"]}


class Session:
    """Answers as `signed.Session` does, from moto; `down` makes it fail as an outage does."""

    def __init__(self) -> None:
        self.down = False
        self.calls: list[str] = []

    def json(self, service: str, target: str, body: dict[str, Any], *, timeout: float) -> dict[str, Any]:
        self._note(target, timeout)
        if service == "secretsmanager":
            return {"VersionId": "5f2b9a01-0000", "SecretString": SECRET}
        answer: dict[str, Any] = client("dynamodb").get_item(**body)
        return answer

    def get_object(self, bucket: str, key: str, *, timeout: float) -> bytes:
        self._note(key, timeout)
        try:
            return bytes(client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())
        except client("s3").exceptions.NoSuchKey as error:
            raise NotFound(key) from error

    def _note(self, what: str, timeout: float) -> None:
        assert timeout > 0
        self.calls.append(what)
        if self.down:
            raise Unavailable("the table is on fire")


class World:
    """Predict, the registry behind it, and a clock in hand."""

    def __init__(self, predict: ModuleType) -> None:
        self.predict = predict
        self.session = Session()
        self.now = 1000.0
        predict.source._session = self.session
        predict.lineups._monotonic = lambda: self.now
        self.store = RegistryStore("registry")
        self.registry = Registry(self.store, Bucket("artifacts"), lambda *_: None, max_package_bytes=10_000_000)

    def register(self, name: str, package: Path | dict[str, bytes]) -> int:
        files = package if isinstance(package, dict) else {path.name: path.read_bytes() for path in package.iterdir()}
        manifest = [PackageFile(path, sha256(data), len(data)) for path, data in files.items()]
        version = self.registry.register(name, manifest, actor="test", at=0).version
        for path, data in files.items():
            client("s3").put_object(Bucket="artifacts", Key=object_key(version, path), Body=data)
        Admissions(self.store).admit(version, Facts())
        return version.version

    def promote(self, name: str, number: int) -> None:
        self.registry.promote(name, number, Change(actor="test", at=0, reason="test"))

    def ask(self, case: str, **changes: Any) -> tuple[int, dict[str, Any]]:
        sent = {**event("predict", case), **changes}
        answer = self.predict.lambda_handler(sent, Context())
        return answer["statusCode"], json.loads(answer["body"])

    def infer(self, path: str, *inputs: dict[str, Any], **fields: Any) -> tuple[int, dict[str, Any]]:
        """POST /v2/models/`path`, by the Open Inference Protocol."""
        body = json.dumps({"inputs": inputs, **fields})
        return self.ask("v2_infer", pathParameters={"proxy": f"models/{path}"}, body=body)


def configured(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    settings = {
        "RECEIPT_SECRET": "receipts", "MAX_WARM_MEGABYTES": "600", "LOG_SHARE": "1", "LOG_INSTANCES": "false"
    }  # fmt: skip
    for name, value in {**settings, **changes}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(name="world")
def _world(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> World:
    configured(monkeypatch)
    world = World(load("predict"))
    world.promote("sentiment", world.register("sentiment", SMALL))
    return world


def last_record(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return dict(json.loads(capsys.readouterr().out.splitlines()[-1]))


def test_an_answer_carries_a_receipt_that_verifies(world: World) -> None:
    status, body = world.ask("text")
    assert status == 200
    receipt = verify(body["prediction_id"], {"5f2b9a01": Key("5f2b9a01", SECRET.encode())})
    assert (receipt.label, receipt.score, receipt.version) == (body["prediction"], body["confidence"], 1)
    assert receipt.unit_hash is None


def test_a_unit_is_in_the_receipt_as_a_hash_only(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _, body = world.ask("instances")
    receipt = verify(body["predictions"][0]["prediction_id"], {"5f2b9a01": Key("5f2b9a01", SECRET.encode())})
    record = last_record(capsys)
    assert receipt.unit_hash
    assert record["unit_hash"] == receipt.unit_hash
    assert "user-17" not in json.dumps(record)


def test_a_request_writes_one_record_and_no_text_of_its_caller(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    _, body = world.ask("text")
    lines = capsys.readouterr().out.splitlines()
    record = json.loads(lines[-1])
    assert len(lines) == 1
    assert (record["status"], record["model"], record["version"]) == (200, "sentiment", 1)
    assert record["predictions"][0]["prediction_id"] == body["prediction_id"]
    assert "wonderful" not in lines[-1]


def test_the_record_keeps_features_and_a_digest_and_the_instance_only_if_told_to(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.ask("text")
    [kept] = last_record(capsys)["predictions"]
    assert kept.keys() == {"prediction_id", "label", "score", "input_digest", "features"}
    assert len(kept["features"]) == 4
    world.predict.predictor._log_instances = True
    world.ask("text")
    assert last_record(capsys)["predictions"][0]["instance"] == "A wonderful, moving film."


def test_a_slice_is_in_the_receipt_and_in_the_record(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _, body = world.ask("text", body=json.dumps({"text": "a good film", "slice": "country=DE"}))
    receipt = verify(body["prediction_id"], {"5f2b9a01": Key("5f2b9a01", SECRET.encode())})
    assert receipt.slice == last_record(capsys)["slice"] == "country=DE"


def test_a_receipt_says_everything_that_feedback_needs(world: World) -> None:
    _, body = world.ask("text", body=json.dumps({"text": "a good film", "slice": "s", "unit": "user-17"}))
    receipt = verify(body["prediction_id"], {"5f2b9a01": Key("5f2b9a01", SECRET.encode())})
    empty = {name for name in receipt.__struct_fields__ if getattr(receipt, name) in {None, ""}}
    assert empty == {"test_id"}  # no test runs


def test_a_share_of_the_answered_requests_is_told_and_every_refused_one(
    load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configured(monkeypatch, LOG_SHARE="0")
    world = World(load("predict"))
    world.promote("sentiment", world.register("sentiment", SMALL))
    world.ask("text")
    assert last_record(capsys).keys() == {"request_id", "model", "_aws", "Latency", "Faults", "Version"}
    world.ask("empty_text")
    refused = last_record(capsys)
    assert (refused["status"], refused["code"], refused["weight"]) == (422, "invalid_input", 1)


def test_a_warm_model_costs_no_call_while_the_lineup_is_fresh(world: World) -> None:
    world.ask("text")
    world.session.calls.clear()
    world.now += FRESH_SECONDS
    assert world.ask("text")[0] == 200
    assert world.session.calls == []


def test_a_new_champion_answers_once_the_lineup_is_read_anew(world: World) -> None:
    world.ask("text")
    world.promote("sentiment", world.register("sentiment", LARGE))
    world.now += FRESH_SECONDS + 0.1
    assert world.ask("text")[1]["model_version"] == 2


def test_an_outage_serves_the_stale_lineup_and_counts_it_after_30_seconds(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.ask("text")
    world.session.down = True
    world.now += STALE_SECONDS - 1
    assert world.ask("text")[0] == 200
    assert "LineupStale" not in last_record(capsys)
    world.now += 5
    assert world.ask("text")[0] == 200
    assert last_record(capsys)["LineupStale"] == 1
    world.session.down = False
    world.now += FRESH_SECONDS + 0.1
    assert world.ask("text")[0] == 200
    assert "LineupStale" not in last_record(capsys)


def test_an_outage_at_the_first_request_is_told_as_passing(world: World) -> None:
    world.session.down = True
    assert (world.ask("text")[0], world.ask("text")[1]["code"]) == (503, "unavailable")


def test_bytes_that_changed_never_reach_the_interpreter(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    version = world.registry.version("sentiment", 1)
    client("s3").put_object(Bucket="artifacts", Key=object_key(version, "model.tflite"), Body=b"other")
    assert world.ask("text")[1]["code"] == "corrupt_package"
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["Faults"] == 1
    assert "Traceback" in err


def test_columns_are_predicted_by_the_same_code(world: World) -> None:
    world.promote("machine", world.register("machine", MACHINE))
    status, body = world.ask("features")
    assert status == 200
    assert len(body["scores"]) == 3


def test_the_most_instances_fit_their_lines_and_their_answer(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    body = json.dumps({"instances": ["A wonderful, moving film."] * 1000})
    status, answer = world.ask("text", body=body)
    lines = capsys.readouterr().out.splitlines()
    check_log_lines(lines)
    check_answer(0.0, status, json.dumps(answer).encode())
    records = [json.loads(line) for line in lines]
    told = [prediction["prediction_id"] for record in records for prediction in record["predictions"]]
    assert told == [prediction["prediction_id"] for prediction in answer["predictions"]]


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ("{", 422, "not_json", "body"),
        ('{"text": NaN}', 422, "not_json", "body"),
        ({"text": "x" * 100_000}, 422, "invalid_input", "text"),
        ({}, 422, "invalid_input", "text"),
        ({"text": ""}, 422, "invalid_input", "text"),
        ({"text": "  \n"}, 422, "invalid_input", "text"),
        ({"text": 7}, 422, "invalid_input", "text"),
        ({"text": None}, 422, "invalid_input", "text"),
        ({"text": "fine", "instances": []}, 422, "invalid_input", "text"),
        ({"features": {"a": 1}}, 422, "invalid_input", "features"),
        ({"instances": []}, 422, "invalid_input", "instances"),
        ({"instances": ["fine"] * 1001}, 422, "invalid_input", "instances"),
        ({"instances": ["fine", 7]}, 422, "invalid_input", "instances[1]"),
        ({"text": "fine", "other": 1}, 422, "invalid_input", "other"),
        ({"text": "fine", "unit": 7}, 422, "invalid_input", "unit"),
        ({"text": "fine", "version": "1"}, 422, "invalid_input", "version"),
        ({"text": "fine", "version": 0}, 422, "invalid_input", "version"),
        ({"text": "fine", "version": 9}, 404, "unknown_version", "version"),
    ],
)
def test_bad_input_is_told_what_is_wrong(world: World, body: Any, status: int, code: str, field: str) -> None:
    got, answer = world.ask("text", body=body if isinstance(body, str) else json.dumps(body))
    assert (got, answer["code"], answer["field"]) == (status, code, field)


@pytest.mark.parametrize("name", ["x" * 3000, "%00", "..%2Fetc", ""])
def test_a_name_that_no_model_can_have_costs_no_read(world: World, name: str) -> None:
    status, body = world.ask("text", pathParameters={"model": name})
    assert (status, body["code"], body["field"]) == (422, "bad_name", "model")
    assert world.session.calls == []


def test_a_failing_model_is_counted_as_its_own_fault(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.ask("text")

    def broken(*_: Any) -> None:
        raise ModelFailed("it broke")

    world.predict.models.get(world.registry.model("sentiment").model_id, 1).model.answers = broken
    capsys.readouterr()
    status, body = world.ask("text")
    record = last_record(capsys)
    assert (status, body["code"]) == (500, "model_failed")
    assert (record["model_id"], record["version"], record["variant"]) == (
        world.registry.model("sentiment").model_id, 1, "champion"
    )  # fmt: skip
    assert record["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["model"], ["model", "Version"]]


def test_a_version_that_this_stack_can_not_load_is_a_fault_of_ours(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preprocessing, "digest", lambda *_: "f" * 64)
    status, body = world.ask("text")
    assert (status, body["code"]) == (500, "unservable")
    assert last_record(capsys)["Faults"] == 1


def test_a_manifest_that_is_not_the_registered_one_is_not_believed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = world.registry.version("sentiment", 1)
    forged = replace(version, files=[file._replace(size=file.size + 1) for file in version.files])
    monkeypatch.setattr(world.predict.source, "ready", lambda *_: forged)
    assert world.ask("text")[1]["code"] == "corrupt_package"


def test_a_pinned_version_that_does_not_exist_makes_no_metric_of_its_own(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps({"text": "fine", "version": 77_777})
    assert world.ask("pinned", body=body)[1]["code"] == "unknown_version"
    record = last_record(capsys)
    assert "Version" not in record
    assert record["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["model"]]
    assert (record["version"], record["variant"]) == (None, "pinned")
    assert world.infer("sentiment/versions/77777/infer", TEXT)[0] == 404
    assert last_record(capsys)["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["model"]]
    assert world.ask("pinned", body=json.dumps({"text": "fine", "version": 1}))[0] == 200
    assert last_record(capsys)["Version"] == "1"


def test_the_latency_is_that_of_the_request(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    started = clock.monotonic()
    world.ask("text")
    taken = (clock.monotonic() - started) * 1000
    assert 0 < last_record(capsys)["latency_ms"] <= taken


def test_a_package_that_is_gone_is_a_fault_of_ours(world: World) -> None:
    version = world.registry.version("sentiment", 1)
    client("s3").delete_object(Bucket="artifacts", Key=object_key(version, "model.tflite"))
    assert world.ask("text")[1]["code"] == "corrupt_package"


def test_an_answer_over_what_lambda_carries_is_refused_and_told_as_such(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, body = world.ask("text")
    monkeypatch.setattr(world.predict, "MAX_CARRIED_BYTES", carried(msgspec.json.encode(body)))
    assert world.ask("text")[0] == 200  # receipts are of one length
    monkeypatch.setattr(world.predict, "MAX_CARRIED_BYTES", carried(msgspec.json.encode(body)) - 10)
    for case in ("text", "v2_infer"):
        status, body = world.ask(case)
        record = last_record(capsys)
        assert (status, body["code"]) == (record["status"], record["code"]) == (422, "too_large")
        assert record["predictions"] == []


def test_what_was_not_answered_is_not_in_the_record(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> None:
        raise RuntimeError("behind the receipts")

    monkeypatch.setattr(world.predict, "_encoded", broken)
    assert world.ask("text")[0] == 500
    assert last_record(capsys)["predictions"] == []


def test_a_bug_is_a_500_without_details(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret detail")

    world.predict.predictor.predict = broken
    status, body = world.ask("text")
    written = capsys.readouterr()
    assert (status, body["code"]) == (500, "internal")
    assert "secret detail" not in json.dumps(body) + written.out
    assert "secret detail" in written.err


@pytest.mark.parametrize(
    ("case", "status", "code"),
    [
        ("text", 200, None),
        ("instances", 200, None),
        ("pinned", 200, None),
        ("features", 404, "unknown_model"),
        ("empty_text", 422, "invalid_input"),
        ("not_json", 422, "not_json"),
        ("unknown_model", 404, "unknown_model"),
        ("v2_server", 200, None),
        ("v2_live", 200, None),
        ("v2_ready", 200, None),
        ("v2_model", 200, None),
        ("v2_model_version", 200, None),
        ("v2_model_ready", 200, None),
        ("v2_model_version_ready", 200, None),
        ("v2_no_route", 404, "no_route"),
        ("v2_infer", 200, None),
        ("v2_infer_version", 200, None),
        ("v2_infer_columns", 404, "unknown_model"),
        ("v2_binary", 422, "invalid_input"),
    ],
)
def test_each_event_is_answered(world: World, case: str, status: int, code: str | None) -> None:
    got, body = world.ask(case)
    assert (got, body.get("code")) == (status, code)


def test_every_event_is_among_them() -> None:
    assert {path.stem for path in (ROOT / "events/predict").glob("*.json")} == {
        "text", "instances", "pinned", "features", "empty_text", "not_json", "unknown_model",
        "v2_server", "v2_live", "v2_ready", "v2_model", "v2_model_version", "v2_model_ready", "v2_model_version_ready",
        "v2_no_route", "v2_infer", "v2_infer_version", "v2_infer_columns", "v2_binary",
    }  # fmt: skip
