"""Files of runs and logged models: found, listed, put, handed out as presigned URLs, uploaded in parts."""

import mimetypes
from collections.abc import Callable
from pathlib import PureWindowsPath
from urllib.parse import quote

from zeroloop.errors import InvalidInput, NotFound
from zeroloop.mlflow import places, wire
from zeroloop.mlflow.artifacts import (
    AbortUpload,
    Download,
    File,
    FileAt,
    Files,
    FinishUpload,
    GetDownloadUrl,
    GetUploadUrl,
    ListFiles,
    ListModelFiles,
    ListRunFiles,
    ModelFile,
    Part,
    PresignedUrl,
    RunFile,
    StartUpload,
    Upload,
)
from zeroloop.objects import Bucket
from zeroloop.rpc import Redirect

MOST_PARTS = 10_000  # S3's
WEEK_SECONDS = 604_800  # the longest that a signature holds

# Lambda answers 6 MB at the most, as JSON inside JSON, which writes each quote as two bytes.
_ANSWER_BYTES = 5_000_000
_FILE_BYTES = 60  # of an entry in a list, all but the path
_PART_BYTES = 2_400  # of a presigned part, all but the key: most is the token of the function's role


class Artifacts:
    """Use cases on the artifacts bucket. `locate_run` and `locate_model` tell the URI of a thing's files by its id."""

    def __init__(self, bucket: Bucket, locate_run: Callable[[str], str], locate_model: Callable[[str], str]) -> None:
        self._bucket = bucket
        self._locate_run = locate_run
        self._locate_model = locate_model

    def list_files(self, asked: ListFiles) -> Files:
        """A folder by its path, its entries by their names."""
        files, more = self._list(places.key(asked.path))
        if more:
            raise InvalidInput(
                f"the folder holds too many files for one answer: list s3://{self._bucket.name}/{places.key(asked.path)}"
                " with your own credentials",
                code="too_large",
                field="path",
            )
        return Files(files=files)

    def list_run_files(self, asked: ListRunFiles) -> Files:
        """A folder of a run, its entries by their paths below the run's own."""
        return self._list_below(self._run(asked), asked.path, asked.page_token)

    def list_model_files(self, asked: ListModelFiles) -> Files:
        """A folder of a logged model."""
        return self._list_below(self._locate_model(asked.model_id), asked.artifact_directory_path, asked.page_token)

    def download(self, asked: FileAt) -> Redirect:
        """Where the file is read."""
        key = _file(asked.file)
        self._size(key)
        return Redirect(self._bucket.download(key))

    def presigned_download(self, asked: FileAt) -> Download:
        """Where the file is read, and its size: what a client needs to read it in ranges at once."""
        key = _file(asked.file)
        return Download(file_size=self._size(key), url=self._bucket.download(key), headers={})

    def download_of_run(self, asked: RunFile) -> Redirect:
        """Where a file of a run is read."""
        return self._redirect(self._run(asked), asked.path)

    def download_of_model(self, asked: ModelFile) -> Redirect:
        """Where a file of a logged model is read."""
        return self._redirect(self._locate_model(asked.model_id), asked.artifact_file_path)

    def put(self, path: str, body: bytes) -> None:
        """Write a file, over an older one if there is one."""
        key = _file(path)
        self._bucket.put(key, body, _kind(key))

    def delete(self, asked: FileAt) -> None:
        """Delete a file, or a folder with all in it; nothing if there is none."""
        self._bucket.remove(_file(asked.file))

    def upload_url(self, asked: GetUploadUrl) -> PresignedUrl:
        """Where one file of a run or of a logged model is put."""
        if bool(asked.run_id) == bool(asked.model_id):
            raise InvalidInput("Exactly one of run_id and model_id must be provided.", field="run_id")
        uri = self._locate_run(asked.run_id) if asked.run_id else self._locate_model(asked.model_id)
        key = self._direct(uri, asked.path, "upload")
        url = self._bucket.upload_as(_kind(key), key, _seconds(asked.expiration))
        return PresignedUrl(presigned_url=url, headers={"Content-Type": _kind(key)})

    def download_url(self, asked: GetDownloadUrl) -> PresignedUrl:
        """Where one file of a run is read."""
        seconds = _seconds(asked.expiration)
        key = self._direct(self._locate_run(asked.run_id), asked.path, "download")
        return PresignedUrl(file_size=self._size(key), presigned_url=self._bucket.download(key, seconds))

    def start_upload(self, asked: StartUpload) -> Upload:
        """Start an upload in parts; what is never finished costs storage until the bucket's rule forgets it."""
        key = _uploaded(asked)
        most = min(MOST_PARTS, _ANSWER_BYTES // (_PART_BYTES + len(quote(key))))
        if not 1 <= asked.num_parts <= most:
            advice = "set MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE to more bytes (the default is 10485760)"
            raise InvalidInput(f"num_parts is {asked.num_parts} and not 1 to {most}: {advice}", field="num_parts")
        upload_id, urls = self._bucket.start_parts(key, _kind(key), asked.num_parts)
        return Upload(upload_id, [Part(part_number=number, url=url) for number, url in enumerate(urls, 1)])

    def finish_upload(self, asked: FinishUpload) -> None:
        """Make one file of the parts; once more is fine."""
        parts = [(part.part_number, part.etag) for part in asked.parts]
        if not parts:
            raise InvalidInput("Missing value for required parameter 'parts'.", field="parts")
        if not all(1 <= number <= MOST_PARTS and etag for number, etag in parts):
            raise InvalidInput(f"each part has a part_number from 1 to {MOST_PARTS} and an etag", field="parts")
        self._bucket.finish_parts(_uploaded(asked), asked.upload_id, parts)

    def abort_upload(self, asked: AbortUpload) -> None:
        """Forget the parts; once more is fine."""
        self._bucket.abort_parts(_uploaded(asked), asked.upload_id)

    def _run(self, asked: ListRunFiles | RunFile) -> str:
        if not (run_id := asked.run_id or asked.run_uuid):
            wire.require(asked, "run_id")
        return self._locate_run(run_id)

    def _list_below(self, uri: str, path: str, token: str) -> Files:
        root = self._root(uri)
        folder = places.key(path, root)
        files, more = self._list(folder, token, below=folder[len(root) + 1 :])
        return Files(root_uri=uri, files=files, next_page_token=more)

    def _list(self, folder: str, token: str = "", below: str = "") -> tuple[list[File], str]:
        """Entries by path, each `below` where the caller looks from, and the token of what didn't fit."""
        above = f"{below}/" if below else ""
        files: list[File] = []
        size, after = 0, token or None
        while True:
            page = self._bucket.page(folder, after)
            found = [File(above + name, is_dir=True) for name in page.folders]
            found += [File(above + name, is_dir=False, file_size=count) for name, count in page.files]
            files += found
            size += sum(len(file.path.encode()) + _FILE_BYTES for file in found)
            after = page.after
            if not after or size > _ANSWER_BYTES // 2:
                return sorted(files, key=lambda file: file.path), after or ""

    def _redirect(self, uri: str, path: str) -> Redirect:
        key = _file(path, self._root(uri))
        self._size(key)
        return Redirect(self._bucket.download(key))

    def _root(self, uri: str) -> str:
        key = places.key_of(uri, self._bucket.name)
        if key is None:
            raise InvalidInput(f"The artifacts lie at {uri}, outside of this server's: go there with your credentials")
        return key

    def _direct(self, uri: str, path: str, what: str) -> str:
        if uri.startswith(places.PROXIED):
            raise InvalidInput(
                f"Presigned {what} is not supported for proxied artifact storage (artifact URI scheme: "
                "mlflow-artifacts). This endpoint requires a direct cloud storage artifact URI.",
                field="path",
            )
        return _file(path, self._root(uri))

    def _size(self, key: str) -> int:
        size = self._bucket.size(key)
        if size is None:
            raise NotFound(f"No such artifact: '{key.removeprefix(f'{places.ROOT}/')}'")
        return size


def _file(path: str, below: str = places.ROOT) -> str:
    key = places.key(path, below)
    if key == below:
        raise InvalidInput("Invalid path", field="path")
    return key


def _uploaded(asked: StartUpload | FinishUpload | AbortUpload) -> str:
    """The key of a file that its client calls by a path of its own machine."""
    return _file(PureWindowsPath(asked.path).name, places.key(asked.folder))


def _kind(key: str) -> str:
    return mimetypes.guess_type(key)[0] or "application/octet-stream"


def _seconds(expiration: int) -> int:
    if not 1 <= expiration <= WEEK_SECONDS:
        raise InvalidInput(
            f"expiration must be between 1 and {WEEK_SECONDS} seconds (got {expiration}).", field="expiration"
        )
    return expiration
