"""Files of runs over HTTP, on the deployed template: any size in, any size out."""

from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import urllib3

from tests.local_stack import Local
from zeroloop.tracking.artifact_calls import TOO_LARGE

pytestmark = pytest.mark.e2e

API = "/api/2.0/mlflow"
PART = 10 * 1024 * 1024  # the client's default


@pytest.fixture(scope="module", name="proxied")
def _proxied(local: Local) -> dict[str, Any]:
    """A run whose files go through the API."""
    order = {"name": "files", "artifact_location": "mlflow-artifacts:/files"}
    experiment = local.send("POST", f"{API}/experiments/create", order).body["experiment_id"]
    return new_run(local, experiment)


def new_run(local: Local, experiment_id: str) -> dict[str, Any]:
    found = local.send("POST", f"{API}/runs/create", {"experiment_id": experiment_id}).body["run"]["info"]
    return dict(found)


def at(run: dict[str, Any], call: str = "artifacts") -> str:
    """The call about a run's files, as the client makes it out of `artifact_uri`."""
    return f"/api/2.0/mlflow-artifacts/{call}{urlsplit(run['artifact_uri']).path}"


def upload(local: Local, folder: str, name: str, parts: list[bytes]) -> None:
    """As the client does: start, put each part where it says, finish."""
    path = f"/home/me/{name}"
    started = local.send("POST", folder.format("create"), {"path": path, "num_parts": len(parts)}).body
    done = []
    for credential, part in zip(started["credentials"], parts, strict=True):
        answer = urllib3.request("PUT", credential["url"], body=part)
        assert answer.status == 200, answer.data
        done.append({"part_number": credential["part_number"], "etag": answer.headers["ETag"]})
    order = {"path": path, "upload_id": started["upload_id"], "parts": done}
    for _ in range(2):  # the first answer may get lost
        assert local.send("POST", folder.format("complete"), order) == (200, {})


def test_20_megabytes_go_up_in_parts_and_come_back_equal(local: Local, proxied: dict[str, Any]) -> None:
    parts = [b"\x00" * PART, b"\xff" * (20_000_000 - PART)]
    upload(local, at(proxied, "mpu/{}"), "large.bin", parts)
    listed = local.send("GET", f"{API}/artifacts/list?run_id={proxied['run_id']}").body
    assert listed["root_uri"] == proxied["artifact_uri"]
    assert listed["files"] == [{"path": "large.bin", "is_dir": False, "file_size": 20_000_000}]
    answer = urllib3.request("GET", local.record.api_url + at(proxied) + "/large.bin")  # it follows
    assert answer.status == 200
    assert answer.data == b"".join(parts)
    found = local.send("GET", at(proxied, "presigned") + "/large.bin").body
    tail = urllib3.request("GET", found["url"], headers={"Range": f"bytes={found['file_size'] - 2}-"})
    assert (tail.status, tail.data) == (206, b"\xff\xff")
    page = f"{local.record.api_url}/get-artifact?run_uuid={proxied['run_id']}&path=large.bin"
    assert urllib3.request("GET", page).data == answer.data


def test_a_file_is_found_again_under_the_name_that_it_was_put_under(local: Local, proxied: dict[str, Any]) -> None:
    path = f"{at(proxied)}/deep/{quote('ü 100% +&.txt')}"
    assert local.send("PUT", path, b"\x00\xff").status == 200
    assert urllib3.request("GET", local.record.api_url + path).data == b"\x00\xff"
    listed = local.send("GET", f"{API}/artifacts/list?run_id={proxied['run_id']}&path=deep").body
    assert [file["path"] for file in listed["files"]] == ["deep/ü 100% +&.txt"]
    assert local.send("DELETE", at(proxied) + "/deep").status == 200
    assert local.send("GET", path).status == 404


def test_a_body_that_is_too_large_is_told_what_to_set(local: Local, proxied: dict[str, Any]) -> None:
    answer = local.send("PUT", at(proxied) + "/large.bin", b"x" * 4_000_001)
    assert answer == (413, {"error_code": "INVALID_PARAMETER_VALUE", "message": TOO_LARGE})


def test_a_path_cannot_climb_out(local: Local) -> None:
    for path in ("x/%2e%2e/%2e%2e/models/x", "x/%252e%252e/x", "%2Fetc/passwd"):
        answer = local.send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{path}", b"x")
        assert (answer.status, answer.body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_what_a_client_writes_to_s3_itself_is_listed_too(local: Local) -> None:
    run = new_run(local, "0")
    bucket = local.record.artifacts_bucket
    assert run["artifact_uri"] == f"s3://{bucket}/artifacts/0/{run['run_id']}/artifacts"
    key = urlsplit(run["artifact_uri"]).path[1:] + "/weights.bin"
    local.aws("s3").put_object(Bucket=bucket, Key=key, Body=b"12345")
    listed = local.send("GET", f"{API}/artifacts/list?run_id={run['run_id']}").body
    assert listed["files"] == [{"path": "weights.bin", "is_dir": False, "file_size": 5}]
    order = {"run_id": run["run_id"], "path": "weights.bin"}
    url = local.send("POST", f"{API}/artifacts/presigned-download-url", order).body["presigned_url"]
    assert urllib3.request("GET", url).data == b"12345"


def test_the_server_says_that_it_takes_parts(local: Local) -> None:
    assert local.send("GET", "/api/3.0/mlflow/server-info").body["multipart_uploads_enabled"]
