"""The tracker at its bounds: what is too large, too long, gone or nonsense, and what others write meanwhile."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.conftest import client
from tests.integration.test_tracker import NOBODY, Tracker
from zeroloop import clock
from zeroloop.errors import Unavailable
from zeroloop.tracking import parts, searching
from zeroloop.tracking.service import NewRun

DAY_MS = 86_400_000
HAN = "\u6f22"


@pytest.fixture(name="tracker")
def _tracker(load: Callable[[str], ModuleType]) -> Tracker:
    return Tracker(load("tracker"))


@pytest.fixture(name="expiring")
def _expiring(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Tracker:
    monkeypatch.setenv("DELETED_RUNS_DAYS", "1")
    return Tracker(load("tracker"))


def later(monkeypatch: pytest.MonkeyPatch, tracker: Tracker, days: float) -> None:
    now = clock.now_ms() + int(days * DAY_MS)
    monkeypatch.setattr(clock, "now_ms", lambda: now)
    monkeypatch.setattr(tracker.module.store, "_now_ms", lambda: now)


def point(key: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "value": 1, "timestamp": 1, **fields}


def test_metrics_that_outgrew_a_part_one_by_one_survive_a_change_of_their_run(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = tracker.run()
    for number in range(60):
        tracker.post("runs/log-metric", run_id=run_id, **point(f"m{number}"))
    monkeypatch.setattr(parts, "ROOM", 900)

    tracker.post("runs/delete", run_id=run_id)
    tracker.post("runs/restore", run_id=run_id)

    assert len(tracker.data(run_id)["metrics"]) == 60


def test_a_change_is_held_against_the_rows_that_were_read_whatever_their_order(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROOM", 100)
    sizes = {"a": 45, "b": 25, "c": 55, "d": 5, "e": 55, "f": 5}  # d would fit behind b, and f behind c
    params = {key: key * size for key, size in sizes.items()}
    run_id = tracker.run(run_name="r")
    tracker.post("runs/log-batch", run_id=run_id, params=[{"key": k, "value": v} for k, v in params.items()])
    read = tracker.module.table._get_batch

    def turned(keys: Any) -> Any:  # DynamoDB promises no order of a map's entries
        found = read(keys)
        for row in found:
            for name in ("params", "tags"):
                row[name] = dict(reversed(list(row.get(name, {}).items())))
        return found

    monkeypatch.setattr(tracker.module.table, "_get_batch", turned)
    tracker.post("runs/set-tag", run_id=run_id, key="t", value="1")

    assert tracker.data(run_id)["params"] == params


def test_a_thing_that_is_written_to_while_its_parts_are_read_is_read_again(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROOM", 200)
    run_id = tracker.run()
    pairs = [{"key": f"p{number}", "value": "x" * 50} for number in range(9)]
    tracker.post("runs/log-batch", run_id=run_id, params=pairs)
    read, reads = tracker.module.table._get_batch, iter([False, True])

    def meddled(keys: Any) -> Any:
        if next(reads, False):
            monkeypatch.setattr(tracker.module.table, "_get_batch", read)
            tracker.post("runs/set-tag", run_id=run_id, key="other", value="y" * 150)
        return read(keys)

    monkeypatch.setattr(tracker.module.table, "_get_batch", meddled)
    run = tracker.module.tracking.run(run_id)

    assert (len(run.params), run.tags["other"]) == (9, "y" * 150)


def test_an_item_that_is_full_of_metrics_goes_on_in_parts(tracker: Tracker) -> None:
    run_id = tracker.run()
    for batch in range(15):
        metrics = [point(f"{batch}_{number}".ljust(240, HAN)) for number in range(40)]
        tracker.post("runs/log-batch", run_id=run_id, metrics=metrics)

    assert len(tracker.data(run_id)["metrics"]) == 600


def test_history_of_long_keys_takes_several_items(tracker: Tracker) -> None:
    run_id = tracker.run()
    keys = [f"{number}".ljust(250, HAN) for number in range(1000)]

    tracker.post("runs/log-batch", run_id=run_id, metrics=[point(key) for key in keys])

    assert len(list(tracker.module.table.query(f"HISTORY#{run_id}"))) == 3
    assert tracker.get("metrics/get-history", run_id=run_id, metric_key=keys[999])["metrics"][0]["value"] == 1


def test_more_than_a_run_holds_is_refused_and_not_written(tracker: Tracker) -> None:
    run_id = tracker.run()
    for batch in range(4):
        pairs = [{"key": f"p{batch}_{number}", "value": "x" * 6000} for number in range(100)]
        status, answer = tracker.send("POST", "/api/2.0/mlflow/runs/log-batch", {"run_id": run_id, "params": pairs})

    assert (status, answer["error_code"]) == (413, "INVALID_PARAMETER_VALUE")
    assert len(tracker.data(run_id)["params"]) == 300
    tracker.post("runs/set-tag", run_id=run_id, key="a", value="b")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("experiments/create", {"name": "e", "tags": [{"key": f"t{n}", "value": "x" * 4000} for n in range(100)]}),
        ("runs/create", {"experiment_id": "0", "user_id": "x" * 500_000}),
        ("logged-models", {"experiment_id": "0", "model_type": "x" * 500_000}),
    ],
)
def test_what_no_item_holds_is_refused(tracker: Tracker, path: str, body: dict[str, Any]) -> None:
    status, code, _ = tracker.refused(path, **body)
    assert (status in {400, 413}, code) == (True, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("token", ["garbage", "|00", "#|", "0" * 16 + "#" + "0" * 16 + "|00", "x" * 5000])
def test_a_history_page_begins_at_no_token_but_ours(tracker: Tracker, token: str) -> None:
    run_id = tracker.run()
    query = {"run_id": run_id, "metric_key": "m", "page_token": token}
    assert tracker.send("GET", "/api/2.0/mlflow/metrics/get-history", None, **query)[0] == 400


def test_a_page_of_history_fits_into_an_answer_however_long_the_key(tracker: Tracker) -> None:
    run_id, key = tracker.run(), HAN * 250
    for start in range(0, 6000, 1000):
        metrics = [point(key, step=step, timestamp=step) for step in range(start, start + 1000)]
        tracker.post("runs/log-batch", run_id=run_id, metrics=metrics)

    page = tracker.get("metrics/get-history", run_id=run_id, metric_key=key)

    assert len(msgspec.json.encode(page)) < 6_000_000
    assert len(page["metrics"]) < 6000
    rest = tracker.get("metrics/get-history", run_id=run_id, metric_key=key, page_token=page["next_page_token"])
    assert [p["step"] for p in page["metrics"] + rest["metrics"]] == list(range(6000))


QUOTES = '{"a": "b"}' * 600
"""6,000 characters, each fourth of which takes four bytes in Lambda's answer."""


