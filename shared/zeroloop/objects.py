"""S3 and Lambda for everything but predict's hot path (`signed`). The only maker of botocore's clients."""

# botocore costs a cold start 300 ms, and many calls never come here: it is imported with the first that does.
# ruff: noqa: PLC0415

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from hashlib import md5
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from zeroloop import config
from zeroloop.digests import PackageFile
from zeroloop.errors import Conflict, InvalidInput, NotFound, Unavailable

URL_SECONDS = 3600
PART_SECONDS = 12 * 3600  # all parts are signed at the start, and a slow line sends for hours

_MISSING = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404", "405"}  # 405: a delete marker
_REFUSED = {"EntityTooSmall", "InvalidArgument", "InvalidPart", "InvalidPartOrder", "InvalidRequest", "MalformedXML"}


@cache
def client(service: str) -> Any:
    """The client of an AWS service, made once."""
    import botocore.session
    from botocore.config import Config

    # A bucket's host of its own region: the global one redirects for new buckets, and a signature holds for one host.
    # The local stack has one host for all, which botocore then puts the bucket behind.
    local = bool(config.read(config.Aws).aws_endpoint_url)
    settings = Config(
        signature_version="s3v4" if service == "s3" else "v4",
        s3={"addressing_style": "path" if local else "virtual"},
        connect_timeout=3,
        read_timeout=10,  # a function answers within 29 s
        retries={"mode": "standard", "max_attempts": 3},
    )
    return botocore.session.get_session().create_client(service, config=settings)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Errors of AWS as our kinds; `what` says in a few words what was asked for, for the message."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        if told["Code"] in _MISSING:
            raise NotFound(f"{what} does not exist") from error
        if told["Code"] in {"PreconditionFailed", "412"}:
            raise Conflict(f"{what} exists, or is another than was expected") from error
        if told["Code"] in _REFUSED:
            raise InvalidInput(f"{what}: {told.get('Message', told['Code'])}") from error
        raise Unavailable(f"{what}: storage did not answer; try again") from error
    except BotoCoreError as error:
        raise Unavailable(f"{what}: storage did not answer; try again") from error


class Upload(dict[str, Any]):
    """What a caller needs to put one file: `path`, `url` and the `headers` that the signature holds it to."""


class Page(NamedTuple):
    """A page of a folder: names of folders, names and bytes of files, and where the next page starts."""

    folders: list[str]
    files: list[tuple[str, int]]
    after: str | None


