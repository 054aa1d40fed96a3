"""The same stack with AWS_IAM and policies enforced, deployed anew: after all other e2e tests."""

import json
from pathlib import Path
from typing import Any

import pytest
import urllib3

from cli import batch
from cli.api import ApiError
from examples.sentiment import dataset
from tests.e2e.test_ingest import within_a_minute
from tests.e2e.test_monitor import eventually
from tests.e2e.test_readme import SIGNED, run
from tests.local_stack import PACKAGES, Local
from zeroloop import clock
from zeroloop.inference.lineups import FRESH_SECONDS

pytestmark = pytest.mark.e2e

SMALL, LARGE = "sentiment/packages/small", "sentiment/packages/large"


def test_an_unsigned_call_is_refused(signed: Local) -> None:
    for method, path in [("GET", "/models"), ("POST", "/predict/sentiment"), ("POST", "/models/sentiment/promote")]:
        answer = urllib3.request(method, signed.record.api_url + path, retries=False)
        assert answer.status == 403, (method, path, answer.data)


def test_a_key_that_nobody_knows_is_refused(signed: Local) -> None:
    headers = {
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIANOBODYKNOWS/20260101/us-east-1/execute-api/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=" + "0" * 64,
        "x-amz-date": "20260101T000000Z",
    }
    answer = urllib3.request("GET", signed.record.api_url + "/models", headers=headers, retries=False)
    assert answer.status == 403


def test_the_whole_loop_runs_with_each_functions_own_role(signed: Local) -> None:
    """Whatever a function does beyond its policies is refused here: none of it is."""
    for package in (SMALL, LARGE):
        version = signed.register(package, "enforced")
        assert version["state"] == "READY", version["reason"]
        signed.api.post("/models/enforced/promote", {"version": version["version"], "reason": "test"})
    assert signed.api.post("/predict/enforced", {"text": "A wonderful, moving film."})["prediction"] == "positive"
    assert signed.api.post("/explain/enforced", {"text": "A wonderful, moving film."})["label"] == "positive"
    assert signed.api.post("/models/enforced/rollback", {"reason": "test"})["champion"] == 1
    assert signed.api.get("/models/enforced/history")["history"][0]["action"] == "rollback"


def test_what_is_predicted_is_counted_and_watched_with_each_functions_own_role(signed: Local) -> None:
    """Ingest keeps and counts what the log brings; the monitor reads it, and its alert reaches topic and bus."""
    version = signed.register(SMALL, "enforced_watched")
    signed.api.post("/models/enforced_watched/promote", {"version": version["version"], "reason": "test"})
    soon = {"drift_minutes": 1, "settle_seconds": 0, "running": 1}
    signed.api.call("PUT", "/models/enforced_watched/monitor", soon, repeat=False)
    texts = [{"text": one.text} for one in dataset.read(dataset.DATA / "nyt_editorials.tsv.gz")[:400]]
    for start in range(0, 400, 100):
        signed.api.post("/predict/enforced_watched", {"instances": texts[start : start + 100]})
    told = signed.api.post("/predict/enforced_watched", texts[0])
    label = {"prediction_id": told["prediction_id"], "label": "positive"}
    assert [signed.api.post("/feedback", label)["label"] for _ in range(2)] == ["counted", "known"]

    def kept(kind: str) -> int:
        folder = f"{kind}/model={version['model_id']}/"
        return int(signed.aws("s3").list_objects_v2(Bucket=signed.record.data_bucket, Prefix=folder)["KeyCount"])

    within_a_minute(lambda: signed.api.get("/models/enforced_watched/metrics")["total"], 401)
    within_a_minute(lambda: (kept("predictions") > 0, kept("feedback")), (True, 2))
    report = signed.api.post("/models/enforced_watched/reports", {"window": "60m"})
    assert (report["n"], report["status"], report["metrics"]["labelled"]) == (401, "drifted", 1)
    row = eventually(lambda: [one for one in alerts(signed, version["model_id"]) if "left" in one])[0]
    assert row["left"] == {"L": []}


def alerts(local: Local, model_id: str) -> list[dict[str, Any]]:
    """The rows of a model's alerts: `left` are the ways on which nobody was reached."""
    found = local.aws("dynamodb").query(
        TableName=local.record.tables["monitoring"],
        KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
        ExpressionAttributeValues={":pk": {"S": f"W#{model_id}"}, ":sk": {"S": "ALERT#"}},
    )
    return list(found["Items"])


