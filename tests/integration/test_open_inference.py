"""The Open Inference Protocol in the predict function, on moto."""

import json
from typing import Any

import pytest

from tests import models
from tests.integration.conftest import client
from tests.integration.test_predict import LARGE, MACHINE, SECRET, World, last_record
from tests.integration.test_predict import _world as _world  # noqa: PLC0414 - the fixture
from zeroloop.inference.receipts import Key, verify
from zeroloop.registry.service import Change, object_key

WORDS: dict[str, Any] = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["Wonderful.", "Dreadful."]}
KEYS = {"5f2b9a01": Key("5f2b9a01", SECRET.encode())}


def outputs(body: dict[str, Any]) -> dict[str, Any]:
    return {output["name"]: output["data"] for output in body["outputs"]}


def test_an_answer_is_that_of_the_friendly_protocol_in_tensors(world: World) -> None:
    status, body = world.infer("sentiment/infer", WORDS, id="42")
    assert status == 200
    assert (body["model_name"], body["model_version"], body["id"]) == ("sentiment", "1", "42")
    friendly = [world.ask("text", body=json.dumps({"text": text}))[1] for text in WORDS["data"]]
    assert outputs(body) == {
        "prediction": [answer["prediction"] for answer in friendly],
        "confidence": [answer["confidence"] for answer in friendly],
        "scores": [score for answer in friendly for score in answer["scores"].values()],
    }


def test_each_row_has_its_receipt_and_the_request_one_record(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _, body = world.infer("sentiment/infer", WORDS, parameters={"unit": "user-17", "slice": "web"})
    record = last_record(capsys)
    told = body["parameters"]["prediction_ids"].split(",")
    assert [prediction["prediction_id"] for prediction in record["predictions"]] == told
    receipts = [verify(prediction_id, KEYS) for prediction_id in told]
    assert [receipt.label for receipt in receipts] == outputs(body)["prediction"]
    assert {receipt.unit_hash for receipt in receipts} == {record["unit_hash"]}
    assert record["unit_hash"]
    assert {receipt.slice for receipt in receipts} == {record["slice"]} == {"web"}
    assert (record["status"], record["model"], record["version"]) == (200, "sentiment", 1)
    assert "user-17" not in json.dumps(record)


def test_one_row_has_one_receipt(world: World) -> None:
    _, body = world.infer("sentiment/infer", {**WORDS, "shape": [1, 1], "data": [["Wonderful."]]})
    assert verify(body["parameters"]["prediction_id"], KEYS).variant == body["parameters"]["variant"] == "champion"


def test_the_path_may_pin_a_version(world: World) -> None:
    world.promote("sentiment", world.register("sentiment", LARGE))
    world.predict.lineups.expire()
    for path, version, variant in (("infer", "2", "champion"), ("versions/1/infer", "1", "pinned")):
        _, body = world.infer(f"sentiment/{path}", WORDS)
        assert (body["model_version"], body["parameters"]["variant"]) == (version, variant)
    assert world.ask("v2_model")[1]["versions"] == ["2", "1"]
    assert world.ask("v2_model_version")[1]["versions"] == ["1"]


def test_a_unit_gets_the_version_that_the_friendly_protocol_gives_it(world: World) -> None:
    challenger = world.register("sentiment", LARGE)
    world.registry.challenge("sentiment", challenger, 0.5, Change(actor="test", at=0, reason="test"))
    world.predict.lineups.expire()
    for i in range(20):
        _, body = world.infer("sentiment/infer", WORDS, parameters={"unit": f"user-{i}"})
        _, friendly = world.ask("text", body=json.dumps({"text": "Fine.", "unit": f"user-{i}"}))
        assert body["model_version"] == str(friendly["model_version"])


def test_a_table_is_asked_by_column(world: World) -> None:
    world.promote("machine", world.register("machine", MACHINE))
    status, body = world.ask("v2_infer_columns")
    _, friendly = world.ask("features")
    assert status == 200
    assert outputs(body)["scores"] == list(friendly["scores"].values())


def test_tensors_go_in_and_come_out_by_name(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.promote("shop", world.register("shop", models.tensors(models.recommender())))
    user = {"name": "user", "shape": [1, 1], "datatype": "INT32", "data": [1]}
    numbers = {"name": "numbers", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 0.25]}
    status, body = world.infer("shop/infer", user, numbers, outputs=[{"name": "best"}])
    assert (status, outputs(body)) == (200, {"best": [1]})
    receipt = verify(body["parameters"]["prediction_id"], KEYS)
    assert (receipt.label, receipt.score) == (None, None)
    assert last_record(capsys)["predictions"][0]["score"] is None
    status, refused = world.infer("shop/infer", {**user, "data": [4]}, numbers)
    assert (status, refused["field"]) == (422, "inputs[0].data[0]")
    friendly = json.dumps({"inputs": models.USERS[0]})
    status, refused = world.ask("text", pathParameters={"model": "shop"}, body=friendly)
    assert (status, refused["field"]) == (422, "inputs")
    assert "answers tensors" in refused["message"]


def test_tensors_with_labels_are_answered_by_both_protocols(world: World) -> None:
    stated = {**models.signature("float32", (-1, 3)), "outputs": models.signature("float32")["outputs"]}
    cases: list[Any] = [{"instance": {"inputs": {"x": [0, 2, 2]}}, "scores": {"no": 0.62, "yes": 0.38}}] * 3
    about: dict[str, Any] = {
        "task": "multiclass",
        "labels": ["no", "yes"],
        "golden": {"tolerance": 0.1, "cases": cases},
    }
    world.promote("plain", world.register("plain", models.tensors(models.dense(), stated, [], **about)))
    status, friendly = world.ask("text", pathParameters={"model": "plain"}, body='{"inputs": {"x": [0, 2, 2]}}')
    assert (status, friendly["prediction"]) == (200, "no")
    x = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [0, 2, 2]}
    _, body = world.infer("plain/infer", x)
    assert outputs(body)["y"] == pytest.approx(list(friendly["scores"].values()), abs=1e-6)
    receipt = verify(body["parameters"]["prediction_id"], KEYS)
    assert (receipt.label, receipt.score) == (friendly["prediction"], friendly["confidence"])


