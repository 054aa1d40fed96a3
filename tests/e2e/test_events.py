"""Every event of events/ is answered by its deployed function as it should be, in this order."""

import json
from collections.abc import Iterator

import pytest

from cli.local.home import PROJECT
from tests.local_stack import Local

pytestmark = pytest.mark.e2e

SMALL, LARGE = "sentiment/packages/small", "sentiment/packages/large"
ANSWERS: dict[str, int | None] = {
    "abtest/list": 200,
    "abtest/plan": 200,
    "abtest/unknown": 404,
    "admission/pending": None,
    "batch/advance": None,
    "batch/cancel": 404,
    "batch/get_job": 404,
    "batch/give_up": None,
    "batch/list_jobs": 200,
    "batch/measure": None,
    "batch/redrive": 404,
    "batch/score": None,
    "batch/submit": 422,  # a bucket that isn't this stack's
    "batch/submit_elsewhere": 422,
    "batch/upload": None,
    "batch/upload_url": 201,
    "explain/features": 200,
    "explain/text": 200,
    "feedback/label": 422,  # another stack's prediction
    "ingest/feedback": None,
    "ingest/lines": None,
    "monitor/alerts": 200,
    "monitor/metrics": 200,
    "monitor/metrics_bad_window": 422,
    "monitor/report": 201,
    "monitor/reports": 200,
    "monitor/schedule_day": None,
    "monitor/schedule_hour": None,
    "monitor/schedule_minutes": None,
    "monitor/set": 200,
    "monitor/set_misspelt": 422,
    "monitor/settings": 200,
    "predict/empty_text": 422,
    "predict/features": 200,
    "predict/instances": 200,
    "predict/not_json": 422,
    "predict/pinned": 200,
    "predict/text": 200,
    "predict/unknown_model": 404,
    "predict/v2_binary": 422,
    "predict/v2_infer": 200,
    "predict/v2_infer_columns": 200,
    "predict/v2_infer_version": 200,
    "predict/v2_live": 200,
    "predict/v2_model": 200,
    "predict/v2_model_ready": 200,
    "predict/v2_model_version": 200,
    "predict/v2_model_version_ready": 200,
    "predict/v2_no_route": 404,
    "predict/v2_ready": 200,
    "predict/v2_server": 200,
    "registry/challenger": 409,  # version 2 is the champion
    "registry/complete": 202,
    "registry/download": 200,
    "registry/get_version": 200,
    "registry/history": 200,
    "registry/lineup": 200,
    "registry/list_models": 200,
    "registry/list_versions": 200,
    "registry/mlflow_create_model": 200,
    "registry/mlflow_create_version": 200,
    "registry/mlflow_transition_stage": 200,
    "registry/mlflow_delete_model": 200,
    "registry/mlflow_get_by_alias": 200,
    "registry/mlflow_get_model": 200,
    "registry/mlflow_search_models": 200,
    "registry/mlflow_search_versions": 200,
    "registry/mlflow_set_alias": 200,
    "registry/mlflow_set_alias_reserved": 400,
    "registry/mlflow_unknown_version": 404,
    "registry/promote": 200,
    "registry/promote_stale": 409,
    "registry/promote_without_reason": 422,
    "registry/register": 201,
    "registry/register_bad_path": 422,
    "abtest/create": 201,  # version 1, promoted above, is the control
    "abtest/get": 200,
    "abtest/assignment": 200,
    "abtest/results": 200,
    "abtest/results_list": 200,
    "abtest/results_unknown_metric": 422,
    "abtest/traffic": 200,
    "abtest/analysis": 200,
    "abtest/schedule": None,
    "abtest/stop": 200,
    "abtest/decision": 200,
    "registry/rollback": 200,  # of the promotion above
    "registry/approve": 200,
    "registry/set_gates": 200,
    "registry/get_gates": 200,
    "registry/evaluate": 422,  # another package's
    "registry/get_evaluation": 404,
    "registry/list_evaluations": 200,
    "tracker/compare": 404,  # runs that aren't there
    "tracker/create_run": 200,
    "tracker/get_experiment": 200,
    "tracker/health": 200,
    "tracker/log_metric_unknown_run": 404,
    "tracker/purge": 200,
    "tracker/traces": 404,
}


@pytest.fixture(scope="module", name="served")
def _served(local: Local) -> Iterator[Local]:
    local.serving("sentiment", SMALL, LARGE)
    local.serving("machine", "tabular/packages/v1")
    yield local
    assert local.send("PUT", "/models/sentiment/monitor", {}).status == 200
    assert local.send("POST", "/models/sentiment/gates", {"gates": None, "reason": "test"}).status == 200


@pytest.mark.parametrize(("case", "status"), ANSWERS.items())
def test_an_event_is_answered(served: Local, case: str, status: int | None) -> None:
    word, _, _ = case.partition("/")
    payload = (PROJECT / "events" / f"{case}.json").read_bytes().replace(b"short-titles", b"of-events")
    name = served.record.functions[word]
    answer = served.aws("lambda").invoke(FunctionName=name, Qualifier="live", Payload=payload)
    body = json.load(answer["Payload"])
    assert "FunctionError" not in answer, body
    assert body.get("statusCode") == status, body


def test_every_event_is_among_them() -> None:
    events = PROJECT / "events"
    assert {str(path.relative_to(events).with_suffix("")) for path in events.glob("*/*.json")} == set(ANSWERS)
