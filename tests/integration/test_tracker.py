"""The tracker on moto, call by call, as the gateway sends them."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.conftest import Context, DynamoSession, event
from zeroloop.tracking.rules import Run

NOBODY = "0" * 32


class Tracker:
    """The function behind its routes."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.session = DynamoSession()
        module.table._session = self.session

    def send(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        sent = event("tracker", "create_run")
        sent["requestContext"]["http"].update(method=method, path=path)
        sent.update(rawPath=path, rawQueryString=urlencode(query, doseq=True), body=None)
        if body is not None:
            sent["body"] = json.dumps(body)
        answer = self.module.lambda_handler(sent, Context())
        return answer["statusCode"], json.loads(answer["body"])

    def post(self, path: str, **body: Any) -> Any:
        status, answer = self.send("POST", f"/api/2.0/mlflow/{path}", body)
        assert status == 200, answer
        return answer

    def get(self, path: str, **query: Any) -> Any:
        status, answer = self.send("GET", f"/api/2.0/mlflow/{path}", None, **query)
        assert status == 200, answer
        return answer

    def refused(self, path: str, **body: Any) -> tuple[int, str, str]:
        status, answer = self.send("POST", f"/api/2.0/mlflow/{path}", body)
        return status, answer["error_code"], answer["message"]

    def run(self, experiment_id: str = "0", **fields: Any) -> str:
        run_id: str = self.post("runs/create", experiment_id=experiment_id, **fields)["run"]["info"]["run_id"]
        return run_id

    def data(self, run_id: str) -> dict[str, Any]:
        data = self.get("runs/get", run_id=run_id)["run"]["data"]
        named = {kind: {pair["key"]: pair["value"] for pair in data.get(kind, [])} for kind in ("params", "tags")}
        return {**named, "metrics": {metric["key"]: metric for metric in data.get("metrics", [])}}

    def found(self, asked: str = "", experiment_ids: Any = ("0",), **search: Any) -> list[str]:
        answer = self.post("runs/search", experiment_ids=list(experiment_ids), filter=asked, **search)
        return [run["info"]["run_name"] for run in answer.get("runs", [])]


@pytest.fixture(name="tracker")
def _tracker(load: Callable[[str], ModuleType]) -> Tracker:
    return Tracker(load("tracker"))


def test_the_default_experiment_is_there_without_any_set_up(tracker: Tracker) -> None:
    found = tracker.get("experiments/get", experiment_id="0")["experiment"]

    assert (found["name"], found["lifecycle_stage"]) == ("Default", "active")
    assert tracker.get("experiments/get-by-name", experiment_name="Default")["experiment"] == found
    assert tracker.post("experiments/search", max_results=5)["experiments"] == [found]


def test_a_run_shows_what_it_logged(tracker: Tracker) -> None:
    run_id = tracker.run(run_name="first", user_id="ada", start_time=5, tags=[{"key": "a", "value": "1"}])
    tracker.post("runs/log-parameter", run_id=run_id, key="lr", value="0.1")
    tracker.post("runs/log-metric", run_id=run_id, key="loss", value=0.5, timestamp=7, step=1)
    tracker.post("runs/set-tag", run_id=run_id, key="b", value="")
    tracker.post("runs/update", run_id=run_id, status="FINISHED", end_time=9)

    run = tracker.get("runs/get", run_uuid=run_id)["run"]

    assert run["info"] == {
        "run_uuid": run_id,
        "run_id": run_id,
        "experiment_id": "0",
        "run_name": "first",
        "user_id": "ada",
        "status": "FINISHED",
        "start_time": 5,
        "end_time": 9,
        "artifact_uri": f"s3://artifacts/artifacts/0/{run_id}/artifacts",
        "lifecycle_stage": "active",
    }
    assert run["data"] == {
        "metrics": [{"key": "loss", "value": 0.5, "timestamp": 7, "step": 1}],
        "params": [{"key": "lr", "value": "0.1"}],
        "tags": [
            {"key": "a", "value": "1"},
            {"key": "mlflow.runName", "value": "first"},
            {"key": "b", "value": ""},
        ],
    }
    assert (run["inputs"], run["outputs"]) == ({}, {})


def test_a_param_is_logged_once_for_all(tracker: Tracker) -> None:
    run_id = tracker.run()
    for _ in range(2):
        tracker.post("runs/log-parameter", run_id=run_id, key="lr", value="0.1")

    status, code, message = tracker.refused("runs/log-parameter", run_id=run_id, key="lr", value="0.2")

    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert "0.1" in message
    assert tracker.data(run_id)["params"] == {"lr": "0.1"}


@pytest.mark.parametrize(
    ("points", "latest"),
    [
        ([(1, 10, 0.5), (0, 20, 9.0)], (1, 10, 0.5)),
        ([(1, 10, 0.5), (1, 9, 9.0)], (1, 10, 0.5)),
        ([(1, 10, 0.5), (1, 10, 0.4)], (1, 10, 0.5)),
        ([(1, 10, 0.5), (1, 10, "NaN")], (1, 10, 0.5)),
        ([(1, 10, "NaN"), (1, 10, -1.0)], (1, 10, -1.0)),
        ([(-3, 10, 0.5), (-4, 11, 0.5)], (-3, 10, 0.5)),
        ([(0, 0, "-Infinity"), (0, 0, "Infinity")], (0, 0, "Infinity")),
    ],
)
def test_the_latest_point_is_the_greatest_whatever_came_first(
    tracker: Tracker, points: list[Any], latest: tuple[int, int, Any]
) -> None:
    for order in (points, points[::-1]):
        run_id = tracker.run()
        for step, timestamp, value in order:
            tracker.post("runs/log-metric", run_id=run_id, key="m", step=step, timestamp=timestamp, value=value)

        found = tracker.data(run_id)["metrics"]["m"]

        assert (found["step"], found["timestamp"], found["value"]) == latest


def test_a_metric_takes_two_round_trips_and_a_batch_of_a_hundred_no_more(tracker: Tracker) -> None:
    run_id = tracker.run()
    tracker.session.calls.clear()

    tracker.post("runs/log-metric", run_id=run_id, key="m", step=1, timestamp=1, value=1)
    assert sum(tracker.session.calls.values()) == 2

    tracker.session.calls.clear()
    metrics = [{"key": f"m{number}", "value": number, "timestamp": 1} for number in range(100)]
    params = [{"key": f"p{number}", "value": "1"} for number in range(100)]
    tracker.post("runs/log-batch", run_id=run_id, metrics=metrics, params=params, tags=params)
    assert sum(tracker.session.calls.values()) == 2
    assert len(tracker.data(run_id)["metrics"]) == 101


def test_a_thousand_points_are_one_item_of_history(tracker: Tracker) -> None:
    run_id = tracker.run()
    metrics = [{"key": f"m{number % 10}", "value": number, "timestamp": 1, "step": number} for number in range(1000)]

    tracker.post("runs/log-batch", run_id=run_id, metrics=metrics)

    rows = list(tracker.module.table.query(f"HISTORY#{run_id}"))
    assert len(rows) == 1
    history = tracker.get("metrics/get-history", run_id=run_id, metric_key="m3")["metrics"]
    assert [point["value"] for point in history] == list(range(3, 1000, 10))


def test_history_pages_hold_every_point_once_in_order(tracker: Tracker) -> None:
    run_id = tracker.run()
    sent = [(timestamp % 7, step) for timestamp, step in zip(range(40), range(40, 0, -1), strict=True)]
    for start in range(0, 40, 8):
        some = [{"key": "m", "value": 0, "timestamp": t, "step": s} for t, s in sent[start : start + 8]]
        for _ in range(2):
            tracker.post("runs/log-batch", run_id=run_id, metrics=some)

    found, token, pages = [], "", 0
    while pages == 0 or token:
        page = tracker.get("metrics/get-history", run_id=run_id, metric_key="m", max_results=7, page_token=token)
        assert len(page["metrics"]) <= 7
        found += [(point["timestamp"], point["step"]) for point in page["metrics"]]
        token, pages = page.get("next_page_token", ""), pages + 1

    assert found == sorted(sent)
    assert pages == 6


def test_what_is_too_large_for_an_item_goes_on_in_parts(tracker: Tracker) -> None:
    run_id = tracker.run()
    for start in range(0, 200, 100):
        params = [{"key": f"p{number}", "value": "x" * 6000} for number in range(start, start + 100)]
        tracker.post("runs/log-batch", run_id=run_id, params=params)
    tracker.post("runs/set-tag", run_id=run_id, key="t", value="1")
    tracker.post("runs/log-metric", run_id=run_id, key="m", step=1, timestamp=1, value=1)

    assert len(tracker.data(run_id)["params"]) == 200
    assert tracker.found("params.p150 LIKE 'x%' AND tags.t = '1' AND metrics.m = 1")
    assert tracker.refused("runs/log-parameter", run_id=run_id, key="p150", value="y")[0] == 400
    tracker.post("runs/delete-tag", run_id=run_id, key="t")
    assert "t" not in tracker.data(run_id)["tags"]


def test_metrics_too_many_for_an_item_go_on_in_parts(tracker: Tracker) -> None:
    run_id = tracker.run()
    for start in range(0, 3000, 1000):
        metrics = [
            {"key": f"{number:04}" + "k" * 200, "value": number, "timestamp": 1}
            for number in range(start, start + 1000)
        ]
        tracker.post("runs/log-batch", run_id=run_id, metrics=metrics)
    tracker.post("runs/log-metric", run_id=run_id, key="2999" + "k" * 200, value=5, timestamp=2)
    tracker.post("runs/log-metric", run_id=run_id, key="new", value=6, timestamp=2)

    found = tracker.data(run_id)["metrics"]

    assert len(found) == 3001
    assert found["2999" + "k" * 200]["value"] == 5
    assert tracker.found("metrics.new = 6")


def test_a_refused_batch_writes_nothing(tracker: Tracker) -> None:
    run_id = tracker.run()
    tracker.post("runs/log-parameter", run_id=run_id, key="p", value="1")

    status, code, _ = tracker.refused(
        "runs/log-batch",
        run_id=run_id,
        metrics=[{"key": "m", "value": 1, "timestamp": 1}],
        params=[{"key": "q", "value": "1"}, {"key": "p", "value": "2"}],
        tags=[{"key": "t", "value": "1"}],
    )

    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    data = tracker.data(run_id)
    assert (data["params"], data["metrics"]) == ({"p": "1"}, {})
    assert "t" not in data["tags"]
    assert tracker.get("metrics/get-history", run_id=run_id, metric_key="m") == {}


def test_a_deleted_run_is_read_and_not_written(tracker: Tracker) -> None:
    run_id = tracker.run(run_name="r")
    tracker.post("runs/delete", run_id=run_id)
    tracker.post("runs/delete", run_id=run_id)

    assert tracker.get("runs/get", run_id=run_id)["run"]["info"]["lifecycle_stage"] == "deleted"
    point: dict[str, Any] = {"key": "m", "value": 1, "timestamp": 1}
    writes: dict[str, dict[str, Any]] = {
        "log-metric": point,
        "log-batch": {"metrics": [point]},
        "log-parameter": {"key": "p", "value": "1"},
        "set-tag": {"key": "p", "value": "1"},
        "update": {"status": "FAILED"},
    }
    for path, body in writes.items():
        assert tracker.refused(f"runs/{path}", run_id=run_id, **body)[:2] == (400, "INVALID_PARAMETER_VALUE")
    assert tracker.found() == []
    assert tracker.found(run_view_type="DELETED_ONLY") == ["r"]

    tracker.post("runs/restore", run_id=run_id)
    tracker.post("runs/log-metric", run_id=run_id, **point)
    assert tracker.found() == ["r"]


def test_an_experiment_is_deleted_and_restored_with_its_runs(tracker: Tracker) -> None:
    experiment_id = tracker.post("experiments/create", name="e")["experiment_id"]
    kept, gone = tracker.run(experiment_id, run_name="kept"), tracker.run(experiment_id, run_name="gone")
    tracker.post("runs/delete", run_id=gone)

    tracker.post("experiments/delete", experiment_id=experiment_id)

    assert tracker.get("runs/get", run_id=kept)["run"]["info"]["lifecycle_stage"] == "deleted"
    assert tracker.found(experiment_ids=[experiment_id]) == []
    assert tracker.refused("runs/create", experiment_id=experiment_id)[0] == 400
    assert tracker.refused("runs/set-tag", run_id=kept, key="a", value="b")[0] == 400
    assert tracker.refused("experiments/create", name="e")[1] == "RESOURCE_ALREADY_EXISTS"
    assert tracker.refused("experiments/delete", experiment_id=experiment_id)[0] == 404

    tracker.post("experiments/restore", experiment_id=experiment_id)

    assert sorted(tracker.found(experiment_ids=[experiment_id])) == ["gone", "kept"]
    tracker.post("runs/log-metric", run_id=gone, key="m", value=1, timestamp=1)
    assert tracker.data(gone)["metrics"]["m"]["value"] == 1


def test_names_of_experiments_are_unique_and_change(tracker: Tracker) -> None:
    one = tracker.post("experiments/create", name="one", tags=[{"key": "a", "value": "b"}])["experiment_id"]
    tracker.post("experiments/create", name="two")

    assert tracker.refused("experiments/update", experiment_id=one, new_name="two")[0] == 400
    tracker.post("experiments/update", experiment_id=one, new_name="three")

    assert tracker.get("experiments/get-by-name", experiment_name="three")["experiment"]["experiment_id"] == one
    assert tracker.post("experiments/create", name="one")["experiment_id"] != one
    assert tracker.refused("experiments/create", name="Default")[1] == "RESOURCE_ALREADY_EXISTS"


def test_runs_are_searched_ordered_and_paged(tracker: Tracker) -> None:
    experiment_id = tracker.post("experiments/create", name="s")["experiment_id"]
    for number in range(12):
        run_id = tracker.run(experiment_id, run_name=f"r{number:02}", start_time=number)
        tracker.post(
            "runs/log-batch",
            run_id=run_id,
            metrics=[{"key": "loss", "value": abs(5 - number), "timestamp": 1}] if number % 3 else [],
            params=[{"key": "even", "value": str(number % 2 == 0)}],
            tags=[{"key": "n", "value": str(number)}],
        )
    here = [experiment_id]

    assert tracker.found(experiment_ids=here)[:3] == ["r11", "r10", "r09"]
    assert tracker.found("metrics.loss < 2", here) == ["r05", "r04"]
    assert tracker.found("params.even = 'True' and tags.n LIKE '1%'", here) == ["r10"]
    ordered = tracker.found("", here, order_by=["metrics.loss ASC"])
    assert ordered[:2] == ["r05", "r04"]
    paged, token = [], None
    for _ in range(5):
        answer = tracker.post(
            "runs/search", experiment_ids=here, order_by=["metrics.loss ASC"], max_results=3, page_token=token
        )
        paged += [run["info"]["run_name"] for run in answer.get("runs", [])]
        token = answer.get("next_page_token")
        if not token:
            break
    assert paged == ordered
    other = tracker.refused(
        "runs/search", experiment_ids=here, max_results=3, page_token=answer.get("next_page_token") or "bm8"
    )
    assert other[0] == 400


def test_inputs_and_outputs_are_shown_with_their_runs(tracker: Tracker) -> None:
    run_id = tracker.run(run_name="i")
    dataset = {"name": "iris", "digest": "d1", "source_type": "local", "source": "{}", "profile": "x" * 500_000}
    entry = {"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
    for _ in range(2):
        tracker.post("runs/log-inputs", run_id=run_id, datasets=[entry], models=[{"model_id": "m-1"}])
    tracker.post("runs/outputs", run_id=run_id, models=[{"model_id": "m-2", "step": 3}])

    run = tracker.get("runs/get", run_id=run_id)["run"]

    assert run["inputs"] == {"dataset_inputs": [entry], "model_inputs": [{"model_id": "m-1"}]}
    assert run["outputs"] == {"model_outputs": [{"model_id": "m-2", "step": 3}]}
    assert tracker.found("dataset.name = 'iris' AND dataset.context = 'training'") == ["i"]
    assert tracker.post("experiments/search-datasets", experiment_ids=["0"]) == {
        "dataset_summaries": [{"experiment_id": "0", "name": "iris", "digest": "d1", "context": "training"}]
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("runs/log-metric", {"run_id": NOBODY, "key": "m", "value": 1, "timestamp": 1}, 404, "RESOURCE_DOES_NOT_EXIST"),
        (
            "runs/log-metric",
            {"run_id": "../etc", "key": "m", "value": 1, "timestamp": 1},
            404,
            "RESOURCE_DOES_NOT_EXIST",
        ),
        ("runs/log-batch", {"run_id": NOBODY}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("runs/create", {"experiment_id": "77"}, 404, "RESOURCE_DOES_NOT_EXIST"),
        ("runs/create", {"experiment_id": "abc"}, 400, "INVALID_PARAMETER_VALUE"),
        ("runs/search", {"experiment_ids": ["0"], "max_results": 0}, 400, "INVALID_PARAMETER_VALUE"),
        ("runs/search", {"experiment_ids": ["0", "abc"]}, 400, "INVALID_PARAMETER_VALUE"),
        ("runs/search", {"experiment_ids": ["0"], "filter": "nonsense"}, 400, "INVALID_PARAMETER_VALUE"),
        ("runs/search", {"experiment_ids": ["0"], "page_token": "x"}, 400, "INVALID_PARAMETER_VALUE"),
        ("experiments/search", {}, 400, "INVALID_PARAMETER_VALUE"),
        ("no/such/call", {}, 404, "ENDPOINT_NOT_FOUND"),
    ],
)
def test_what_cannot_be_is_refused_in_mlflows_words(
    tracker: Tracker, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    assert tracker.refused(path, **body)[:2] == (status, code)


def test_a_run_that_changes_meanwhile_is_read_again(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = tracker.run()
    store, save = tracker.module.store, tracker.module.store.save_run
    others = iter(["first", "second"])

    def meddle(before: Run, after: Run, points: Any = None) -> None:
        if (other := next(others, None)) is not None:
            monkeypatch.setattr(store, "save_run", save)
            tracker.module.tracking.set_tag(run_id, other, "1")
            monkeypatch.setattr(store, "save_run", meddle)
        save(before, after, points)

    monkeypatch.setattr(store, "save_run", meddle)
    tracker.post("runs/set-tag", run_id=run_id, key="mine", value="1")

    assert {"first", "second", "mine"} <= tracker.data(run_id)["tags"].keys()


def test_a_logged_model_is_what_was_said_of_it(tracker: Tracker) -> None:
    run_id = tracker.run()
    made = tracker.post(
        "logged-models",
        experiment_id="0",
        name="lm",
        model_type="t",
        source_run_id=run_id,
        params=[{"key": "p", "value": "1"}],
        tags=[{"key": "t", "value": "1"}],
    )["model"]
    model_id = made["info"]["model_id"]
    here = f"/api/2.0/mlflow/logged-models/{model_id}"

    assert made["info"]["status"] == "LOGGED_MODEL_PENDING"
    assert made["info"]["artifact_uri"] == f"s3://artifacts/artifacts/0/models/{model_id}/artifacts"
    status, ready = tracker.send("PATCH", here, {"model_id": model_id, "status": "LOGGED_MODEL_READY"})
    assert (status, ready["model"]["info"]["status"]) == (200, "LOGGED_MODEL_READY")
    assert tracker.send("PATCH", f"{here}/tags", {"tags": [{"key": "a/b c", "value": "2"}]}) == (200, {})
    assert tracker.send("DELETE", f"{here}/tags/t", {}) == (200, {})
    assert tracker.send("DELETE", f"{here}/tags/t", {})[0] == 404
    assert (
        tracker.send("POST", f"{here}/params", {"model_id": model_id, "params": [{"key": "q", "value": "2"}]})[0] == 200
    )
    assert (
        tracker.send("POST", f"{here}/params", {"model_id": model_id, "params": [{"key": "q", "value": "3"}]})[0] == 400
    )
    for step in (2, 1):
        tracker.post(
            "runs/log-metric",
            run_id=run_id,
            key="acc",
            value=step,
            timestamp=5,
            step=step,
            model_id=model_id,
            dataset_name="d",
        )

    model = tracker.send("GET", here)[1]["model"]

    assert model["info"]["tags"] == [{"key": "a/b c", "value": "2"}]
    assert {param["key"] for param in model["data"]["params"]} == {"p", "q"}
    point = {
        "key": "acc",
        "value": 2.0,
        "timestamp": 5,
        "step": 2,
        "model_id": model_id,
        "run_id": run_id,
        "dataset_name": "d",
    }
    assert model["data"]["metrics"] == [point]
    assert tracker.data(run_id)["metrics"]["acc"]["value"] == 2


def test_logged_models_are_searched(tracker: Tracker) -> None:
    run_id = tracker.run()
    for number in range(3):
        made = tracker.post("logged-models", experiment_id="0", name=f"m{number}")["model"]["info"]["model_id"]
        tracker.post(
            "runs/log-metric",
            run_id=run_id,
            key="a",
            value=number,
            timestamp=1,
            model_id=made,
            dataset_name=f"d{number}",
        )

    def found(**search: Any) -> list[str]:
        answer = tracker.post("logged-models/search", experiment_ids=["0"], **search)
        return [model["info"]["name"] for model in answer.get("models", [])]

    assert found(filter="metrics.a > 0", order_by=[{"field_name": "metrics.a", "ascending": False}]) == ["m2", "m1"]
    assert found(filter="metrics.a >= 0", datasets=[{"dataset_name": "d1"}]) == ["m1"]
    assert found(datasets=[{"dataset_name": "d2"}]) == ["m2"]
    assert found(filter="name = 'm0'") == ["m0"]
    assert tracker.refused("logged-models/search", experiment_ids=["0"], datasets=[{"dataset_digest": "x"}])[0] == 400


def test_a_metric_of_a_model_that_is_not_there_is_refused_and_not_written(tracker: Tracker) -> None:
    run_id = tracker.run()

    status, code, _ = tracker.refused(
        "runs/log-metric", run_id=run_id, key="a", value=1, timestamp=1, model_id=f"m-{NOBODY}"
    )

    assert (status, code) == (400, "INVALID_PARAMETER_VALUE")
    assert tracker.data(run_id)["metrics"] == {}


def test_a_deleted_logged_model_is_not_found(tracker: Tracker) -> None:
    model_id = tracker.post("logged-models", experiment_id="0")["model"]["info"]["model_id"]
    here = f"/api/2.0/mlflow/logged-models/{model_id}"

    assert [tracker.send("DELETE", here, {})[0] for _ in range(2)] == [200, 200]
    assert tracker.send("GET", here)[1]["error_code"] == "RESOURCE_DOES_NOT_EXIST"
    assert tracker.post("logged-models/search", experiment_ids=["0"]) == {}