@pytest.mark.parametrize(
    ("case", "changes", "status", "code"),
    [
        ("v2_infer", {"pathParameters": {"proxy": "models/nobody/infer"}}, 404, "unknown_model"),
        ("v2_infer", {"pathParameters": {"proxy": "models/sentiment/versions/9/infer"}}, 404, "unknown_version"),
        ("v2_infer", {"pathParameters": {"proxy": "models/sentiment/versions/x/infer"}}, 422, "invalid_input"),
        ("v2_infer", {"pathParameters": {"proxy": "models/%00/infer"}}, 422, "bad_name"),
        ("v2_infer", {"pathParameters": {"proxy": "models/sentiment"}}, 404, "no_route"),
        ("v2_infer", {"pathParameters": {"proxy": "models"}}, 404, "no_route"),
        ("v2_infer", {"pathParameters": {"proxy": "models/sentiment/infer/"}}, 404, "no_route"),
        ("v2_infer", {"pathParameters": {"proxy": "models/sentiment/versions/1"}}, 404, "no_route"),
        ("v2_infer", {"body": "{"}, 422, "not_json"),
        ("v2_infer", {"body": '{"inputs": [{"data": ' + "[" * 100_000}, 422, "too_deep"),
        ("v2_infer", {"body": json.dumps({"inputs": [WORDS], "model_name": "other"})}, 422, "invalid_input"),
        ("v2_model", {"pathParameters": {"proxy": "models/nobody"}}, 404, "unknown_model"),
        ("v2_model", {"pathParameters": {"proxy": "models/nobody/ready"}}, 404, "unknown_model"),
        ("v2_model", {"pathParameters": {"proxy": "models/sentiment/infer"}}, 404, "no_route"),
        ("v2_model", {"pathParameters": {"proxy": "health"}}, 404, "no_route"),
    ],
)
def test_a_refusal_has_the_shape_of_the_protocol(
    world: World, capsys: pytest.CaptureFixture[str], case: str, changes: dict[str, Any], status: int, code: str
) -> None:
    capsys.readouterr()
    got, body = world.ask(case, **changes)
    assert (got, body["code"]) == (status, code)
    assert isinstance(body["error"], str)
    lines = capsys.readouterr().out.splitlines()
    assert all(json.loads(line)["model"] for line in lines)
    assert [json.loads(line)["code"] for line in lines] == ([code] if case == "v2_infer" else [])


def test_bytes_behind_the_json_are_refused_with_what_to_set(world: World) -> None:
    status, body = world.ask("v2_binary")
    assert (status, body["field"]) == (422, "inputs")
    assert "binary_data=False" in body["error"]


def test_a_server_without_its_registry_is_live_and_not_ready(world: World) -> None:
    world.session.down = True
    assert world.ask("v2_live") == (200, {"live": True})
    status, body = world.ask("v2_ready")
    assert (status, body["code"]) == (503, "unavailable")


def test_a_model_that_can_not_be_had_is_a_fault_whoever_asks(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    version = world.registry.version("sentiment", 1)
    client("s3").put_object(Bucket="artifacts", Key=object_key(version, "model.tflite"), Body=b"other")
    assert world.ask("v2_model_ready")[1]["code"] == "corrupt_package"
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (record["status"], record["code"], record["Faults"]) == (500, "corrupt_package", 1)


def test_a_model_without_a_champion_is_not_ready(world: World) -> None:
    world.register("waiting", LARGE)
    status, body = world.ask("v2_model_ready", pathParameters={"proxy": "models/waiting/ready"})
    assert (status, body["code"]) == (409, "no_champion")
    pinned = {"proxy": "models/waiting/versions/1/ready"}
    assert world.ask("v2_model_ready", pathParameters=pinned) == (200, {"name": "waiting", "ready": True})


def test_a_bug_is_a_500_in_the_protocols_shape(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("secret detail")

    world.predict.predictor.infer = broken
    assert world.infer("sentiment/infer", WORDS) == (500, {"error": "an error of ours", "code": "internal"})
    assert "secret detail" in capsys.readouterr().err
