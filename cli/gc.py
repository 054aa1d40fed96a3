"""`zeroloop gc`: what nothing refers to any more, objects or published versions of functions.

Looks first; deletes with the operator's own permission.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import botocore.session
import click

from cli.api import Api, on_stack, path
from cli.local import deployment
from cli.model import pages
from cli.show import show, table
from zeroloop import clock

_DAY_MS = 86_400_000
_ALIAS = "live"  # as template.yaml calls the one that serves


class Folder(NamedTuple):
    """What lies below a prefix: keys, bytes, and when the newest object came (ms since 1970)."""

    prefix: str
    keys: list[str]
    size: int
    newest: int


class Referred(NamedTuple):
    """What versions refer to: their packages' prefixes, and the addresses that they were registered by."""

    packages: set[str]
    addresses: list[str]


@click.command("gc")
@click.option("--bucket", help="The stack's ArtifactsBucket.  [default: a local stack's own]")
@click.option("--delete", is_flag=True, help="Delete; without it, only look.")
@click.option("--packages", is_flag=True, help="Packages, too; the bucket's policy must have been lifted for them.")
@click.option(
    "--older-than",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Days that an object must have been there.",
)
@click.option("--function-versions", is_flag=True, help="Old published versions of the functions, and no objects.")
@click.option(
    "--stack", envvar="ZEROLOOP_STACK", help="Whose functions, by its name on AWS.  [default: a local stack's]"
)
@on_stack
def gc(  # noqa: PLR0913 - click's form
    bucket: str | None,
    older_than: int,
    stack: str | None,
    api: Api,
    *,
    delete: bool,
    packages: bool,
    function_versions: bool,
    as_json: bool,
) -> None:
    """List what nothing refers to in ArtifactsBucket: artifacts of runs that are gone, packages of deleted versions.

    With --delete it goes; replaced and deleted objects are kept by S3 for 30 more days. With --function-versions it is
    the functions' published versions instead: the one that serves stays, the one before it, and any newer.
    """
    if function_versions:
        _old_versions(api, stack, delete=delete, as_json=as_json)
        return
    s3, name = _storage(api, bucket)
    before = clock.now_ms() - older_than * _DAY_MS
    found = [folder for folder in unreferenced(api, s3, name) if folder.newest <= before]
    doomed = [folder for folder in found if packages or not folder.prefix.startswith("models/")]
    if delete:
        for folder in doomed:
            _delete(s3, name, folder.keys)
    gone = {folder.prefix for folder in doomed} if delete else set()
    rows = [[one.prefix, len(one.keys), f"{one.size:,}", _fate(one, gone, packages=packages)] for one in found]
    told = [{"prefix": one.prefix, "bytes": one.size, "deleted": one.prefix in gone} for one in found]
    show(told, as_json, table(["unreferenced", "objects", "bytes", ""], rows) if rows else "everything is referred to")


def _fate(folder: Folder, gone: set[str], *, packages: bool) -> str:
    if folder.prefix in gone:
        return "deleted"
    return "kept: a package" if folder.prefix.startswith("models/") and not packages else "would be deleted"


def _old_versions(api: Api, stack: str | None, *, delete: bool, as_json: bool) -> None:
    if not stack and not _is_local(api):
        raise click.UsageError("name the --stack")
    functions, stacks = _client(api, "lambda"), _client(api, "cloudformation")
    resources = stacks.get_paginator("list_stack_resources").paginate(StackName=stack or deployment.STACK)
    names = [
        resource["PhysicalResourceId"]
        for page in resources
        for resource in page["StackResourceSummaries"]
        if resource["ResourceType"] == "AWS::Lambda::Function"
    ]
    old = [(name, version) for name in sorted(names) for version in superseded(functions, name)]
    if delete:
        for name, version in old:
            functions.delete_function(FunctionName=name, Qualifier=str(version))
    told = [{"function": name, "version": version, "deleted": delete} for name, version in old]
    rows = [[name, version, "deleted" if delete else "would be deleted"] for name, version in old]
    show(told, as_json, table(["function", "version", ""], rows) if rows else "no function has old versions")


