"""S3, Lambda and Step Functions but for predict's hot path (`signed`). The only user of botocore's clients."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from zeroloop import clock, config
from zeroloop.digests import PackageFile, sha256
from zeroloop.errors import Conflict, NotFound, Unavailable

URL_SECONDS = 3600
_BLOCK = 1 << 20
_TRIES = 5
_PART_BYTES = 8_000_000
_GONE = {"NoSuchKey", "NoSuchVersion", "404", "405", "MethodNotAllowed"}  # 405: the version is a delete marker
_TAKEN = {"PreconditionFailed", "412"}


@cache
def _client(service: str) -> Any:
    return botocore.session.get_session().create_client(service, config=_config(service))


def _config(service: str) -> Config:
    # A bucket's host of its own region: the global one redirects for new buckets, and a signature holds for one host.
    # The local stack has one host for all, which botocore then puts the bucket behind.
    local = bool(config.read(config.Aws).aws_endpoint_url)
    return Config(
        signature_version="s3v4" if service == "s3" else "v4",
        s3={"addressing_style": "path" if local else "virtual"},
        connect_timeout=3,
        read_timeout=10,  # a function answers within 29 s
        retries={"mode": "standard", "max_attempts": 3},
    )


@contextmanager
def _translated(what: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            raise NotFound(f"{what} does not exist") from error
        if error.response["Error"]["Code"] in _TAKEN:
            raise Conflict(f"{what} is another than was expected") from error
        raise Unavailable(f"{what}: storage did not answer; try again") from error
    except BotoCoreError as error:
        raise Unavailable(f"{what}: storage did not answer; try again") from error


class Upload(dict[str, Any]):
    """What a caller needs to put one file: `path`, `url` and the `headers` that the signature holds it to."""


class ObjectVersion:
    """One version of one object, whose bytes never change: what replaced it is another version.

    Reading raises NotFound when it is gone, and Conflict where a bucket without versions has other bytes by now.
    """

    def __init__(self, bucket: str, key: str, head: dict[str, Any]) -> None:
        self._bucket = bucket
        self._key = key
        self.version_id: str | None = head.get("VersionId")
        self.etag = str(head["ETag"]).strip('"')
        self.size = int(head["ContentLength"])
        self.metadata: dict[str, str] = head.get("Metadata", {})

    def read_range(self, start: int, end: int) -> bytes:
        """Bytes `start` to before `end`."""
        return b"".join(self.blocks(start, end))

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        """The same as a stream, which goes on where a connection broke; Unavailable after five tries in vain."""
        failures = 0
        while start < end:
            try:
                with _translated(self._key):
                    for block in self._body(start, end):
                        yield block
                        start, failures = start + len(block), 0
            except Unavailable:
                failures += 1
                if failures == _TRIES:
                    raise
                clock.sleep(clock.pause_seconds(failures))

    def _body(self, start: int, end: int) -> Iterator[bytes]:
        version = {"VersionId": self.version_id} if self.version_id else {"IfMatch": self.etag}
        where = {"Bucket": self._bucket, "Key": self._key, "Range": f"bytes={start}-{end - 1}"}
        answer = _client("s3").get_object(**where, **version)
        blocks: Iterator[bytes] = answer["Body"].iter_chunks(_BLOCK)
        return blocks if "ContentRange" in answer else _cut(blocks, start, end)


def _cut(blocks: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    """Bytes `start` to before `end` of a whole object: gap, MiniStack gives a version whole whatever is asked."""
    at = 0
    for block in blocks:
        if part := block[max(0, start - at) : max(0, end - at)]:
            yield part
        at += len(block)


class Bucket:
    """One S3 bucket."""

    def __init__(self, name: str) -> None:
        self.name = name

    def version(self, key: str, version_id: str | None = None) -> ObjectVersion:
        """That version of an object, or the current one; NotFound if there is none."""
        version = {"VersionId": version_id} if version_id else {}
        with _translated(key):
            return ObjectVersion(self.name, key, _client("s3").head_object(Bucket=self.name, Key=key, **version))

    def put_once(self, key: str, data: bytes) -> str:
        """Write an object unless it is there with the same bytes; their SHA-256. Conflict if it has others."""
        digest = sha256(data)
        try:
            with _translated(key):
                self._put(key, data, digest, IfNoneMatch="*")
        except Conflict:
            if self.version(key).metadata.get("sha256") != digest:
                raise
        return digest

    def put(self, key: str, data: bytes) -> None:
        """Write an object, whatever was there."""
        with _translated(key):
            self._put(key, data, sha256(data))

    def _put(self, key: str, data: bytes, digest: str, **condition: str) -> None:
        checksum = b64encode(bytes.fromhex(digest)).decode()
        _client("s3").put_object(
            Bucket=self.name, Key=key, Body=data, ChecksumSHA256=checksum, Metadata={"sha256": digest}, **condition
        )

    def read(self, key: str) -> bytes:
        """The bytes of a small object; NotFound if there is none."""
        with _translated(key):
            return bytes(_client("s3").get_object(Bucket=self.name, Key=key)["Body"].read())

    def join(self, keys: Iterable[str], target: str) -> None:
        """Write one object of the bytes of others, in order; memory holds 8 MB and one of them."""
        upload: str | None = None
        parts: list[dict[str, Any]] = []
        left = b""
        where = {"Bucket": self.name, "Key": target}
        for key in keys:
            left += self.read(key)
            if len(left) >= _PART_BYTES:
                with _translated(target):
                    upload = upload or _client("s3").create_multipart_upload(**where)["UploadId"]
                    parts.append(self._part(where, upload, len(parts) + 1, left))
                left = b""
        with _translated(target):
            if upload is None:
                self._put(target, left, sha256(left))
                return
            parts.append(self._part(where, upload, len(parts) + 1, left))
            _client("s3").complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})

    def _part(self, where: dict[str, str], upload: str, number: int, data: bytes) -> dict[str, Any]:
        etag = _client("s3").upload_part(**where, UploadId=upload, PartNumber=number, Body=data)["ETag"]
        return {"ETag": etag, "PartNumber": number}

    def upload(self, key: str, file: PackageFile) -> Upload:
        """A presigned PUT, good for an hour, that S3 accepts once and only with the bytes of `file`."""
        checksum = b64encode(bytes.fromhex(file.sha256)).decode()
        params = {
            "Bucket": self.name,
            "Key": key,
            "IfNoneMatch": "*",
            "ChecksumSHA256": checksum,
            "ContentLength": file.size,
        }
        url = _client("s3").generate_presigned_url("put_object", Params=params, ExpiresIn=URL_SECONDS)
        headers = {"If-None-Match": "*", "x-amz-checksum-sha256": checksum}
        return Upload(path=file.path, url=url, headers=headers)

    def download(self, key: str) -> str:
        """A presigned GET, good for an hour."""
        params = {"Bucket": self.name, "Key": key}
        return str(_client("s3").generate_presigned_url("get_object", Params=params, ExpiresIn=URL_SECONDS))

    def size(self, key: str) -> int | None:
        """Bytes of the object; None if there is none."""
        try:
            with _translated(key):
                return int(_client("s3").head_object(Bucket=self.name, Key=key)["ContentLength"])
        except NotFound:
            return None

    def fetch(self, key: str, target: Path) -> None:
        """Write the object's bytes to `target`; NotFound if there is none."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with _translated(key), target.open("wb") as file:
            for block in _client("s3").get_object(Bucket=self.name, Key=key)["Body"].iter_chunks(1 << 20):
                file.write(block)


def invoker(function: str) -> Callable[[bytes], None]:
    """Start `function` (a name or ARN) with a JSON payload and don't wait for it."""

    def invoke(payload: bytes) -> None:
        with _translated(f"function {function}"):
            _client("lambda").invoke(FunctionName=function, InvocationType="Event", Payload=payload)

    return invoke


class StateMachine:
    """One state machine of Step Functions, by its ARN."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def start(self, name: str, state: bytes) -> None:
        """Start the execution `name`; one that was started before, running or not, stays as it is."""
        client = _client("stepfunctions")
        with _translated(f"execution {name}"), suppress(client.exceptions.ExecutionAlreadyExists):
            client.start_execution(stateMachineArn=self._arn, name=name, input=state.decode())

    def stop(self, name: str) -> None:
        """Stop the execution `name`; what isn't running stays as it is."""
        client = _client("stepfunctions")
        arn = self._arn.replace(":stateMachine:", ":execution:") + f":{name}"
        with _translated(f"execution {name}"), suppress(client.exceptions.ExecutionDoesNotExist):
            client.stop_execution(executionArn=arn)
