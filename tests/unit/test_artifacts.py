"""What is refused before the bucket is asked, and what the bucket's own answers become."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.stub import Stubber

from zeroloop import objects
from zeroloop.errors import InvalidInput, NotFound, Unavailable
from zeroloop.mlflow.artifacts import (
    AbortUpload,
    FileAt,
    FinishUpload,
    GetDownloadUrl,
    GetUploadUrl,
    ListModelFiles,
    ListRunFiles,
    Part,
    RunFile,
    StartUpload,
)
from zeroloop.objects import Bucket
from zeroloop.tracking.artifacts import Artifacts

LOCATIONS = {
    "proxied": "mlflow-artifacts:/12/r/artifacts",
    "direct": "s3://artifacts/artifacts/12/r/artifacts",
    "foreign": "s3://elsewhere/12",
}
KEY = "artifacts/12/x"


@pytest.fixture(scope="module", name="client")
def _client() -> Any:
    session = botocore.session.Session()
    session.set_credentials("a", "b")
    return session.create_client("s3", "eu-west-1")


@pytest.fixture(name="s3")
def _s3(client: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """What the bucket answers; it is asked nothing else."""
    monkeypatch.setattr(objects, "client", lambda _: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture(name="artifacts")
def _artifacts(s3: Stubber) -> Artifacts:
    return Artifacts(Bucket("artifacts"), LOCATIONS.__getitem__, LOCATIONS.__getitem__)


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        ("download", FileAt("..")),
        ("download", FileAt(".")),
        ("presigned_download", FileAt("")),
        ("delete", FileAt("a/..")),
        ("delete", FileAt(".")),
        ("list_run_files", ListRunFiles()),
        ("list_run_files", ListRunFiles(run_id="foreign")),
        ("list_run_files", ListRunFiles(run_id="direct", path="..")),
        ("list_model_files", ListModelFiles("foreign")),
        ("download_of_run", RunFile(path="x")),
        ("download_of_run", RunFile("direct", path=".")),
        ("start_upload", StartUpload("12", "x", 0)),
        ("start_upload", StartUpload("12", "x", 10_000)),
        ("start_upload", StartUpload("12", "/", 1)),
        ("start_upload", StartUpload("12", "..", 1)),
        ("start_upload", StartUpload("../models", "x", 1)),
        ("finish_upload", FinishUpload("12", "x", "u")),
        ("finish_upload", FinishUpload("12", "x", "u", [Part(0, "e")])),
        ("finish_upload", FinishUpload("12", "x", "u", [Part(10_001, "e")])),
        ("finish_upload", FinishUpload("12", "x", "u", [Part(1)])),
        ("abort_upload", AbortUpload("..", "x", "u")),
        ("upload_url", GetUploadUrl(path="x")),
        ("upload_url", GetUploadUrl("direct", "direct", "x")),
        ("upload_url", GetUploadUrl("direct", path="../x")),
        ("upload_url", GetUploadUrl("direct", path="x", expiration=0)),
        ("upload_url", GetUploadUrl("proxied", path="x")),
        ("upload_url", GetUploadUrl("foreign", path="x")),
        ("download_url", GetDownloadUrl("direct", path=".")),
        ("download_url", GetDownloadUrl("direct", path="x", expiration=604_801)),
        ("download_url", GetDownloadUrl("proxied", path="x")),
        ("download_url", GetDownloadUrl("foreign", path="x")),
    ],
)
def test_bad_input_is_refused_before_the_bucket_is_asked(artifacts: Artifacts, call: str, asked: Any) -> None:
    with pytest.raises(InvalidInput):
        getattr(artifacts, call)(asked)


def test_where_foreign_files_lie_is_told(artifacts: Artifacts) -> None:
    with pytest.raises(InvalidInput, match="s3://elsewhere/12"):
        artifacts.list_run_files(ListRunFiles(run_id="foreign"))


def test_as_many_parts_are_given_as_an_answer_holds(artifacts: Artifacts) -> None:
    with pytest.raises(InvalidInput, match=r"not 1 to 2\d\d\d: set MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"):
        artifacts.start_upload(StartUpload("12", "x", 3000))
    with pytest.raises(InvalidInput, match=r"not 1 to 1\d\d\d:"):
        artifacts.start_upload(StartUpload("12", "ü" * 400, 3000))


PARTS = [(1, '"5d41402abc4b2a76b9719d911017c592"'), (2, "7d793037a0760186574b0282f2f435e7")]
WHOLE = '"065947336a2f2a95ba8899f3675c3be6-2"'  # md5 of both digests, as S3 documents it


def gone(s3: Stubber, etag: str | None) -> None:
    s3.add_client_error("complete_multipart_upload", "NoSuchUpload", http_status_code=404)
    if etag:
        s3.add_response("head_object", {"ETag": etag}, {"Bucket": "artifacts", "Key": KEY})
    else:
        s3.add_client_error("head_object", "404", http_status_code=404)


def test_an_upload_that_was_finished_already_is_finished(s3: Stubber) -> None:
    gone(s3, WHOLE)
    Bucket("artifacts").finish_parts(KEY, "u", PARTS)


@pytest.mark.parametrize(("etag", "parts"), [(None, PARTS), ('"other-2"', PARTS), (WHOLE, [(1, "no digest")])])
def test_an_unknown_upload_is_not_found(s3: Stubber, etag: str | None, parts: list[tuple[int, str]]) -> None:
    gone(s3, etag)
    with pytest.raises(NotFound):
        Bucket("artifacts").finish_parts(KEY, "u", parts)


def test_an_upload_that_is_gone_is_aborted(s3: Stubber) -> None:
    s3.add_client_error("abort_multipart_upload", "NoSuchUpload", http_status_code=404)
    Bucket("artifacts").abort_parts(KEY, "u")


@pytest.mark.parametrize(
    ("code", "kind"), [("InvalidArgument", InvalidInput), ("AccessDenied", Unavailable), ("SlowDown", Unavailable)]
)
def test_a_wrong_page_is_the_callers_fault_and_nothing_else_is(s3: Stubber, code: str, kind: type[Exception]) -> None:
    s3.add_client_error("list_objects_v2", code)
    with pytest.raises(kind):
        Bucket("artifacts").page("artifacts/12", "wrong")


def test_what_could_not_be_deleted_is_told(s3: Stubber) -> None:
    s3.add_response("delete_objects", {"Errors": [{"Key": KEY, "Code": "InternalError"}]})
    with pytest.raises(Unavailable):
        Bucket("artifacts").remove(KEY)