class Bucket:
    """One S3 bucket."""

    def __init__(self, name: str) -> None:
        self.name = name

    def address(self, key: str) -> str:
        """The object's or folder's `s3://` address."""
        return f"s3://{self.name}/{key}"

    def list(self, folder: str) -> dict[str, int]:
        """Sizes of the first 1,000 objects below `folder`, a key that ends in `/`, by their path in it: one request."""
        with translated(folder):
            page = client("s3").list_objects_v2(Bucket=self.name, Prefix=folder)
        sizes = {found["Key"].removeprefix(folder): int(found["Size"]) for found in page.get("Contents", [])}
        return {path: size for path, size in sizes.items() if path}  # a console's "folder" is an object of its own

    def put_once(self, key: str, source: Path) -> None:
        """Write the bytes of `source`; what is there already stays."""
        with suppress(Conflict), translated(key), source.open("rb") as file:
            client("s3").put_object(Bucket=self.name, Key=key, Body=file, IfNoneMatch="*")

    def upload(self, key: str, file: PackageFile, metadata: Mapping[str, str] | None = None) -> Upload:
        """A presigned PUT, good for an hour, that S3 accepts once and only with the bytes of `file` and `metadata`."""
        checksum = b64encode(bytes.fromhex(file.sha256)).decode()
        params = {
            "Bucket": self.name,
            "Key": key,
            "IfNoneMatch": "*",
            "ChecksumSHA256": checksum,
            "ContentLength": file.size,
            "Metadata": metadata or {},
        }
        url = client("s3").generate_presigned_url("put_object", Params=params, ExpiresIn=URL_SECONDS)
        declared = {f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()}
        headers = {"If-None-Match": "*", "x-amz-checksum-sha256": checksum, **declared}
        return Upload(path=file.path, url=url, headers=headers)

    def download(self, key: str, seconds: int = URL_SECONDS) -> str:
        """A presigned GET, good for an hour if not said otherwise; a browser saves the file and doesn't show it."""
        shown = f"attachment; filename*=UTF-8''{quote(key.rpartition('/')[2])}"
        return self._presigned("get_object", seconds, Key=key, ResponseContentDisposition=shown)

    def upload_as(self, kind: str, key: str, seconds: int) -> str:
        """A presigned PUT of an object whose `Content-Type` is `kind`."""
        return self._presigned("put_object", seconds, Key=key, ContentType=kind)

    def _presigned(self, operation: str, seconds: int, **params: Any) -> str:
        params = {"Bucket": self.name, **params}
        return str(client("s3").generate_presigned_url(operation, Params=params, ExpiresIn=seconds))

    def size(self, key: str) -> int | None:
        """Bytes of the object; None if there is none."""
        head = self._head(key)
        return int(head["ContentLength"]) if head else None

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            with translated(key):
                return dict(client("s3").head_object(Bucket=self.name, Key=key))
        except NotFound:
            return None

    def page(self, folder: str, after: str | None = None) -> Page:
        """What lies in `folder`, in S3's order, as much as S3 gives at once: 1,000. A wrong `after` is InvalidInput."""
        more = {"ContinuationToken": after} if after else {}
        with translated(folder):
            found = client("s3").list_objects_v2(Bucket=self.name, Prefix=f"{folder}/", Delimiter="/", **more)
        below = len(folder) + 1
        folders = [entry["Prefix"][below:-1] for entry in found.get("CommonPrefixes", [])]
        files = [(entry["Key"][below:], int(entry["Size"])) for entry in found.get("Contents", [])]
        # A console marks an empty folder by an object that is called like it.
        return Page(folders, [file for file in files if file[0]], found.get("NextContinuationToken"))

    def put(self, key: str, body: bytes, kind: str) -> None:
        """Write an object of the media type `kind`."""
        with translated(key):
            client("s3").put_object(Bucket=self.name, Key=key, Body=body, ContentType=kind)

    def remove(self, key: str) -> None:
        """Delete the object, if there is one, and all in the folder of that name."""
        with translated(key):
            self._delete([key])
            pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=f"{key}/")
            for page in pages:
                self._delete([entry["Key"] for entry in page.get("Contents", [])])

    def _delete(self, keys: Sequence[str]) -> None:
        if not keys:
            return
        wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        if errors := client("s3").delete_objects(Bucket=self.name, Delete=wanted).get("Errors"):
            raise Unavailable(f"{len(errors)} of {len(keys)} objects were not deleted; try again")

    def start_parts(self, key: str, kind: str, count: int) -> tuple[str, Sequence[str]]:
        """Start an upload of `count` parts: its id, and a presigned PUT for each part, good for 12 hours."""
        with translated(key):
            started = client("s3").create_multipart_upload(Bucket=self.name, Key=key, ContentType=kind)
        upload_id = str(started["UploadId"])
        parts = ({"Key": key, "UploadId": upload_id, "PartNumber": number} for number in range(1, count + 1))
        return upload_id, [self._presigned("upload_part", PART_SECONDS, **part) for part in parts]

    def finish_parts(self, key: str, upload_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make one object of the parts, given by number and ETag; nothing if that was done already.

        Raises
        ------
        NotFound
            There is no such upload.
        InvalidInput
            S3 refuses a part: unknown, out of order, or too small.
        """
        try:
            with translated(f"upload {upload_id}"):
                listed = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]}
                client("s3").complete_multipart_upload(
                    Bucket=self.name, Key=key, UploadId=upload_id, MultipartUpload=listed
                )
        except NotFound:
            head = self._head(key)
            if not head or head["ETag"] != _etag([etag for _, etag in parts]):
                raise

    def abort_parts(self, key: str, upload_id: str) -> None:
        """Forget the parts; nothing if the upload was finished or aborted already."""
        with suppress(NotFound), translated(f"upload {upload_id}"):
            client("s3").abort_multipart_upload(Bucket=self.name, Key=key, UploadId=upload_id)

    def fetch(self, key: str, target: Path) -> None:
        """Write the object's bytes to `target`; NotFound if there is none."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with translated(key), target.open("wb") as file:
            for block in client("s3").get_object(Bucket=self.name, Key=key)["Body"].iter_chunks(1 << 20):
                file.write(block)


def _etag(parts: list[str]) -> str:
    """The ETag that S3 gives an object made of these parts, each known by its own: not for buckets under SSE-KMS."""
    try:
        whole = b"".join(bytes.fromhex(etag.strip('"')) for etag in parts)
    except ValueError:
        return ""
    return f'"{md5(whole, usedforsecurity=False).hexdigest()}-{len(parts)}"'


def invoker(function: str) -> Callable[[bytes], None]:
    """Start `function` (a name or ARN) with a JSON payload and don't wait for it."""

    def invoke(payload: bytes) -> None:
        with translated(f"function {function}"):
            client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)

    return invoke
