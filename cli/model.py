"""`zeroloop model ...`: register packages and say which serve. All writes go through the API."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from cli.api import Api, on_stack, path
from cli.show import show, table, when
from zeroloop import clock
from zeroloop.digests import PackageFile, package_digest, sha256
from zeroloop.errors import InvalidInput
from zeroloop.inference import package as packages

FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 2.0, 4.0
ADMISSION_SECONDS = 300.0


@click.group()
def model() -> None:
    """Register packages and say which serve."""


@model.command("register")
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--model", "name", required=True, help="Name of the model; it comes into being with its first version.")
@on_stack
def register_command(directory: Path, name: str, api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Register the package in DIRECTORY and wait for its admission; exits 1 if it is refused."""
    version = register(api, directory, name)
    text = f"{name} version {version['version']} is {version['state']}"
    show(version, as_json, f"{text}: {version['reason']}" if version["reason"] else text)
    if version["state"] != "READY":
        raise SystemExit(1)


def register(api: Api, directory: Path, name: str) -> dict[str, Any]:
    """Upload what isn't there yet, start admission, and answer the settled version."""
    files = manifest(directory)
    body = {"files": [file._asdict() for file in files]}
    version = api.post(path("models", name, "versions"), body, repeat=True)
    for upload in version["uploads"]:
        api.upload(upload, (directory / upload["path"]).read_bytes())
    here = path("models", name, "versions", version["version"])
    version = api.post(f"{here}/complete", {}, repeat=True)
    deadline, pause = clock.monotonic() + ADMISSION_SECONDS, FIRST_POLL_SECONDS
    while version["state"] == "PENDING":
        if clock.monotonic() > deadline:
            raise click.ClickException(f"{name} version {version['version']} still waits for its admission")
        clock.sleep(pause)
        pause = min(LAST_POLL_SECONDS, 2 * pause)
        version = api.get(here)
    return version


def manifest(directory: Path) -> list[PackageFile]:
    """The files of a package, checked here first: a wrong package.json is told before anything is uploaded."""
    description = directory / "package.json"
    if not description.is_file():
        raise click.ClickException(f"{directory} holds no package.json: not a package")
    try:
        packages.read(description.read_bytes())
    except InvalidInput as error:
        raise click.ClickException(error.message) from error
    found = sorted(file for file in directory.rglob("*") if file.is_file() and not file.name.startswith("."))
    return [PackageFile(file.relative_to(directory).as_posix(), *_stat(file)) for file in found]


def _stat(file: Path) -> tuple[str, int]:
    data = file.read_bytes()
    return sha256(data), len(data)


@model.command("list")
@on_stack
def list_command(api: Api, as_json: bool) -> None:  # noqa: FBT001
    """List models with their champions."""
    models = pages(api, path("models"), "models", "after")
    rows = [[row["model"], row["latest_version"], row["champion"] or "-", when(row["created_at"])] for row in models]
    show(models, as_json, table(["model", "versions", "champion", "created"], rows))


