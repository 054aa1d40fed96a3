"""Addresses that versions are registered by: what they name, and what may be registered. Pure."""

from collections.abc import Iterable
from typing import Literal
from urllib.parse import unquote, unquote_plus, urlsplit

from msgspec import Struct

from zeroloop.errors import InvalidInput
from zeroloop.registry.manifest import REQUIRED_FILES

# Where artifacts lie in the bucket: `mlflow-artifacts:/1/abc/artifacts` is the key `artifacts/1/abc/artifacts`.
ARTIFACTS = "artifacts/"
# Objects of the bucket that a package may be registered from: artifacts, and the packages of other versions.
_OURS = (ARTIFACTS, "models/")
_PACKAGE_FOLDERS = ("package/", "")


class Named(Struct, frozen=True):
    """What an address names: a run's or a logged model's artifacts, a registered version, or just a place."""

    kind: Literal["run", "logged model", "version", "place"]
    name: str
    rest: str = ""


def read(source: str, *, run_id: str, logged_model: str) -> Named:
    """What `source` names, if it may be registered as what `run_id` or `logged_model` made.

    Raises
    ------
    InvalidInput
        A path on the caller's own machine, one that climbs, or of another run or logged model than the one named.
    """
    plain = source
    while (decoded := unquote_plus(plain)) != plain:
        plain = decoded
    try:
        parts = urlsplit(plain)
    except ValueError as error:
        raise _refused(source, str(error)) from error
    if ".." in plain.split("/") or "\0" in plain:
        raise _refused(source, "an absolute path without relative parts is needed")
    if parts.scheme in {"", "file"}:
        raise _refused(source, "a path of your own machine can't be read from here; log the artifacts and name those")
    if parts.scheme in {"runs", "models"}:
        path = parts.path.strip("/")
        if parts.netloc or not path:
            raise _refused(source, f"write {parts.scheme}:/ and what it names")
        named = _run(path) if parts.scheme == "runs" else _model(path)
        if named.kind != "version" and named.name != (run_id if named.kind == "run" else logged_model):
            raise _refused(source, f"it is not of the {named.kind} that the request names")
        if named.kind == "run" and logged_model:
            raise _refused(source, "it is of a run, not of the logged model that the request names")
        return named
    if parts.scheme == "mlflow-artifacts" and not (run_id or logged_model):
        raise _refused(source, "name the run_id or the model_id that it belongs to")
    return Named("place", source)


def _run(path: str) -> Named:
    run_id, _, rest = path.partition("/")
    return Named("run", run_id, rest)


def _model(path: str) -> Named:
    """`m-<id>`, `name/3`, `name/Production`, `name/latest` or `name@alias`."""
    name, slash, version = path.partition("/")
    if slash:
        return Named("version", name, version)
    name, at, alias = path.rpartition("@")
    return Named("version", name, at + alias) if at else Named("logged model", path)


def _refused(source: str, why: str) -> InvalidInput:
    return InvalidInput(f"Invalid model version source: '{source[:200]}': {why}", field="source")


def within(location: str, root: str) -> bool:
    """Whether `location` is `root` or below it."""
    return f"{location.rstrip('/')}/".startswith(f"{root.rstrip('/')}/")


def folder(location: str, bucket: str) -> str | None:
    """The folder of `bucket` at `location`, as a prefix of keys; None if it is none of ours."""
    here = f"s3://{bucket}/"
    if location.startswith(here):
        path = location.removeprefix(here).strip("/")
    elif location.startswith("mlflow-artifacts:"):
        path = ARTIFACTS + unquote(urlsplit(location).path).strip("/")
    else:
        return None
    return f"{path}/" if path.startswith(_OURS) else None


def package_folders(folder: str) -> list[str]:
    """Where a package may be in an artifact's folder."""
    return [folder + inner for inner in _PACKAGE_FOLDERS]


def is_package(paths: Iterable[str]) -> bool:
    """Whether files of these paths make a package, at least by their names."""
    return set(REQUIRED_FILES) <= set(paths)
