"""Predicting by both protocols, on a lineup that changes with every request."""

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, cast

import pytest
from msgspec.structs import replace

from tests import models
from zeroloop.errors import InvalidInput, Unavailable
from zeroloop.inference.keys import SigningKey
from zeroloop.inference.lineups import FRESH_SECONDS, Lineups
from zeroloop.inference.model import Model, Result
from zeroloop.inference.receipts import Key, verify
from zeroloop.inference.record import LogRecord, Shadow
from zeroloop.inference.requests import PredictRequest
from zeroloop.inference.service import Predictor, present, present_inferred
from zeroloop.inference.v2 import InferRequest, Input, Parameters, Wanted
from zeroloop.inference.warm import Served, WarmModels
from zeroloop.registry.rules import Arm, Lineup, State, Version
from zeroloop.registry.rules import Test as Running

MODEL_ID = "m-0123456789abcdef"
KEY = Key("5f2b9a01", b"secret")
FEATURES = {"a": 0.0, "b": 2.0, "c": 2.0}
REGRESSION: dict[str, Any] = {"scored": ["value"], "task": "regression", "labels": []}
MODELS = {
    number: Model(models.package(models.dense(outputs=1, activation="LOGISTIC", bias=bias), **REGRESSION))
    for number, bias in ((1, 0.0), (2, 1.0), (3, -1.0))
}
ANSWERS = {number: model.predict([FEATURES], [""])[0].prediction for number, model in MODELS.items()}


def load(model_id: str, number: int) -> Served:
    version = Version(
        model_id=model_id, version=number, version_id=f"20261122000000-{number:08}", digest="0" * 64, files=[],
        created_at=0, created_by="test", state=State.READY,
    )  # fmt: skip
    return Served(version, MODELS[number])


def restless() -> Predictor:
    """A promotion or a canary comes between any two requests."""
    moments, revisions, one = itertools.count(step=FRESH_SECONDS + 1), itertools.count(), threading.Lock()

    def lineup(model_id: str, _timeout: float) -> Lineup:
        with one:
            revision = next(revisions)
        champion, challenger = 1 + revision % 3, 1 + (revision + 1) % 3
        return Lineup(
            model_id=model_id, model="m", champion=champion, challenger=challenger, traffic=0.5, revision=revision
        )

    def monotonic() -> float:
        with one:
            return next(moments)

    lineups = Lineups(lambda *_: MODEL_ID, lineup, monotonic=monotonic, on_stale=lambda _: None)
    return Predictor(lineups, WarmModels(load, 10**9), SigningKey(lambda: KEY, monotonic=lambda: 0.0))


def test_every_answer_comes_from_one_version_while_the_lineup_changes() -> None:
    predictor = restless()
    columns = [Input(name, [1], "FP64", [value]) for name, value in FEATURES.items()]

    def friendly(record: LogRecord) -> tuple[int, float, str]:
        body = present(*predictor.predict("m", PredictRequest(features=FEATURES), record), record, many=False)
        return body["model_version"], body["prediction"], body["prediction_id"]

    def open_inference(record: LogRecord) -> tuple[int, float, str]:
        request = InferRequest(columns)
        served, outputs = predictor.infer("m", None, request, record)
        body = present_inferred(served, record, request, outputs)
        return int(body["model_version"]), body["outputs"][0]["data"][0], body["parameters"]["prediction_id"]

    def ask(i: int) -> int:
        record = LogRecord(time=i, request_id=f"r{i}", model="m", status=200, latency_ms=0.0)
        version, prediction, prediction_id = (friendly, open_inference)[i % 2](record)
        receipt = verify(prediction_id, {KEY.kid: KEY})
        assert prediction == ANSWERS[version] == receipt.score
        assert (receipt.version, record.version, receipt.variant) == (version, version, record.variant)
        return version

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(1000))) == {1, 2, 3}


