"""MLflow's messages about artifacts: lists, presigned URLs, and uploads in parts."""

from msgspec import field

from zeroloop.mlflow.wire import Int64, Message


class ListFiles(Message):
    """A folder, by its path below the root of all artifacts."""

    path: str = ""


class ListRunFiles(Message):
    """A folder of a run."""

    run_id: str = ""
    run_uuid: str = ""
    path: str = ""
    page_token: str = ""


class ListModelFiles(Message):
    """A folder of a logged model."""

    model_id: str = ""
    artifact_directory_path: str = ""
    page_token: str = ""


class File(Message):
    """A file or a folder. An empty file's size is absent, as MLflow has it."""

    path: str
    is_dir: bool
    file_size: Int64 = 0


class Files(Message):
    """What a folder holds, by path; `next_page_token` if that is more than fits into an answer."""

    root_uri: str = ""
    files: list[File] = field(default_factory=list)
    next_page_token: str = ""


class FileAt(Message):
    """A file, by its path below the root of all artifacts."""

    file: str = ""


class RunFile(Message):
    """A file of a run, as MLflow's pages ask for it."""

    run_id: str = ""
    run_uuid: str = ""
    path: str = ""


class ModelFile(Message):
    """A file of a logged model, as MLflow's pages ask for it."""

    model_id: str = ""
    artifact_file_path: str = ""


class GetUploadUrl(Message):
    """A file to be put, of a run or of a logged model; `expiration` in seconds."""

    run_id: str = ""
    model_id: str = ""
    path: str = ""
    expiration: Int64 = 900


class GetDownloadUrl(Message):
    """A file of a run to be read; `expiration` in seconds."""

    run_id: str = ""
    path: str = ""
    expiration: Int64 = 300


class PresignedUrl(Message):
    """A URL that needs no credentials, and the headers that its signature holds a client to."""

    presigned_url: str
    headers: dict[str, str] = field(default_factory=dict)
    file_size: Int64 = 0


class Download(Message):
    """A URL to read a file from, in ranges if one likes."""

    url: str
    headers: dict[str, str]
    file_size: Int64


class StartUpload(Message):
    """An upload in parts: `path` is the file at the client, whose name it keeps in `folder`."""

    folder: str = ""
    path: str = ""
    num_parts: Int64 = 1


class Part(Message):
    """One part: where to put it, or, once it is there, the ETag that S3 gave it."""

    part_number: Int64 = 0
    etag: str = ""
    url: str = ""


class Upload(Message):
    """A started upload."""

    upload_id: str
    credentials: list[Part] = field(default_factory=list)


class FinishUpload(Message):
    """All parts are there."""

    folder: str = ""
    path: str = ""
    upload_id: str = ""
    parts: list[Part] = field(default_factory=list)


class AbortUpload(Message):
    """No more parts will come."""

    folder: str = ""
    path: str = ""
    upload_id: str = ""


class ServerInfo(Message):
    """What the server can do."""

    store_type: str | None
    workspaces_enabled: bool
    trace_archival_enabled: bool
    multipart_uploads_enabled: bool
    multipart_downloads_enabled: bool
    presigned_upload_run_id_supported: bool
    presigned_upload_model_id_supported: bool
    features_enabled: dict[str, bool]


SERVER_INFO = ServerInfo(
    store_type=None,  # neither of those that MLflow knows by name
    workspaces_enabled=False,
    trace_archival_enabled=False,
    multipart_uploads_enabled=True,
    multipart_downloads_enabled=True,
    presigned_upload_run_id_supported=True,
    presigned_upload_model_id_supported=True,
    features_enabled={"gateway": False},
)
