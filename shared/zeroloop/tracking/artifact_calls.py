"""The calls about artifacts, as routes."""

from typing import Any

from zeroloop import http
from zeroloop.errors import InvalidInput
from zeroloop.mlflow import artifacts as messages
from zeroloop.mlflow import wire
from zeroloop.rpc import Rpc
from zeroloop.tracking.artifacts import Artifacts

_FILES = "/2.0/mlflow-artifacts/artifacts"
PUT = f"{_FILES}/.+"
_PARTS = "/2.0/mlflow-artifacts/mpu"
_OF_MODEL = "/2.0/mlflow/logged-models/<model_id>/artifacts"
_UPLOAD, _RUN_FILE = ("path", "upload_id"), ("run_id", "path")

TOO_LARGE = (
    f"A body has at most {http.MAX_BODY_BYTES:,} bytes here. Two ways take files of any size: an experiment whose "
    "artifact location is s3:// (ArtifactRoot=s3), with a client that has IAM credentials for the bucket; or "
    f"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE={http.MAX_BODY_BYTES} in the client's environment, which sends files "
    "from that size on in parts."
)


def table(artifacts: Artifacts) -> list[Rpc]:
    """Every call about artifacts but `put`, with its route."""
    direct = "/2.0/mlflow/artifacts"
    return [
        Rpc("GET", "/3.0/mlflow/server-info", wire.Message, lambda _: messages.SERVER_INFO),
        Rpc("GET", _FILES, messages.ListFiles, artifacts.list_files),
        Rpc("GET", f"{_FILES}/<file+>", messages.FileAt, artifacts.download),
        Rpc("DELETE", f"{_FILES}/<file+>", messages.FileAt, artifacts.delete),
        Rpc("GET", "/2.0/mlflow-artifacts/presigned/<file+>", messages.FileAt, artifacts.presigned_download),
        Rpc("POST", f"{_PARTS}/create/<folder+>", messages.StartUpload, artifacts.start_upload, ("path",)),
        Rpc("POST", f"{_PARTS}/complete/<folder+>", messages.FinishUpload, artifacts.finish_upload, _UPLOAD),
        Rpc("POST", f"{_PARTS}/abort/<folder+>", messages.AbortUpload, artifacts.abort_upload, _UPLOAD),
        Rpc("GET", f"{direct}/list", messages.ListRunFiles, artifacts.list_run_files),
        Rpc("POST", f"{direct}/presigned-upload-url", messages.GetUploadUrl, artifacts.upload_url, ("path",)),
        Rpc("POST", f"{direct}/presigned-download-url", messages.GetDownloadUrl, artifacts.download_url, _RUN_FILE),
        Rpc("GET", f"{_OF_MODEL}/directories", messages.ListModelFiles, artifacts.list_model_files),
        Rpc("GET", f"{_OF_MODEL}/files", messages.ModelFile, artifacts.download_of_model, ("artifact_file_path",)),
    ]


def for_pages(artifacts: Artifacts) -> list[Rpc]:
    """The calls below no prefix."""
    return [Rpc("GET", wire.FILE_PATH, messages.RunFile, artifacts.download_of_run, ("path",))]


def put(artifacts: Artifacts, event: dict[str, Any]) -> None:
    """Write the event's body to the file that its path names.

    Raises
    ------
    InvalidInput
        `too_large`, with what to do then.
    """
    try:
        body = http.body(event)
    except InvalidInput as refused:
        if refused.code != "too_large":
            raise
        raise InvalidInput(TOO_LARGE, code="too_large", field="body") from refused
    artifacts.put(event["rawPath"].partition(f"{_FILES}/")[2], body)