def shadowed(number: int) -> Predictor:
    """Version 1 answers everybody, and version `number` scores beside it."""
    arm = Arm(variant="treatment", version=number, first=0, last=9999)
    test = Running(test_id="t", salt="a", coverage_salt="b", coverage=1.0, shadow=True, arms=[arm])
    lineup = Lineup(model_id=MODEL_ID, model="m", champion=1, test=test)
    lineups = Lineups(lambda *_: MODEL_ID, lambda *_: lineup, monotonic=lambda: 0.0, on_stale=lambda _: None)
    return Predictor(lineups, WarmModels(load, 10**9), SigningKey(lambda: KEY, monotonic=lambda: 0.0))


def ask_both_ways(predictor: Predictor, unit: str | None) -> list[LogRecord]:
    """The records of a friendly request and one of the open protocol, both answered by version 1."""
    records = [LogRecord(time=1, request_id=f"r{i}", model="m", status=200, latency_ms=0.0) for i in range(2)]
    asked = PredictRequest(instances=[{"features": FEATURES}] * 2, unit=unit)
    told = present(*predictor.predict("m", asked, records[0]), records[0], many=True)
    assert [one["prediction"] for one in told["predictions"]] == [ANSWERS[1]] * 2
    columns = [Input(name, [1], "FP64", [value]) for name, value in FEATURES.items()]
    served, outputs = predictor.infer("m", None, InferRequest(columns, parameters=Parameters(unit=unit)), records[1])
    assert (served.version.version, outputs[0]["data"][0]) == (1, ANSWERS[1])
    return records


def test_a_shadow_scores_the_same_instances_and_answers_nobody() -> None:
    for record in ask_both_ways(shadowed(2), "user-1"):
        assert (record.variant, record.version, record.test_id) == ("control", 1, "t")
        assert {told.shadow for told in record.predictions} == {Shadow(2, None, ANSWERS[2])}  # type: ignore[arg-type]
        [receipt, *_] = [verify(told.prediction_id, {KEY.kid: KEY}) for told in record.predictions]
        assert (receipt.version, receipt.variant, receipt.test_id) == (1, "control", "t")


def test_without_a_unit_no_shadow_scores() -> None:
    for record in ask_both_ways(shadowed(2), None):
        assert (record.variant, record.test_id) == ("control", None)
        assert {told.shadow for told in record.predictions} == {None}


def test_a_shadow_that_fails_is_told_in_the_log_and_to_nobody_else() -> None:
    def broken(model_id: str, number: int) -> Served:
        if number == 2:
            raise Unavailable("its bytes are out of reach")
        return load(model_id, number)

    predictor = shadowed(2)
    predictor._models = WarmModels(broken, 10**9)
    for record in ask_both_ways(predictor, "user-1"):
        assert {told.shadow for told in record.predictions} == {Shadow(2, code="unavailable")}
        assert record.code is None


def test_a_bug_in_a_shadow_is_told_in_the_log_and_fails_no_request(capsys: pytest.CaptureFixture[str]) -> None:
    def broken(model_id: str, number: int) -> Served:
        if number == 2:
            raise RuntimeError("a bug of ours")
        return load(model_id, number)

    predictor = shadowed(2)
    predictor._models = WarmModels(broken, 10**9)
    for record in ask_both_ways(predictor, "user-1"):
        assert {told.shadow for told in record.predictions} == {Shadow(2, code="internal")}
        assert record.code is None
    assert "a bug of ours" in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["predict", "infer"])
