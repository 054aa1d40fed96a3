"""What is read of the registry where there is neither interpreter nor PynamoDB: lineups, versions, files, keys.

Reads the `body` of RegistryTable's items (`registry/store.py`), whose format is their contract's, by signed calls;
PynamoDB would cost a cold start 222 ms of imports and a client 358 ms more.
"""

from contextlib import suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from zeroloop.digests import PackageFile, sha256
from zeroloop.errors import NotFound, Unavailable, ZeroloopError
from zeroloop.inference.receipts import Key
from zeroloop.registry.rules import Facts, Lineup, Version
from zeroloop.signed import Session

_READ_SECONDS = 3.0
_LOAD_SECONDS = 20.0


class Corrupt(ZeroloopError):  # noqa: N818
    """Stored bytes are not those that were registered."""

    code = "corrupt_package"


class Registered:
    """The registry, its packages and the keys of receipts."""

    def __init__(self, session: Session, *, table: str, bucket: str = "", secret: str = "") -> None:
        self._session = session
        self._table = table
        self._bucket = bucket
        self._secret = secret

    def model_id(self, name: str, timeout: float) -> str | None:
        """The id of the model called `name`."""
        item = self._item(f"NAME#{name}", "NAME", timeout)
        return item["model_id"]["S"] if item else None

    def lineup(self, model_id: str, timeout: float) -> Lineup | None:
        """Who serves."""
        item = self._item(f"MODEL#{model_id}", "LINEUP", timeout)
        return msgspec.json.decode(item["body"]["S"], type=Lineup) if item else None

    def ready(self, model_id: str, number: int) -> Version:
        """A version, unloaded; NotFound unless it is READY."""
        item = self._item(f"MODEL#{model_id}", f"VERSION#{number:08}", _READ_SECONDS)
        if item is None:
            raise NotFound(f"there is no version {number}", code="unknown_version", field="version")
        if item["state"]["S"] != "READY":
            raise NotFound(f"version {number} is not READY", code="version_not_ready", field="version")
        version = msgspec.json.decode(item["body"]["S"], type=Version)
        facts = item.get("facts", {}).get("S")
        return replace(version, facts=msgspec.json.decode(facts, type=Facts)) if facts else version

    def fetch(self, version: Version, file: PackageFile) -> bytes:
        """A file of a version's package, verified; Corrupt."""
        key = f"models/{version.model_id}/{version.digest}/{file.path}"
        try:
            data = self._session.get_object(self._bucket, key, timeout=_LOAD_SECONDS)
        except NotFound as error:
            raise Corrupt(f"{file.path} of version {version.version} is gone") from error
        if sha256(data) != file.sha256:
            raise Corrupt(f"{file.path} of version {version.version} is not what was registered")
        return data

    def signing_key(self) -> Key:
        """The current key of receipts; its id is that of the secret's version."""
        try:
            return self._key("AWSCURRENT")
        except NotFound as error:
            raise Unavailable("the key of receipts is missing") from error

    def verifying_keys(self) -> dict[str, Key]:
        """By id, the current key and the one before the last rotation."""
        keys = [self.signing_key()]
        with suppress(NotFound):
            keys.append(self._key("AWSPREVIOUS"))
        return {key.kid: key for key in keys}

    def _key(self, stage: str) -> Key:
        request = {"SecretId": self._secret, "VersionStage": stage}
        answer = self._session.json("secretsmanager", "secretsmanager.GetSecretValue", request, timeout=_READ_SECONDS)
        return Key(answer["VersionId"][:8], answer["SecretString"].encode())

    def _item(self, pk: str, sk: str, timeout: float) -> dict[str, Any] | None:
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        request = {"TableName": self._table, "Key": key, "ConsistentRead": True}
        answer = self._session.json("dynamodb", "DynamoDB_20120810.GetItem", request, timeout=timeout)
        return answer.get("Item")