def test_a_batch_runs_with_the_functions_own_role(signed: Local, tmp_path: Path) -> None:
    """Planned, scored, put together, read back; and one that is stopped."""
    version = signed.register(SMALL, "enforced_files")
    signed.api.post("/models/enforced_files/promote", {"version": version["version"], "reason": "test"})
    file = tmp_path / "few.csv"
    file.write_text("text\nfine\ndreadful\n")
    job = batch.watch(signed.api, batch.begin(signed.api, file, "enforced_files"))
    assert (job["status"], job["error"], job["rows"]) == ("completed", None, 2)
    assert "manifest.json" in batch.bring(signed.api, job["job_id"], tmp_path / "out")
    uri = f"s3://{job['input']['bucket']}/{job['input']['key']}"
    again = signed.api.post("/batch", {"model": "enforced_files", "input": uri, "version": 1})
    assert signed.api.post(f"/batch/{again['job_id']}/cancel", {})["status"] == "cancelled"


def test_an_ab_test_runs_with_the_functions_own_role(signed: Local) -> None:
    """Begun, ramped, counted by both ways, read, watched by its schedule, decided; a refused one leaves no row."""
    version = signed.register(SMALL, "enforced_ab")
    signed.api.post("/models/enforced_ab/promote", {"version": version["version"], "reason": "test"})
    signed.register(LARGE, "enforced_ab")
    order = {
        "name": "enforced-ab",
        "model": "enforced_ab",
        "control": 1,
        "treatment": 2,
        "traffic": 0.4,
        "unit": "user",
    }
    order |= {"metrics": [{"name": "accuracy", "kind": "proportion"}]}
    here = "/ab-tests/enforced-ab"
    assert signed.api.post("/ab-tests", order)["state"] == "running"
    signed.api.post(f"{here}/traffic", {"traffic": 0.5})
    result = {"unit": "user-1", "metrics": {"accuracy": 1}, "idempotency_key": "1"}
    assert signed.api.post(f"{here}/results", result)["counted"]
    clock.sleep(FRESH_SECONDS + 0.2)
    told = signed.api.post("/predict/enforced_ab", {"text": "A wonderful, moving film.", "unit": "user-2"})
    signed.api.post("/feedback", {"prediction_id": told["prediction_id"], "label": "positive"})
    assert signed.api.get(f"{here}/analysis")["units"] == 2
    watched = signed.aws("lambda").invoke(
        FunctionName=signed.record.functions["abtest"], Qualifier="live", Payload=b'{"source": "zeroloop.schedule"}'
    )
    assert json.load(watched["Payload"])["watched"] >= 1
    decided = signed.api.post(f"{here}/decision", {"choice": "treatment", "reason": "test"})
    assert decided["decision"]["applied"]
    assert signed.api.get("/models/enforced_ab/lineup")["champion"] == 2


def test_mlflows_registry_runs_with_each_functions_own_role(signed: Local) -> None:
    """Every kind of row is written, read and deleted, and a package is copied from artifacts."""
    models, versions = "/api/2.0/mlflow/registered-models", "/api/2.0/mlflow/model-versions"
    bucket, api, named = signed.record.artifacts_bucket, signed.api, {"name": "enforced_too"}
    one = {**named, "version": "1"}
    for path in (PACKAGES / SMALL).iterdir():
        signed.aws("s3").put_object(Bucket=bucket, Key=f"artifacts/signed/{path.name}", Body=path.read_bytes())
    api.post(f"{models}/create", {**named, "tags": [{"key": "k", "value": "v"}]})
    api.post(f"{versions}/create", {**named, "source": f"s3://{bucket}/artifacts/signed"})
    deadline = clock.monotonic() + 60
    while (found := api.get("/models/enforced_too/versions/1"))["state"] == "PENDING" and clock.monotonic() < deadline:
        clock.sleep(1)
    assert found["state"] == "READY", found
    api.post(f"{versions}/set-tag", {**one, "key": "k", "value": "v"})
    api.post(f"{versions}/transition-stage", {**one, "stage": "Production"})
    api.post(f"{models}/alias", {**one, "alias": "best"})
    api.post(f"{models}/rename", {**named, "new_name": "renamed"})
    api.call("DELETE", f"{models}/alias", {"name": "renamed", "alias": "champion"}, repeat=False)
    api.call("DELETE", f"{versions}/delete", {**one, "name": "renamed"}, repeat=False)
    api.call("DELETE", f"{models}/delete", {"name": "renamed"}, repeat=False)
    assert "renamed" not in [model["model"] for model in api.get("/models")["models"]]


