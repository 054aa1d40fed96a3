"""Predicting by both protocols, on a lineup that changes with every request."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests import models
from zeroloop.inference.keys import SigningKey
from zeroloop.inference.lineups import FRESH_SECONDS, Lineups
from zeroloop.inference.model import Model
from zeroloop.inference.receipts import Key, verify
from zeroloop.inference.record import LogRecord
from zeroloop.inference.requests import PredictRequest
from zeroloop.inference.service import Predictor, present, present_inferred
from zeroloop.inference.v2 import InferRequest, Input
from zeroloop.inference.warm import Served, WarmModels
from zeroloop.registry.rules import Lineup, State, Version

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
        body = present(predictor.predict("m", PredictRequest(features=FEATURES), record), record, many=False)
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