def answered(tracker: Tracker, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
    """The call's status and answer, which is one that Lambda could have given."""
    status, answer = tracker.send(method, path, body, **query)
    whole = json.dumps({"statusCode": status, "headers": {}, "body": json.dumps(answer, ensure_ascii=False)})
    assert len(whole) < 6 * 2**20
    return status, answer


def test_a_page_of_runs_fits_into_an_answer_whatever_is_quoted_in_them(tracker: Tracker) -> None:
    params = [{"key": f"p{n}", "value": QUOTES} for n in range(20)]
    for number in range(30):
        run_id = tracker.run(run_name=f"r{number}")
        tracker.post("runs/log-batch", run_id=run_id, params=params)
    asked = {"experiment_ids": ["0"], "max_results": 100, "order_by": ["attributes.start_time ASC"]}

    _, page = answered(tracker, "POST", "/api/2.0/mlflow/runs/search", asked)
    _, rest = answered(tracker, "POST", "/api/2.0/mlflow/runs/search", {**asked, "page_token": page["next_page_token"]})

    assert 0 < len(page["runs"]) < 30
    assert len({run["info"]["run_id"] for run in page["runs"] + rest["runs"]}) == 30


def test_a_run_makes_room_for_itself_before_its_datasets(tracker: Tracker) -> None:
    run_id = tracker.run()
    for start in range(0, 300, 100):
        params = [{"key": f"p{n}", "value": "x" * 6000} for n in range(start, start + 100)]
        tracker.post("runs/log-batch", run_id=run_id, params=params)
    for number in range(3):
        dataset = {"name": f"d{number}", "digest": "1", "source_type": "s", "source": "s", "profile": '"' * 400_000}
        tracker.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": []}])

    _, answer = answered(tracker, "GET", "/api/2.0/mlflow/runs/get", None, run_id=run_id)

    assert len(answer["run"]["data"]["params"]) == 300
    assert len(answer["run"]["inputs"]["dataset_inputs"]) == 3


def test_what_is_too_much_to_compare_is_refused_and_not_lost(tracker: Tracker) -> None:
    params = [{"key": f"p{n}", "value": QUOTES} for n in range(100)]
    run_ids = [tracker.run() for _ in range(6)]
    for run_id in run_ids:
        tracker.post("runs/log-batch", run_id=run_id, params=params)

    status, answer = answered(tracker, "GET", "/runs/compare", None, run_ids=",".join(run_ids))

    assert (status, answer["code"]) == (422, "too_large")
    assert answered(tracker, "GET", "/runs/compare", None, run_ids=",".join(run_ids[:2]))[0] == 200


def test_a_point_whose_history_cannot_be_written_is_refused_and_written_once_by_the_repeat(tracker: Tracker) -> None:
    run_id, call = tracker.run(), tracker.session.call

    def broken(service: str, target: str, body: dict[str, Any], **more: Any) -> bytes:
        if target.endswith(".PutItem"):
            raise Unavailable("the database did not answer")
        return bytes(call(service, target, body, **more))

    tracker.session.call = broken  # type: ignore[method-assign]
    status, code, _ = tracker.refused("runs/log-metric", run_id=run_id, **point("loss"))
    assert (status, code) == (503, "TEMPORARILY_UNAVAILABLE")

    tracker.session.call = call  # type: ignore[method-assign]
    tracker.post("runs/log-metric", run_id=run_id, **point("loss"))
    assert len(tracker.get("metrics/get-history", run_id=run_id, metric_key="loss")["metrics"]) == 1


@pytest.mark.parametrize("history", ["no JSON", "[" * 5000, '{"a":1}', "7"])
def test_what_logged_models_are_added_to_must_be_a_list_of_them(tracker: Tracker, history: str) -> None:
    run_id = tracker.run()
    tracker.post("runs/set-tag", run_id=run_id, key="mlflow.log-model.history", value=history)
    model = json.dumps({"artifact_path": "a", "flavors": {}, "utc_time_created": "t", "run_id": run_id})
    assert tracker.refused("runs/log-model", run_id=run_id, model_json=model)[0] == 400


def test_the_tag_of_logged_models_is_never_cut_off(tracker: Tracker) -> None:
    run_id = tracker.run()
    model = json.dumps({"artifact_path": "a" * 3000, "flavors": {}, "utc_time_created": "t", "run_id": run_id})
    for _ in range(2):
        tracker.post("runs/log-model", run_id=run_id, model_json=model)
    for _ in range(2):
        assert tracker.refused("runs/log-model", run_id=run_id, model_json=model)[0] == 400


def test_a_search_may_name_more_metrics_than_an_expression_holds(tracker: Tracker) -> None:
    run_id = tracker.run(run_name="r")
    tracker.post("runs/log-batch", run_id=run_id, metrics=[point(f"m{number}") for number in range(450)])
    assert tracker.found(" AND ".join(f"metrics.m{number} = 1" for number in range(450))) == ["r"]


def test_a_page_of_runs_ends_before_their_datasets_are_too_much(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "PAGE_BYTES", 9_000)
    for number in range(5):
        run_id = tracker.run(run_name=f"r{number}", start_time=number)
        dataset = {"name": f"d{number}", "digest": "1", "source_type": "s", "source": "s", "profile": "x" * 3000}
        tracker.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset}])

    found, token, pages = [], "", 0
    while token or not pages:
        answer = tracker.post("runs/search", experiment_ids=["0"], page_token=token)
        found += [run["info"]["run_name"] for run in answer["runs"]]
        token, pages = answer.get("next_page_token", ""), pages + 1

    assert found == ["r4", "r3", "r2", "r1", "r0"]
    assert pages == 3


