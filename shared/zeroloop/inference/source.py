"""What predict reads: lineups and versions from RegistryTable, packages from S3, signing keys. Lean, signed calls.

Reads the `body` of RegistryTable's items (`registry/store.py`), whose format is their contract's; PynamoDB would cost
a cold start 222 ms of imports and a client 358 ms more.
"""

from collections.abc import Collection
from contextlib import suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from zeroloop.digests import PackageFile, package_digest, sha256
from zeroloop.errors import InvalidInput, NotFound, Unavailable, ZeroloopError
from zeroloop.inference.model import TOKENIZER, Model
from zeroloop.inference.receipts import Key
from zeroloop.inference.warm import Served
from zeroloop.registry.rules import Facts, Lineup, Version
from zeroloop.signed import Session

_READ_SECONDS = 3.0
_LOAD_SECONDS = 20.0
_NEEDED = {"package.json", "model.tflite", TOKENIZER}


class Corrupt(ZeroloopError):  # noqa: N818
    """Stored bytes are not those that were registered."""

    code = "corrupt_package"


class Unservable(ZeroloopError):  # noqa: N818
    """A version that was admitted once can't be loaded now: the stack has changed, not the caller."""

    code = "unservable"


class Source:
    """The registry as predict sees it; `also` names files of a package that are wanted where it has them."""

    def __init__(
        self, session: Session, *, table: str, bucket: str, secret: str = "", also: Collection[str] = ()
    ) -> None:
        self._session = session
        self._table = table
        self._bucket = bucket
        self._secret = secret
        self._needed = _NEEDED | set(also)

    def model_id(self, name: str, timeout: float) -> str | None:
        """The id of the model called `name`."""
        item = self._item(f"NAME#{name}", "NAME", timeout)
        return item["model_id"]["S"] if item else None

    def lineup(self, model_id: str, timeout: float) -> Lineup | None:
        """Who serves."""
        item = self._item(f"MODEL#{model_id}", "LINEUP", timeout)
        return msgspec.json.decode(item["body"]["S"], type=Lineup) if item else None

    def load(self, model_id: str, number: int) -> Served:
        """A READY version, every byte verified before the interpreter sees it.

        Raises
        ------
        NotFound
            `unknown_version`, or `version_not_ready`.
        Corrupt
            The bytes are not those that were registered.
        Unservable
            This stack can't load it, though one before could.
        """
        version = self.ready(model_id, number)
        if package_digest(version.files) != version.digest:
            raise Corrupt(f"the manifest of version {number} is not the one that was registered")
        files = {file.path: self._fetch(version, file) for file in version.files if file.path in self._needed}
        try:
            return Served(version, Model(files))
        except InvalidInput as error:
            raise Unservable(f"version {number} can't be loaded by this stack: {error.message}") from error

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

    def _fetch(self, version: Version, file: PackageFile) -> bytes:
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