def test_files_come_and_go_by_the_trackers_own_role(signed: Local) -> None:
    root = "/api/2.0/mlflow-artifacts"
    signed.api.call("PUT", f"{root}/artifacts/role/a.json", {}, repeat=False)
    for done in ("complete", "abort"):
        started = signed.api.post(f"{root}/mpu/create/role", {"path": done, "num_parts": 1})
        etag = urllib3.request("PUT", started["credentials"][0]["url"], body=b"part").headers["ETag"]
        order = {"path": done, "upload_id": started["upload_id"], "parts": [{"part_number": 1, "etag": etag}]}
        assert signed.api.post(f"{root}/mpu/{done}/role", order) == {}
    listed = signed.api.get(f"{root}/artifacts?path=role")["files"]
    assert [file["path"] for file in listed] == ["a.json", "complete"]
    assert signed.api.download(signed.api.get(f"{root}/presigned/role/complete")["url"]) == b"part"
    signed.api.call("DELETE", f"{root}/artifacts/role", repeat=False)
    assert signed.api.get(f"{root}/artifacts?path=role") == {}


def test_the_audit_names_the_caller(signed: Local) -> None:
    signed.register(SMALL, "named")
    signed.api.post("/models/named/promote", {"version": 1, "reason": "test"})
    [record] = signed.api.get("/models/named/history")["history"]
    assert record["actor"] != "anonymous"
    assert record["actor"].startswith("arn:aws:")


def test_a_refusal_is_still_told_in_our_words(signed: Local) -> None:
    with pytest.raises(ApiError) as refused:
        signed.api.get("/models/nobody/lineup")
    assert refused.value.code == "unknown_model"


def test_the_readmes_signed_curl_works_as_written(signed: Local) -> None:
    signed.register(SMALL, "sentiment")
    if signed.api.get("/models/sentiment/lineup")["champion"] is None:
        signed.api.post("/models/sentiment/promote", {"version": 1, "reason": "test"})
    [line] = SIGNED
    body = run(line, signed.record.api_url, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    assert body["model"] == "sentiment"


ROLES = [
    ("predict", "dynamodb:GetItem", "table", True),
    ("predict", "dynamodb:PutItem", "table", False),
    ("predict", "dynamodb:Query", "table", False),
    ("predict", "s3:GetObject", "models/x", True),
    ("predict", "s3:GetObject", "artifacts/x", False),
    ("predict", "s3:PutObject", "models/x", False),
    ("explain", "s3:GetObject", "models/x", True),
    ("explain", "s3:GetObject", "artifacts/x", False),
    ("explain", "dynamodb:PutItem", "table", False),
    ("explain", "secretsmanager:GetSecretValue", "table", False),
    ("registry", "dynamodb:PutItem", "table", True),
    ("registry", "dynamodb:DeleteItem", "table", True),
    ("registry", "dynamodb:Scan", "table", False),
    ("registry", "s3:PutObject", "models/x", True),
    ("registry", "s3:PutObject", "artifacts/x", False),
    ("registry", "s3:DeleteObject", "models/x", False),
    ("registry", "secretsmanager:GetSecretValue", "table", False),
    ("admission", "s3:GetObject", "models/x", True),
    ("admission", "s3:GetObject", "artifacts/x", True),
    ("admission", "s3:PutObject", "models/x", True),
    ("admission", "s3:PutObject", "artifacts/x", False),
    ("admission", "s3:DeleteObject", "models/x", False),
    ("admission", "dynamodb:UpdateItem", "table", True),
    ("admission", "dynamodb:PutItem", "table", False),
    ("admission", "dynamodb:DeleteItem", "table", False),
    ("admission", "lambda:InvokeFunction", "table", False),
    ("tracker", "s3:PutObject", "artifacts/x", True),
    ("tracker", "s3:DeleteObject", "artifacts/x", True),
    ("tracker", "s3:GetObject", "models/x", False),
    ("tracker", "s3:PutObject", "models/x", False),
]


@pytest.mark.parametrize(("word", "action", "resource", "allowed"), ROLES)
def test_a_role_allows_what_its_function_does_and_no_more(
    signed: Local, word: str, action: str, resource: str, allowed: bool
) -> None:
    configuration = signed.aws("lambda").get_function_configuration(FunctionName=signed.record.functions[word])
    table = signed.aws("dynamodb").describe_table(TableName=signed.record.tables["registry"])["Table"]["TableArn"]
    arn = table if resource == "table" else f"arn:aws:s3:::{signed.record.artifacts_bucket}/{resource}"
    answer = signed.aws("iam").simulate_principal_policy(
        PolicySourceArn=configuration["Role"], ActionNames=[action], ResourceArns=[arn]
    )
    [result] = answer["EvaluationResults"]
    assert (result["EvalDecision"] == "allowed") == allowed