def superseded(functions: Any, name: str) -> list[int]:
    """Versions of a function from before the last one that served; none where nothing is said to serve."""
    aliases = [alias for page in _pages(functions, "list_aliases", name) for alias in page["Aliases"]]
    named = {a["Name"]: int(a["FunctionVersion"]) for a in aliases if a["FunctionVersion"] != "$LATEST"}
    listed = [
        one["Version"] for page in _pages(functions, "list_versions_by_function", name) for one in page["Versions"]
    ]
    older = sorted(int(version) for version in listed if version != "$LATEST" and int(version) < named.get(_ALIAS, 0))
    return [version for version in older[:-1] if version not in named.values()]


def _pages(functions: Any, operation: str, name: str) -> Any:
    return functions.get_paginator(operation).paginate(FunctionName=name)


def unreferenced(api: Api, s3: Any, bucket: str) -> Iterator[Folder]:
    """Folders of artifacts whose run or logged model is gone, and of packages that no version has."""
    referred = _referred(api)
    for folder in _folders(s3, bucket, "models/", 3):
        if folder.prefix not in referred.packages:
            yield folder
    for folder in _folders(s3, bucket, "artifacts/", 4):
        named = any(folder.prefix in f"{address.rstrip('/')}/" for address in referred.addresses)
        if not named and not _lives(api, folder.prefix):
            yield folder


def _referred(api: Api) -> Referred:
    packages, addresses = set(), []
    for model in pages(api, path("models"), "models", "after"):
        for version in pages(api, path("models", model["model"], "versions"), "versions", "before"):
            packages.add(f"models/{version['model_id']}/{version['digest']}/")
            if version["origin"]:
                addresses.append(version["origin"]["location"])
    return Referred(packages, addresses)


def _lives(api: Api, prefix: str) -> bool:
    """Whether the run, or the logged model, of `artifacts/<experiment>/<run>/` or `.../models/<model>/` is there."""
    _, _, *thing = prefix.strip("/").split("/")
    where = (
        f"/api/2.0/mlflow/logged-models/{quote(thing[1], safe='')}"
        if thing[0] == "models" and len(thing) > 1
        else f"/api/2.0/mlflow/runs/get?run_id={quote(thing[0], safe='')}"
    )
    return api.find(where) is not None


def _folders(s3: Any, bucket: str, top: str, depth: int) -> Iterator[Folder]:
    """The folders of `depth` names below the bucket, of a run `artifacts/<experiment>/<run>/` (S3 lists in order)."""
    current: Folder | None = None
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=top):
        for entry in page.get("Contents", []):
            prefix, at = _prefix(entry["Key"], depth), round(entry["LastModified"].timestamp() * 1000)
            if current is None or current.prefix != prefix:
                if current:
                    yield current
                current = Folder(prefix, [], 0, 0)
            size, newest = current.size + entry["Size"], max(current.newest, at)
            current = current._replace(keys=[*current.keys, entry["Key"]], size=size, newest=newest)
    if current:
        yield current


def _prefix(key: str, depth: int) -> str:
    parts = key.split("/")
    if parts[0] == "artifacts" and parts[2:3] != ["models"]:
        depth -= 1
    return "/".join(parts[:depth]) + "/"


def _delete(s3: Any, bucket: str, keys: Sequence[str]) -> None:
    for start in range(0, len(keys), 1000):
        objects = [{"Key": key} for key in keys[start : start + 1000]]
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if errors := answer.get("Errors"):
            raise click.ClickException(
                f"{len(errors)} objects were not deleted: {errors[0]['Code']}. Packages are held by the statement "
                "PackagesAreNeverDeleted of the bucket's policy; docs/governance.md says how an owner lifts it"
            )


def _storage(api: Api, bucket: str | None) -> tuple[Any, str]:
    """S3 and the bucket: of a local stack the emulator's, else with the caller's own credentials."""
    if _is_local(api):
        bucket = bucket or deployment.outputs(_endpoint(api))["ArtifactsBucket"]
    if not bucket:
        raise click.UsageError("name the --bucket: the stack's output ArtifactsBucket")
    return _client(api, "s3"), bucket


def _client(api: Api, service: str) -> Any:
    if _is_local(api):
        return deployment.client(service, _endpoint(api))
    return botocore.session.get_session().create_client(service)


def _is_local(api: Api) -> bool:
    return "/_aws/" in api.url


def _endpoint(api: Api) -> str:
    return api.url.partition("/_aws/")[0]
