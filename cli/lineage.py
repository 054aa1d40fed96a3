"""`zeroloop data used DIGEST`: from data to the versions that were made of it, and when they served."""

import re
from typing import Any

import click

from cli import serving
from cli.api import Api, on_stack, path
from cli.model import pages
from cli.show import show, table

_DIGEST = re.compile("[0-9a-f]{8,64}")


@click.command("used")
@click.argument("digest")
@on_stack
def used_command(digest: str, api: Api, *, as_json: bool) -> None:
    """List the versions of every model that DIGEST (of a file, a data set, a split, an assembled one) was used for."""
    if not _DIGEST.fullmatch(digest.lower()):
        raise click.UsageError(f"{digest!r} is no SHA-256: name its hexadecimal digits, at least the first 8 digits")
    found = used(api, digest.lower())
    rows = [
        [one["model"], one["version"], one["as"], one["stage"] or "-", "; ".join(map(str, one["served"])) or "never"]
        for one in found
    ]
    told = [{**one, "served": [period._asdict() for period in one["served"]]} for one in found]
    text = table(["model", "version", "as", "stage", "served (UTC)"], rows) if rows else "no version was made of it"
    show(told, as_json, text)


def used(api: Api, digest: str) -> list[dict[str, Any]]:
    """What was made of data whose digest begins so, newest version first."""
    found = []
    for model in pages(api, path("models"), "models", "after"):
        name = model["model"]
        traced = {
            one["version"]: one["data"] or {}
            for one in pages(api, path("models", name, "evaluations"), "evaluations", "before")
        }
        hits = [
            {"model": name, "version": version["version"], "stage": version["stage"], "as": role}
            for version in pages(api, path("models", name, "versions"), "versions", "before")
            if (role := _role(version, traced.get(version["version"], {}), digest))
        ]
        records = serving.history(api, name) if hits else []
        found += [{**hit, "served": serving.periods(records, hit["version"])} for hit in hits]
    return found


def _role(version: dict[str, Any], traced: dict[str, Any], digest: str) -> str | None:
    """What the data was to the version; None if nothing."""
    known = {
        "source": version["dataset_hash"] or traced.get("source"),
        "data": traced.get("digest"),
        "assembled": traced.get("assembled"),
        **traced.get("splits", {}),
    }
    return next((role for role, held in known.items() if held and held.startswith(digest)), None)
