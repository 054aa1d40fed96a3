"""DataBucket: versions of objects as streams, and outputs that are written once."""

from base64 import b64encode
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

from zeroloop import clock
from zeroloop.digests import sha256
from zeroloop.errors import Conflict, Unavailable
from zeroloop.objects import Bucket, client, translated

_BLOCK = 1 << 20
_TRIES = 5
_PART_BYTES = 8_000_000
_AT_ONCE = 16


class Put(NamedTuple):
    """What was written, and how S3 calls these bytes: under SSE-S3 by their MD5."""

    sha256: str
    etag: str


class ObjectVersion:
    """One version of one object, whose bytes never change: what replaced it is another version.

    Reading raises NotFound when it is gone, and Conflict where a bucket without versions has other bytes by now.
    """

    def __init__(self, bucket: str, key: str, head: dict[str, Any]) -> None:
        self._bucket = bucket
        self._key = key
        self.version_id: str | None = head.get("VersionId")
        self.etag = _bare(head["ETag"])
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
                with translated(self._key):
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
        answer = client("s3").get_object(**where, **version)
        blocks: Iterator[bytes] = answer["Body"].iter_chunks(_BLOCK)
        return blocks if "ContentRange" in answer else _cut(blocks, start, end)


def _cut(blocks: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    """Bytes `start` to before `end` of a whole object: gap, MiniStack gives a version whole whatever is asked."""
    at = 0
    for block in blocks:
        if part := block[max(0, start - at) : max(0, end - at)]:
            yield part
        at += len(block)


class DataBucket(Bucket):
    """The bucket of batch's inbox and outbox, and of what was predicted."""

    def version(self, key: str, version_id: str | None = None) -> ObjectVersion:
        """That version of an object, or the current one; NotFound if there is none."""
        version = {"VersionId": version_id} if version_id else {}
        with translated(key):
            return ObjectVersion(self.name, key, client("s3").head_object(Bucket=self.name, Key=key, **version))

    def write_once(self, key: str, data: bytes) -> Put:
        """Write an object unless it is there with the same bytes. Conflict if it has others."""
        try:
            return self._store(key, data, IfNoneMatch="*")
        except Conflict:
            found, digest = self.version(key), sha256(data)
            if found.metadata.get("sha256") != digest:
                raise
            return Put(digest, found.etag)

    def write(self, key: str, data: bytes, over: ObjectVersion | None = None) -> Put:
        """Write an object, whatever was there. Conflict if by now it is another than `over`."""
        return self._store(key, data, **({"IfMatch": over.etag} if over else {}))

    def _store(self, key: str, data: bytes, **condition: str) -> Put:
        digest = sha256(data)
        checksum, told = b64encode(bytes.fromhex(digest)).decode(), {"sha256": digest}
        with translated(key):
            answer = client("s3").put_object(
                Bucket=self.name, Key=key, Body=data, ChecksumSHA256=checksum, Metadata=told, **condition
            )
        return Put(digest, _bare(answer["ETag"]))

    def read(self, key: str) -> bytes:
        """The bytes of a small object; NotFound if there is none."""
        with translated(key):
            return bytes(client("s3").get_object(Bucket=self.name, Key=key)["Body"].read())

    def keys(self, folder: str, after: str = "") -> Iterator[str]:
        """The keys below `folder` that come after `after`, in their order."""
        more: dict[str, Any] = {"StartAfter": after} if after else {}
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=folder, **more)
        with translated(folder):
            for page in pages:
                yield from (found["Key"] for found in page.get("Contents", []))

    def listed(self, folder: str) -> dict[str, tuple[int, str]]:
        """Size and ETag of all objects below `folder`, a key that ends in `/`, by their path: a request per 1,000."""
        pages = client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=folder)
        with translated(folder):
            found = [entry for page in pages for entry in page.get("Contents", [])]
        return {one["Key"].removeprefix(folder): (int(one["Size"]), _bare(one["ETag"])) for one in found}

    def forget_older(self, folder: str, keys: Container[str]) -> None:
        """Delete what objects below `folder` were before, for good: a request per 1,000, and for each that was."""
        with translated(folder):
            for page in client("s3").get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=folder):
                for version in page.get("Versions", []):
                    key, one = version["Key"], version["VersionId"]
                    if key in keys and not version["IsLatest"]:
                        client("s3").delete_object(Bucket=self.name, Key=key, VersionId=one)

    def join(self, keys: Iterable[str], target: str) -> None:
        """Write one object of the bytes of others, in order; 16 are read at a time, and memory holds them and 8 MB."""
        upload: str | None = None
        parts: list[dict[str, Any]] = []
        left = b""
        where = {"Bucket": self.name, "Key": target}
        for data in self._read_all(keys):
            left += data
            if len(left) >= _PART_BYTES:
                with translated(target):
                    upload = upload or client("s3").create_multipart_upload(**where)["UploadId"]
                    parts.append(self._part(where, upload, len(parts) + 1, left))
                left = b""
        with translated(target):
            if upload is None:
                self._store(target, left)
                return
            parts.append(self._part(where, upload, len(parts) + 1, left))
            client("s3").complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})

    def _read_all(self, keys: Iterable[str]) -> Iterator[bytes]:
        rest = iter(keys)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while some := list(islice(rest, _AT_ONCE)):
                yield from pool.map(self.read, some)

    def _part(self, where: dict[str, str], upload: str, number: int, data: bytes) -> dict[str, Any]:
        etag = client("s3").upload_part(**where, UploadId=upload, PartNumber=number, Body=data)["ETag"]
        return {"ETag": etag, "PartNumber": number}


def _bare(etag: str) -> str:
    return etag.strip('"')
