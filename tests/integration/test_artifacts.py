"""The tracker's files on moto: requests as clients send them."""

import json
from base64 import b64encode
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.integration.conftest import Context, client, event
from zeroloop.errors import NotFound

FILES = "/api/2.0/mlflow-artifacts/artifacts"
Send = Callable[..., dict[str, Any]]
LOCATIONS = {
    "proxied": "mlflow-artifacts:/12/proxied/artifacts",
    "direct": "s3://artifacts/artifacts/12/direct/artifacts",
    "foreign": "s3://elsewhere/12",
}


def locate(run_id: str) -> str:
    if run_id not in LOCATIONS:
        raise NotFound(f"Run with id={run_id} not found")
    return LOCATIONS[run_id]


@pytest.fixture(name="send")
def _send(load: Callable[[str], ModuleType], context: Context, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Send a request to the tracker."""
    module = load("tracker")
    monkeypatch.setattr(module.artifacts, "_locate_run", locate)
    monkeypatch.setattr(module.artifacts, "_locate_model", locate)

    def send(method: str, path: str, body: Any = None, /, **query: str) -> dict[str, Any]:
        sent = event("tracker", "create_run")
        sent["rawPath"] = sent["requestContext"]["http"]["path"] = path
        sent["requestContext"]["http"]["method"] = method
        sent["rawQueryString"] = urlencode(query)
        sent["isBase64Encoded"] = isinstance(body, bytes)
        sent["body"] = b64encode(body).decode() if isinstance(body, bytes) else json.dumps(body) if body else None
        return dict(module.lambda_handler(sent, context))

    return send


def told(answer: dict[str, Any]) -> tuple[int, Any]:
    return answer["statusCode"], json.loads(answer["body"])


def refused(answer: dict[str, Any]) -> tuple[int, str]:
    status, body = told(answer)
    return status, body["error_code"]


def put(key: str, body: bytes = b"x") -> None:
    client("s3").put_object(Bucket="artifacts", Key=f"artifacts/{key}", Body=body)


def stored(key: str) -> bytes:
    return bytes(client("s3").get_object(Bucket="artifacts", Key=f"artifacts/{key}")["Body"].read())


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("12/r/artifacts/a.txt", "12/r/artifacts/a.txt"),
        ("12/deep/%C3%BC%20100%25.txt", "12/deep/ü 100%.txt"),
        ("12/deep/ü 100%.txt", "12/deep/ü 100%.txt"),
        ("12/a+b=c&d,e;f@g$h!('i').txt", "12/a+b=c&d,e;f@g$h!('i').txt"),
    ],
)
def test_a_file_is_put_and_its_download_leads_to_its_bytes(send: Send, path: str, key: str) -> None:
    assert send("PUT", f"{FILES}/{path}", b"\x00\xff")["statusCode"] == 200
    answer = send("PUT", f"{FILES}/{path}", b"\x00\xfe")
    assert (answer["statusCode"], answer["body"]) == (200, "")
    assert stored(key) == b"\x00\xfe"
    answer = send("GET", f"/ajax-api/2.0/mlflow-artifacts/artifacts/{path}")
    assert answer["statusCode"] == 302
    assert requests.get(answer["headers"]["Location"], timeout=5).content == b"\x00\xfe"


def test_a_browser_saves_a_download_under_its_name_and_knows_its_type(send: Send) -> None:
    send("PUT", f"{FILES}/12/ü.html", b"<html>")
    url = send("GET", f"{FILES}/12/ü.html")["headers"]["Location"]
    answer = requests.get(url, timeout=5)
    assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%BC.html"
    assert answer.headers["Content-Type"] == "text/html"


def test_a_body_over_the_limit_is_told_both_ways_out(send: Send) -> None:
    status, body = told(send("PUT", f"{FILES}/12/large.bin", b"x" * 4_000_001))
    assert (status, body["error_code"]) == (413, "INVALID_PARAMETER_VALUE")
    assert "s3://" in body["message"]
    assert "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE=" in body["message"]


@pytest.mark.parametrize("path", ["a/%2e%2e/%2e%2e/b", "/etc/passwd", "."])
def test_an_unsafe_path_is_refused(send: Send, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert refused(send(method, f"{FILES}/{path}", b"")) == (400, "INVALID_PARAMETER_VALUE")


def test_what_is_not_there_is_not_found(send: Send) -> None:
    status, body = told(send("GET", f"{FILES}/12/nothing.txt"))
    assert (status, body["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert body["message"] == "No such artifact: '12/nothing.txt'"
    assert refused(send("GET", "/api/2.0/mlflow-artifacts/presigned/12/no"))[0] == 404


def test_a_folder_lists_names_sizes_and_folders_by_path(send: Send) -> None:
    for key in ("deep/er/b", "deep-er.txt", "a.txt", "empty", "ü 100%.txt"):
        put(f"12/{key}", b"" if key == "empty" else b"two")
    put("12/deep/")
    assert told(send("GET", FILES, path="12")) == (
        200,
        {
            "files": [
                {"path": "a.txt", "is_dir": False, "file_size": 3},
                {"path": "deep", "is_dir": True},
                {"path": "deep-er.txt", "is_dir": False, "file_size": 3},
                {"path": "empty", "is_dir": False},
                {"path": "ü 100%.txt", "is_dir": False, "file_size": 3},
            ]
        },
    )
    assert told(send("GET", FILES, path="12/deep")) == (200, {"files": [{"path": "er", "is_dir": True}]})
    assert told(send("GET", FILES)) == (200, {"files": [{"path": "12", "is_dir": True}]})
    for nothing in ("12/a.txt", "nowhere"):
        assert told(send("GET", FILES, path=nothing)) == (200, {})


@pytest.mark.parametrize("run", ["proxied", "direct"])
def test_a_run_lists_paths_below_its_own(send: Send, run: str) -> None:
    call = "/api/2.0/mlflow/artifacts/list"
    assert told(send("GET", call, run_id=run)) == (200, {"root_uri": LOCATIONS[run]})
    put(f"12/{run}/artifacts/deep/c.json", b"{}")
    files = [{"path": "deep", "is_dir": True}]
    assert told(send("GET", call, run_uuid=run)) == (200, {"root_uri": LOCATIONS[run], "files": files})
    files = [{"path": "deep/c.json", "is_dir": False, "file_size": 2}]
    assert told(send("GET", call, run_id=run, path="deep/")) == (200, {"root_uri": LOCATIONS[run], "files": files})
    model = f"/api/2.0/mlflow/logged-models/{run}/artifacts"
    found = told(send("GET", f"{model}/directories", artifact_directory_path="deep"))
    assert found == (200, {"root_uri": LOCATIONS[run], "files": files})
    url = send("GET", f"{model}/files", artifact_file_path="deep/c.json")["headers"]["Location"]
    assert requests.get(url, timeout=5).content == b"{}"


def test_a_page_links_to_a_file_of_a_run(send: Send) -> None:
    put("12/direct/artifacts/a.txt", b"two")
    url = send("GET", "/get-artifact", run_uuid="direct", path="a.txt")["headers"]["Location"]
    assert requests.get(url, timeout=5).content == b"two"
    assert refused(send("GET", "/get-artifact", run_uuid="direct", path="../../a.txt"))[0] == 400
    assert refused(send("GET", "/get-artifact", run_uuid="nobody", path="a.txt")) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_files_elsewhere_are_refused_and_unknown_runs_not_found(send: Send) -> None:
    call = "/api/2.0/mlflow/artifacts/list"
    status, body = told(send("GET", call, run_id="foreign"))
    assert (status, body["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "s3://elsewhere/12" in body["message"]
    assert refused(send("GET", call, run_id="nobody")) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert refused(send("GET", call)) == (400, "INVALID_PARAMETER_VALUE")


def test_a_list_goes_on_beyond_a_page_of_s3_and_where_an_answer_is_full(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")
    for name in "abcde":
        put(f"12/direct/artifacts/{name}")
    call = "/api/2.0/mlflow/artifacts/list"
    _, body = told(send("GET", call, run_id="direct"))
    assert len(body["files"]) == 5
    assert "next_page_token" not in body
    monkeypatch.setattr("zeroloop.tracking.artifacts._ANSWER_BYTES", 100)
    _, first = told(send("GET", call, run_id="direct"))
    monkeypatch.setattr("zeroloop.tracking.artifacts._ANSWER_BYTES", 1000)
    _, rest = told(send("GET", call, run_id="direct", page_token=first["next_page_token"]))
    assert first["files"] + rest["files"] == body["files"]
    monkeypatch.setattr("zeroloop.tracking.artifacts._ANSWER_BYTES", 100)
    status, body = told(send("GET", FILES, path="12/direct/artifacts"))
    assert (status, "s3://artifacts/artifacts/12/direct/artifacts" in body["message"]) == (413, True)


def test_a_deleted_folder_takes_all_in_it_and_leaves_its_neighbours(send: Send) -> None:
    for key in ("a", "a/b", "a/c/d", "ab"):
        put(f"12/{key}")
    for _ in range(2):
        assert told(send("DELETE", f"{FILES}/12/a")) == (200, {})
    _, body = told(send("GET", FILES, path="12"))
    assert [file["path"] for file in body["files"]] == ["ab"]


PARTS = "/api/2.0/mlflow-artifacts/mpu"
MIB = 1024 * 1024


def sent_parts(started: dict[str, Any], *bodies: bytes) -> list[dict[str, Any]]:
    return [
        {
            "part_number": part["part_number"],
            "etag": requests.put(part["url"], data=body, timeout=5).headers["ETag"],
            "url": part["url"],
        }
        for part, body in zip(started["credentials"], bodies, strict=True)
    ]


@pytest.mark.parametrize("path", ["/home/me/large.bin", r"C:\Users\me\large.bin", "large.bin"])
def test_a_file_is_uploaded_in_parts_whatever_its_path_at_the_client(send: Send, path: str) -> None:
    folder = "12/r/artifacts/deep"
    _, started = told(send("POST", f"{PARTS}/create/{folder}", {"path": path, "num_parts": 2}))
    parts = sent_parts(started, b"a" * (5 * MIB), b"b")
    order = {"path": path, "upload_id": started["upload_id"], "parts": parts}
    for _ in range(2):  # an answer was lost
        assert told(send("POST", f"{PARTS}/complete/{folder}", order)) == (200, {})
    assert stored(f"{folder}/large.bin") == b"a" * (5 * MIB) + b"b"
    assert told(send("POST", f"{PARTS}/abort/{folder}", {**order, "parts": None})) == (200, {})
    _, found = told(send("GET", f"/api/2.0/mlflow-artifacts/presigned/{folder}/large.bin"))
    assert (found["file_size"], found["headers"]) == (5 * MIB + 1, {})
    answer = requests.get(found["url"], headers={"Range": f"bytes={5 * MIB - 1}-{5 * MIB}"}, timeout=5)
    assert (answer.status_code, answer.content) == (206, b"ab")


def test_an_upload_that_was_aborted_leaves_nothing(send: Send) -> None:
    _, started = told(send("POST", f"{PARTS}/create/12", {"path": "x", "num_parts": 1}))
    sent_parts(started, b"a")
    order = {"path": "x", "upload_id": started["upload_id"]}
    assert told(send("POST", f"{PARTS}/abort/12", order)) == (200, {})
    assert not client("s3").list_multipart_uploads(Bucket="artifacts").get("Uploads")
    assert told(send("GET", FILES)) == (200, {})


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("create/12", {"num_parts": 1}),
        ("complete/12", {"path": "x", "parts": [{"part_number": 1, "etag": "e"}]}),
        ("complete/12", {"path": "x", "upload_id": "u", "parts": 1}),
        ("abort/12", {"path": "x"}),
    ],
)
def test_an_upload_in_parts_is_refused_what_it_lacks(send: Send, call: str, body: dict[str, Any]) -> None:
    assert refused(send("POST", f"{PARTS}/{call}", body)) == (400, "INVALID_PARAMETER_VALUE")


def test_s3_own_refusals_of_parts_are_the_callers(send: Send) -> None:
    _, started = told(send("POST", f"{PARTS}/create/12", {"path": "x", "num_parts": 2}))
    parts = sent_parts(started, b"too small", b"b")
    order = {"path": "x", "upload_id": started["upload_id"]}
    for wrong in (parts, parts[::-1], [{**parts[0], "etag": '"0"'}]):
        answer = send("POST", f"{PARTS}/complete/12", {**order, "parts": wrong})
        assert refused(answer) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize("owner", ["run_id", "model_id"])
def test_a_direct_location_gives_presigned_urls_both_ways(send: Send, owner: str) -> None:
    call = "/api/2.0/mlflow/artifacts"
    status, body = told(send("POST", f"{call}/presigned-upload-url", {owner: "direct", "path": "d/x.json"}))
    assert (status, body["headers"]) == (200, {"Content-Type": "application/json"})
    assert parse_qs(urlsplit(body["presigned_url"]).query)["X-Amz-Expires"] == ["900"]
    assert requests.put(body["presigned_url"], data=b"{}", headers=body["headers"], timeout=5).status_code == 200
    status, body = told(
        send("POST", f"{call}/presigned-download-url", {"run_id": "direct", "path": "d/x.json", "expiration": 7})
    )
    assert (status, body["file_size"]) == (200, 2)
    assert parse_qs(urlsplit(body["presigned_url"]).query)["X-Amz-Expires"] == ["7"]
    assert requests.get(body["presigned_url"], timeout=5).content == b"{}"


def test_a_presigned_url_is_refused_where_there_is_none(send: Send) -> None:
    for what in ("upload", "download"):
        call = f"/api/2.0/mlflow/artifacts/presigned-{what}-url"
        assert refused(send("POST", call, {"run_id": "proxied", "path": "x"})) == (400, "INVALID_PARAMETER_VALUE")
        assert refused(send("POST", call, {"run_id": "direct"})) == (400, "INVALID_PARAMETER_VALUE")
        assert refused(send("POST", call, {"run_id": "nobody", "path": "x"})) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_the_server_says_that_it_takes_parts(send: Send) -> None:
    for prefix in ("/api", "/ajax-api"):
        _, body = told(send("GET", f"{prefix}/3.0/mlflow/server-info"))
        assert (body["multipart_uploads_enabled"], body["multipart_downloads_enabled"]) == (True, True)
