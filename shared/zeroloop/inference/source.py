"""What predict reads: lineups and versions from RegistryTable, packages from S3, signing keys. Lean, signed calls."""

from collections.abc import Collection

from zeroloop.digests import package_digest
from zeroloop.errors import InvalidInput, ZeroloopError
from zeroloop.inference.model import TOKENIZER, Model
from zeroloop.inference.registered import Corrupt, Registered
from zeroloop.inference.warm import Served
from zeroloop.signed import Session

_NEEDED = {"package.json", "model.tflite", TOKENIZER}


class Unservable(ZeroloopError):  # noqa: N818
    """A version that was admitted once can't be loaded now: the stack has changed, not the caller."""

    code = "unservable"


class Source(Registered):
    """The registry as predict sees it; `also` names files of a package that are wanted where it has them."""

    def __init__(
        self, session: Session, *, table: str, bucket: str, secret: str = "", also: Collection[str] = ()
    ) -> None:
        super().__init__(session, table=table, bucket=bucket, secret=secret)
        self._needed = _NEEDED | set(also)

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
        files = {file.path: self.fetch(version, file) for file in version.files if file.path in self._needed}
        try:
            return Served(version, Model(files))
        except InvalidInput as error:
            raise Unservable(f"version {number} can't be loaded by this stack: {error.message}") from error
