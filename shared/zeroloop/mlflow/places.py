"""Where artifacts lie: a client's path or an artifact URI -> a key of the artifacts bucket. Pure."""

import posixpath
import re
from urllib.parse import unquote

from zeroloop.errors import InvalidInput

ROOT = "artifacts"
PROXIED = "mlflow-artifacts:"

_MOST_KEY_BYTES = 1024  # S3's
_MOST_DECODINGS = 10
_UNSAFE = re.compile(r"^/|^[A-Za-z]:/|(^|/)\.\.(/|$)|[\\#\x00-\x1f\x7f]")


def location(root: str, bucket: str, experiment_id: str) -> str:
    """Where an experiment keeps artifacts if its maker didn't say: `root` is the setting, `s3` or `proxied`."""
    return f"{PROXIED}/{experiment_id}" if root == "proxied" else f"s3://{bucket}/{ROOT}/{experiment_id}"


def key_of(uri: str, bucket: str) -> str | None:
    """The key below which `uri` keeps its files; None if that isn't among our artifacts."""
    ours = f"s3://{bucket}/{ROOT}"
    try:
        if uri.startswith(PROXIED):
            # The host is the client's business: it led here.
            return key(re.sub("^(//[^/]*)?/*", "", uri.removeprefix(PROXIED)))
        if uri == ours or uri.startswith(f"{ours}/"):
            return _checked(f"{ROOT}/{uri.removeprefix(ours)}")
    except InvalidInput:
        pass
    return None


def key(path: str, below: str = ROOT) -> str:
    """The key of a client's path, which may be empty, in the folder `below`.

    Decoded until nothing is left to decode, as MLflow's server does: gateways differ in whether they decode a path, and
    nothing may hide behind a second encoding.

    Raises
    ------
    InvalidInput
        It climbs, starts at a root, holds what no file's name should, or is longer than S3 allows.
    """
    for _ in range(_MOST_DECODINGS):
        path, before = unquote(path), path
        if path == before:
            return _checked(f"{below}/{path}", path)
    raise InvalidInput("Invalid path", field="path")


def _checked(key: str, path: str = "") -> str:
    if _UNSAFE.search(path) or _UNSAFE.search(key):
        raise InvalidInput("Invalid path", field="path")
    key = posixpath.normpath(key)
    if len(key.encode()) > _MOST_KEY_BYTES:
        raise InvalidInput(f"Invalid path: longer than the {_MOST_KEY_BYTES} bytes of an S3 key", field="path")
    return key