def test_experiments_too_large_for_one_answer_are_paged(tracker: Tracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "PAGE_BYTES", 5_000)
    for number in range(4):
        tracker.post("experiments/create", name=f"e{number}", tags=[{"key": "t", "value": "x" * 3000}])
    answer = tracker.post("experiments/search", max_results=100)
    assert len(answer["experiments"]) == 2  # the default one is small
    assert tracker.post("experiments/search", max_results=100, page_token=answer["next_page_token"])["experiments"]


def test_logged_models_and_datasets_are_found_in_further_parts_too(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROOM", 700)
    params = [{"key": f"p{number}", "value": "x" * 90} for number in range(20)]
    tracker.post("logged-models", experiment_id="0", name="lm", params=params, tags=[{"key": "t", "value": "1"}])
    run_id = tracker.run(run_name="r")
    tracker.post("runs/log-batch", run_id=run_id, params=params)
    dataset = {"name": "d", "digest": "1", "source_type": "s", "source": "s"}
    tracker.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset}])

    [found] = tracker.post("logged-models/search", experiment_ids=["0"], filter="tags.t = '1'")["models"]

    assert len(found["data"]["params"]) == 20
    assert tracker.found("dataset.name = 'd'") == ["r"]
    assert tracker.post("experiments/search-datasets", experiment_ids=["0"])["dataset_summaries"]


