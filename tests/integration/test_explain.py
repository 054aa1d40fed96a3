"""The explain function on moto, beside predict: the same versions, the same refusals, the same scores."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests import models
from tests.integration.conftest import Context, event
from tests.integration.test_predict import MACHINE, SMALL, World, configured
from zeroloop import telemetry

TABLE = {"columns": [{"name": name, "type": "numeric", "mean": 0.0, "std": 1.0} for name in ("a", "b")]}
COUNTED = {"schema_version": 1, "n": 2, "features": {"a": {"n": 2, "sum": 6000}}}


class Explained(World):
    """A world whose function is explain."""

    def ask(self, case: str, **changes: Any) -> tuple[int, dict[str, Any]]:
        answer = self.predict.lambda_handler({**event("explain", case), **changes}, Context())
        return answer["statusCode"], json.loads(answer["body"])

    def about(self, model: str, **body: Any) -> tuple[int, dict[str, Any]]:
        return self.ask("text", rawPath=f"/explain/{model}", body=json.dumps(body))


@pytest.fixture(name="world")
def _world(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Explained:
    configured(monkeypatch)
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "explain")
    world = Explained(load("explain"))
    world.promote("sentiment", world.register("sentiment", SMALL))
    world.promote("machine", world.register("machine", MACHINE))
    world.promote("users", world.register("users", models.tensors(models.recommender())))
    return world


def test_a_text_is_explained_token_by_token_with_the_score_that_predict_gives(
    world: Explained, load: Callable[[str], ModuleType]
) -> None:
    status, body = world.ask("text")
    assert status == 200
    assert [part["token"] for part in body["attributions"]] == ["a", "wonderful", "moving", "film"]
    assert max(body["attributions"], key=lambda part: part["attribution"])["token"] == "wonderful"
    predict = World(load("predict"))
    _, whole = predict.ask("text")
    assert (body["label"], body["score"]) == (whole["prediction"], whole["confidence"])
    for same in ("prediction", "model", "model_version", "version_id", "variant"):
        assert body[same] == whole[same]
    _, without = predict.ask("text", body=json.dumps({"text": "A moving film."}))
    added = round(whole["confidence"] - without["scores"][whole["prediction"]], 6)
    assert body["attributions"][1]["attribution"] == pytest.approx(added, abs=1e-9)


def test_the_answer_says_how_complete_it_is_and_what_it_left_out(world: Explained) -> None:
    _, body = world.about("sentiment", text=" ".join(["good"] * 70))
    told = body["completeness"]
    assert told["sum"] == pytest.approx(sum(part["attribution"] for part in body["attributions"]), abs=1e-9)
    assert told["difference"] == pytest.approx(body["score"] - body["baseline"]["score"], abs=1e-9)
    assert told["gap"] == pytest.approx(told["difference"] - told["sum"], abs=1e-9)
    assert (body["limits"]["parts"], body["limits"]["explained"]) == (64, 64)  # this model reads no more


def test_features_are_explained_for_the_label_that_is_asked_for(world: Explained) -> None:
    status, body = world.ask("features")
    assert status == 200
    assert body["label"] == "overheating"
    assert body["prediction"] == "healthy"
    assert body["score"] < 0.5
    assert [(part["feature"], part["from"]) for part in body["attributions"]] == [
        ("temperature", "baseline"), ("torque", "baseline"), ("quality", "baseline")
    ]  # fmt: skip


def test_a_linear_model_is_explained_exactly_against_its_baseline(world: Explained) -> None:
    files = {**models.regression(TABLE, (0.5, -2.0), 1.0), "baseline.json": json.dumps(COUNTED).encode()}
    world.promote("linear", world.register("linear", files))
    _, body = world.about("linear", features={"a": 5, "b": 0.25})
    assert body["attributions"] == [
        {"feature": "a", "from": "baseline", "mean": 3.0, "attribution": 1.0},
        {"feature": "b", "from": "package", "mean": 0.0, "attribution": -0.5},
    ]
    assert (body["prediction"], body["label"], body["score"], body["baseline"]["score"]) == (3.0, None, 3.0, 2.5)
    assert body["completeness"] == {"sum": 0.5, "difference": 0.5, "gap": 0.0}


def test_a_pinned_version_is_the_one_explained(world: Explained) -> None:
    world.register("sentiment", models.package(models.dense(3, 2, dtype="int32"), kind="hashed_ngrams"))
    _, body = world.about("sentiment", text="good", version=2)
    assert (body["model_version"], body["variant"]) == (2, "pinned")


def test_it_asks_for_no_key_and_reads_a_version_once(world: Explained) -> None:
    world.ask("features")
    seen = [call.rpartition("/")[2] for call in world.session.calls]
    assert "secretsmanager.GetSecretValue" not in seen
    assert {"package.json", "model.tflite", "baseline.json"} <= set(seen)
    world.session.calls.clear()
    world.ask("features")
    assert world.session.calls == []


@pytest.mark.parametrize(
    ("model", "body", "status", "code", "field"),
    [
        ("sentiment", {}, 422, "invalid_input", "text"),
        ("sentiment", {"features": {}}, 422, "invalid_input", "features"),
        ("sentiment", {"text": "good", "features": {}}, 422, "invalid_input", "features"),
        ("sentiment", {"text": " "}, 422, "invalid_input", "text"),
        ("sentiment", {"text": None}, 422, "invalid_input", "text"),
        ("sentiment", {"instances": ["good"]}, 422, "invalid_input", "instances"),
        ("sentiment", {"text": "good", "label": "great"}, 422, "invalid_input", "label"),
        ("sentiment", {"text": "good", "label": ""}, 422, "invalid_input", "label"),
        ("sentiment", {"text": "good", "version": 0}, 422, "invalid_input", "version"),
        ("sentiment", {"text": "good", "version": 9}, 404, "unknown_version", "version"),
        ("machine", {"features": {"torque": 1}}, 422, "invalid_input", "features.quality"),
        ("users", {"features": {}}, 422, "not_explainable", "model"),
        ("nobody", {"text": "good"}, 404, "unknown_model", "model"),
        ("-", {"text": "good"}, 422, "bad_name", "model"),
    ],
)
def test_refusals(world: Explained, model: str, body: Any, status: int, code: str, field: str) -> None:
    got, refusal = world.about(model, **body)
    assert (got, refusal["code"], refusal["field"]) == (status, code, field)


def test_an_outage_before_anything_is_known_is_503_and_the_log_has_its_cause(
    world: Explained, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[Any] = []
    monkeypatch.setattr(telemetry.logger, "error", lambda _what, exc_info: logged.append(exc_info))
    world.session.down = True
    assert world.ask("text")[0] == 503
    assert [str(error) for error in logged] == ["the table is on fire"]