@model.command("versions")
@click.argument("name")
@on_stack
def versions_command(name: str, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """List the versions of a model, newest first."""
    versions = pages(api, path("models", name, "versions"), "versions", "before")
    rows = [[v["version"], v["state"], v["stage"] or "-", v["version_id"], v["reason"] or ""] for v in versions]
    show(versions, as_json, table(["version", "state", "stage", "id", "reason"], rows))


@model.command("get")
@click.argument("name")
@click.argument("version", type=int, required=False)
@click.option("--output", type=click.Path(path_type=Path), help="Folder to write; default NAME-VERSION.")
@on_stack
def get_command(name: str, version: int | None, output: Path | None, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Download the verified files of a version; the production version by default."""
    number = version or api.get(path("models", name, "lineup"))["champion"]
    if number is None:
        raise click.ClickException(f"{name} has no champion; name a version")
    target = output or Path(f"{name}-{number}")
    found = download(api, name, number, target)
    show(found, as_json, f"{name} version {number} is in {target}, {len(found['files'])} files, digest verified")


def download(api: Api, name: str, number: int, target: Path) -> dict[str, Any]:
    """Write a version's files to `target`, each byte verified against the version's digest."""
    here = path("models", name, "versions", number)
    version = api.get(here)
    files = api.get(f"{here}/download")["files"]
    if package_digest(PackageFile(f["path"], f["sha256"], f["size"]) for f in files) != version["digest"]:
        raise click.ClickException("the manifest is not that of the version's digest")
    for file in files:
        data = api.download(file["url"])
        if sha256(data) != file["sha256"]:
            raise click.ClickException(f"{file['path']} is not what was registered: its SHA-256 differs")
        (target / file["path"]).parent.mkdir(parents=True, exist_ok=True)
        (target / file["path"]).write_bytes(data)
    return {**version, "directory": str(target)}


@model.command("lineup")
@click.argument("name")
@on_stack
def lineup_command(name: str, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Show who serves."""
    lineup = api.get(path("models", name, "lineup"))
    show(lineup, as_json, told(lineup))


@model.command("promote")
@click.argument("name")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Why; the audit keeps it.")
@click.option("--expected-revision", type=int, help="Refuse if the lineup has changed since this revision.")
@click.option("--override", is_flag=True, help="In spite of the gates; the audit shows it.")
@on_stack
def promote_command(  # noqa: PLR0913 - click's form
    name: str,
    version: int,
    reason: str,
    expected_revision: int | None,
    api: Api,
    *,
    override: bool,
    as_json: bool,
) -> None:
    """Make VERSION the champion."""
    order = {"version": version, "reason": reason, "expected_revision": expected_revision, "override": override}
    lineup = api.post(path("models", name, "promote"), order)
    show(lineup, as_json, told(lineup))


@model.command("rollback")
@click.argument("name")
@click.option("--reason", required=True, help="Why; the audit keeps it.")
@click.option("--to", "to_version", type=int, help="Version to go back to; default the previous champion.")
@click.option("--expected-revision", type=int, help="Refuse if the lineup has changed since this revision.")
@on_stack
def rollback_command(  # noqa: PLR0913, PLR0917 - click's form
    name: str,
    reason: str,
    to_version: int | None,
    expected_revision: int | None,
    api: Api,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Make the previous champion serve again."""
    order = {"reason": reason, "to_version": to_version, "expected_revision": expected_revision}
    lineup = api.post(path("models", name, "rollback"), order)
    show(lineup, as_json, told(lineup))


@model.command("challenge")
@click.argument("name")
@click.argument("version", type=int, required=False)
@click.option("--traffic", type=click.FloatRange(0, 1), help="Its share, 0 to 1; with VERSION always.")
@click.option("--reason", required=True, help="Why; the audit keeps it.")
@click.option("--override", is_flag=True, help="In spite of the gates; the audit shows it.")
@on_stack
def challenge_command(  # noqa: PLR0913 - click's form
    name: str,
    version: int | None,
    traffic: float | None,
    reason: str,
    api: Api,
    *,
    override: bool,
    as_json: bool,
) -> None:
    """Give VERSION a share of the traffic (a canary); without VERSION, take the challenger out."""
    order = {"version": version, "traffic": traffic, "reason": reason, "override": override}
    lineup = api.post(path("models", name, "challenger"), order)
    show(lineup, as_json, told(lineup))


@model.command("approve")
@click.argument("name")
@click.argument("version", type=int)
@click.option("--reason", required=True, help="Why; the audit keeps it.")
@on_stack
def approve_command(name: str, version: int, reason: str, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Say that VERSION may serve."""
    approved = api.post(path("models", name, "versions", version, "approval"), {"reason": reason})
    show(approved, as_json, f"{name} version {version} is approved by {approved['approval']['actor']}")


@model.command("history")
@click.argument("name")
@on_stack
def history_command(name: str, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Show every change of who serves, newest first."""
    records = pages(api, path("models", name, "history"), "history", "before")
    rows = [
        [r["revision"], when(r["at"]), r["action"], r["after"]["champion"] or "-", gated(r), r["actor"], r["reason"]]
        for r in records
    ]
    show(records, as_json, table(["revision", "at", "action", "champion", "gate", "actor", "reason"], rows))


def gated(record: Mapping[str, Any]) -> str:
    """The gates' verdict in an audit record, and whether it was overridden."""
    gate = (record["evidence"] or {}).get("gate", {})
    return f"{gate.get('verdict', '-')}{', overridden' if gate.get('override') else ''}"


def pages(api: Api, where: str, key: str, cursor: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    found: list[dict[str, Any]] = []
    query = ""
    while True:
        page = api.get(where + query)
        found += page[key]
        if page["next"] is None:
            return found
        query = f"?{cursor}={quote(str(page['next']), safe='')}"


def told(lineup: dict[str, Any]) -> str:
    """A lineup in a line."""
    canary = f", challenger {lineup['challenger']} with {lineup['traffic']:.0%}" if lineup["challenger"] else ""
    previous = f", previous {lineup['previous']}" if lineup["previous"] else ""
    return (
        f"{lineup['model']}: champion {lineup['champion'] or 'none'}{previous}{canary} (revision {lineup['revision']})"
    )
