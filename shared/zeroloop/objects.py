"""S3 and Lambda for everything but predict's hot path (`signed`). The only user of botocore's clients."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from zeroloop import config
from zeroloop.digests import PackageFile
from zeroloop.errors import Conflict, NotFound, Unavailable

URL_SECONDS = 3600


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
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            raise NotFound(f"{what} does not exist") from error
        if error.response["Error"]["Code"] == "PreconditionFailed":
            raise Conflict(f"{what} exists") from error
        raise Unavailable(f"{what}: storage did not answer; try again") from error
    except BotoCoreError as error:
        raise Unavailable(f"{what}: storage did not answer; try again") from error


class Upload(dict[str, Any]):
    """What a caller needs to put one file: `path`, `url` and the `headers` that the signature holds it to."""


class Bucket:
    """One S3 bucket."""

    def __init__(self, name: str) -> None:
        self.name = name

    def address(self, key: str) -> str:
        """The object's or folder's `s3://` address."""
        return f"s3://{self.name}/{key}"

    def list(self, folder: str) -> dict[str, int]:
        """Sizes of the first 1,000 objects below `folder`, a key that ends in `/`, by their path in it: one request."""
        with _translated(folder):
            page = _client("s3").list_objects_v2(Bucket=self.name, Prefix=folder)
        sizes = {found["Key"].removeprefix(folder): int(found["Size"]) for found in page.get("Contents", [])}
        return {path: size for path, size in sizes.items() if path}  # a console's "folder" is an object of its own

    def put_once(self, key: str, source: Path) -> None:
        """Write the bytes of `source`; what is there already stays."""
        with suppress(Conflict), _translated(key), source.open("rb") as file:
            _client("s3").put_object(Bucket=self.name, Key=key, Body=file, IfNoneMatch="*")

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