def test_a_shadow_of_more_scores_than_memory_holds_is_not_run(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [f"label-{i:04}" for i in range(2_000)]
    monkeypatch.setitem(MODELS, 2, Model(models.package(models.dense(outputs=2_000), labels=labels, scored=labels)))
    record = LogRecord(time=1, request_id="r", model="m", status=200, latency_ms=0.0)
    predictor = shadowed(2)
    if asked == "predict":
        predictor.predict("m", PredictRequest(instances=[{"features": FEATURES}] * 1000, unit="user-1"), record)
    else:
        columns = [Input(name, [1000], "FP64", [value] * 1000) for name, value in FEATURES.items()]
        predictor.infer("m", None, InferRequest(columns, parameters=Parameters(unit="user-1")), record)
    assert {told.shadow for told in record.predictions} == {Shadow(2, code="too_large")}


def spied(copied: list[tuple[int, list[int]]], number: int, run: Any, inputs: Any, wanted: list[int]) -> Any:
    copied.append((number, wanted))
    return run(inputs, wanted)


def test_of_a_shadow_only_the_answer_is_copied_out_of_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = {"tolerance": 1, "cases": []}
    about: dict[str, Any] = {"task": "binary", "labels": ["a", "b"], "answer": "sums", "golden": cases}
    copied: list[tuple[int, list[int]]] = []
    for number in (1, 2):
        model = Model(models.tensors(models.recommender(), **about))
        monkeypatch.setitem(MODELS, number, model)
        monkeypatch.setattr(model, "_run", partial(spied, copied, number, model._run))
    given = [Input("user", [1, 1], "INT32", [3]), Input("numbers", [1, 2], "FP32", [0.5, 0.25])]
    for wanted, places in (([], [0, 1]), ([Wanted("best")], [0, 1]), ([Wanted("sums")], [0])):
        copied.clear()
        record = LogRecord(time=1, request_id="r", model="m", status=200, latency_ms=0.0)
        request = InferRequest(given, outputs=wanted, parameters=Parameters(unit="user-1"))
        shadowed(2).infer("m", None, request, record)
        assert copied == [(1, places), (2, [0])]


def test_what_could_not_be_answered_is_refused_by_v2_before_it_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [f"label-{i:04}" for i in range(2_000)]
    wide = Model(models.package(models.dense(outputs=2_000), labels=labels, scored=labels))
    monkeypatch.setitem(MODELS, 1, wide)
    monkeypatch.setattr(wide, "_run", lambda *_: pytest.fail("it was run"))
    columns = [Input(name, [1000], "FP64", [value] * 1000) for name, value in FEATURES.items()]
    record = LogRecord(time=1, request_id="r", model="m", status=200, latency_ms=0.0)
    with pytest.raises(InvalidInput, match="at most 500 rows"):
        shadowed(2).infer("m", None, InferRequest(columns), record)


def test_an_answer_that_is_not_the_first_output_needs_not_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = json.loads(models.echo(["int32", "float32"])["package.json"])["signature"]
    about: dict[str, Any] = {"task": "binary", "labels": ["a", "b"], "answer": "y_float32"}
    files = models.tensors(
        models.identities(("int32", "float32")), stated, [], golden={"tolerance": 1, "cases": []}, **about
    )
    monkeypatch.setitem(MODELS, 1, Model(files))
    given = [Input("x_int32", [1, 2], "INT32", [1, 0]), Input("x_float32", [1, 2], "FP32", [0.25, 0.75])]
    record = LogRecord(time=1, request_id="r", model="m", status=200, latency_ms=0.0)
    _, outputs = shadowed(1).infer("m", None, InferRequest(given, outputs=[Wanted("y_int32")]), record)
    assert [(one["name"], one["data"]) for one in outputs] == [("y_int32", [1, 0])]
    assert [(told.label, told.score) for told in record.predictions] == [("b", 0.75)]


def test_a_shadow_that_answers_another_number_of_instances_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = MODELS[2]

    class Short:
        size, held, package = whole.size, whole.held, whole.package

        @staticmethod
        def answers(values: list[Any], where: list[str]) -> Result:
            found = whole.answers(values, where)
            return replace(found, answers=found.answers[1:])

    monkeypatch.setitem(MODELS, 2, cast("Model", Short))
    record = LogRecord(time=1, request_id="r", model="m", status=200, latency_ms=0.0)
    asked = PredictRequest(instances=[{"features": FEATURES}] * 2, unit="user-1")
    assert len(shadowed(2).predict("m", asked, record)[1]) == 2
    assert [told.shadow for told in record.predictions] == [Shadow(2, code="internal")] * 2


def test_more_instances_than_an_answer_holds_are_refused_before_they_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = [f"label-{i:04}" for i in range(400)]
    wordy = Model(models.package(models.dense(outputs=400), labels=labels, scored=labels))
    monkeypatch.setitem(MODELS, 1, wordy)
    record = LogRecord(time=1, request_id="r", model="m", status=200, latency_ms=0.0)
    asked = PredictRequest(instances=[{"features": FEATURES}] * 1000)
    with pytest.raises(InvalidInput, match="at most"):
        shadowed(2).predict("m", asked, record)