def test_runs_are_compared_side_by_side_with_their_gaps(tracker: Tracker) -> None:
    one, two = tracker.run(), tracker.run()
    tracker.post("runs/log-batch", run_id=one, metrics=[point("b"), point("a", value="NaN")], params=[])
    tracker.post("runs/log-parameter", run_id=two, key="p", value="")

    status, answer = tracker.send("GET", "/runs/compare", None, run_ids=f"{one},{two}")

    assert (status, list(answer["metrics"])) == (200, ["a", "b"])
    assert answer == {
        "run_ids": [one, two],
        "params": {"p": [None, ""]},
        "metrics": {"a": ["NaN", None], "b": [1.0, None]},
    }
    assert tracker.send("GET", "/runs/compare", None, run_ids=[one, two])[1] == answer


@pytest.mark.parametrize(
    ("ids", "status", "code"),
    [
        ([], 422, "invalid_input"),
        (["one"], 422, "invalid_input"),
        (["x"] * 101, 422, "invalid_input"),
        ([NOBODY, "../x"], 404, "not_found"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_our_words(
    tracker: Tracker, ids: list[str], status: int, code: str
) -> None:
    answer = tracker.send("GET", "/runs/compare", None, run_ids=ids)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert status != 404 or NOBODY in answer[1]["message"]


@pytest.mark.parametrize(
    ("method", "path", "supported"),
    [
        ("POST", "/api/3.0/mlflow/traces", False),
        ("GET", "/api/3.0/mlflow/traces/tr-1", False),
        ("GET", "/ajax-api/3.0/mlflow/scorers/list", False),
        ("POST", "/api/3.0/mlflow/gateway/endpoints/create", False),
        ("POST", "/api/2.0/mlflow/webhooks", False),
        ("POST", "/api/3.0/mlflow/datasets/create", False),
        ("GET", "/api/2.0/mlflow/runs/nothing", True),
        ("GET", "/api/2.0/nothing", True),
    ],
)
def test_what_is_not_served_is_said_to_be_so(tracker: Tracker, method: str, path: str, supported: bool) -> None:
    status, answer = tracker.send(method, path, {} if method == "POST" else None)
    assert (status, answer["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert ("not supported by Zeroloop" in answer["message"]) is not supported


def test_a_deleted_run_can_be_restored_until_its_days_are_over(
    expiring: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, kept = expiring.run(run_name="r"), expiring.run(run_name="kept")
    expiring.post("runs/log-metric", run_id=run_id, **point("m"))
    expiring.post("runs/delete", run_id=run_id)
    expiring.post("runs/restore", run_id=run_id)
    assert not [row for row in all_rows(expiring) if "gone_at" in row or row["pk"] == "GONE"]
    expiring.post("runs/delete", run_id=run_id)
    expiring.post("runs/delete", run_id=kept)
    marked = [row["pk"].partition("#")[0] for row in all_rows(expiring) if "gone_at" in row]
    assert sorted(marked) == ["LATEST", "LATEST", "RUNS", "RUNS"]

    later(monkeypatch, expiring, 0.9)
    expiring.post("runs/restore", run_id=kept)
    later(monkeypatch, expiring, 1.1)

    assert expiring.refused("runs/restore", run_id=run_id)[:2] == (404, "RESOURCE_DOES_NOT_EXIST")
    assert expiring.found(run_view_type="ALL") == ["kept"]
    assert expiring.found("metrics.m = 1", run_view_type="ALL") == []
    assert expiring.send("POST", "/runs/purge", {}) == (200, {"removed": 4, "more": False})
    assert {row["sk"] for row in all_rows(expiring) if run_id in row["pk"] + row["sk"]} == set()
    assert expiring.send("POST", "/runs/purge", {}) == (200, {"removed": 0, "more": False})


def test_an_expired_experiment_is_gone_with_all_in_it_and_its_name_is_free(
    expiring: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment_id = expiring.post("experiments/create", name="e")["experiment_id"]
    run_id = expiring.run(experiment_id)
    expiring.post("runs/log-metric", run_id=run_id, **point("m"))
    expiring.post("logged-models", experiment_id=experiment_id)
    expiring.post("experiments/delete", experiment_id=experiment_id)
    expiring.post("experiments/restore", experiment_id=experiment_id)
    expiring.post("experiments/delete", experiment_id=experiment_id)
    later(monkeypatch, expiring, 1.1)
    monkeypatch.setattr("zeroloop.tracking.service.MAX_PURGED", 2)

    query = {"run_id": run_id}
    assert expiring.send("GET", "/api/2.0/mlflow/runs/get", None, **query)[0] == 404
    assert expiring.refused("experiments/restore", experiment_id=experiment_id)[0] == 404
    assert expiring.post("experiments/create", name="e")["experiment_id"] != experiment_id
    rounds = 0
    while expiring.send("POST", "/runs/purge", {})[1]["more"]:
        rounds += 1

    assert rounds == 2
    left = [row for row in all_rows(expiring) if experiment_id in row["pk"] + row["sk"]]
    assert left == []


def test_a_run_that_will_be_gone_stays_deleted_when_its_experiment_is_restored(expiring: Tracker) -> None:
    experiment_id = expiring.post("experiments/create", name="e")["experiment_id"]
    run_id = expiring.run(experiment_id)
    expiring.post("runs/delete", run_id=run_id)
    for change in ("delete", "restore"):
        expiring.post(f"experiments/{change}", experiment_id=experiment_id)

    assert expiring.found(experiment_ids=[experiment_id]) == []
    expiring.post("runs/restore", run_id=run_id)
    assert len(expiring.found(experiment_ids=[experiment_id])) == 1


def all_rows(tracker: Tracker) -> list[dict[str, Any]]:
    found = client("dynamodb").scan(TableName="tracking")["Items"]
    return [{name: next(iter(value.values())) for name, value in row.items()} for row in found]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
likely = st.sampled_from(
    ["", "0", "1", "NaN", "active", "metrics.a > 1", "2" * 400, "a" * 32, "é/\u0000", "[" * 9000, 10**400, 2**63]
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nonsense_is_never_an_error_of_ours(tracker: Tracker, data: st.DataObject) -> None:
    calls = [*tracker.module.calls.table(), *tracker.module.calls.own_table(), *tracker.module.model_calls.table()]
    call = data.draw(st.sampled_from(calls), label="call")
    fields = [field.name for field in msgspec.structs.fields(call.message)]
    pairs = st.lists(st.fixed_dictionaries({"key": st.text(max_size=5), "value": likely | values}), max_size=2)
    body = data.draw(st.dictionaries(st.sampled_from([*fields, "other"]), likely | values | pairs, max_size=8) | values)
    if "run_id" in fields and isinstance(body, dict) and data.draw(st.booleans()):
        body["run_id"] = tracker.module.tracking.create_run(NewRun(experiment_id="0")).run_id
    prefix = "" if call.path.startswith("/runs") else "/api"
    path = (prefix + call.path).replace("<model_id>", data.draw(st.sampled_from(["x", f"m-{NOBODY}"])))
    path = path.replace("<tag_key>", "t")
    query = body if call.method == "GET" and isinstance(body, dict) else {}
    clean = {name: str(value).encode(errors="replace") for name, value in query.items()}

    status, answer = tracker.send(call.method, path, None if call.method == "GET" else body, **clean)

    assert status < 500, answer
