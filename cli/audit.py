"""`zeroloop audit ...`: whether the history is what was written."""

import click

from cli.api import Api, on_stack, path
from cli.model import pages
from cli.show import show
from zeroloop.registry import audit as chain


@click.group()
def audit() -> None:
    """Check the audit chain of a model."""


@audit.command("verify")
@click.argument("name")
@on_stack
def verify_command(name: str, api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Recompute every hash and link of NAME's history; exits 1 if anything was changed, dropped or added."""
    revision = api.get(path("models", name, "lineup"))["revision"]
    records = pages(api, path("models", name, "history"), "history", "before")
    faults = chain.faults(reversed(records), revision)
    text = "\n".join(faults) if faults else f"{name}: {len(records)} records, the chain is whole"
    show({"model": name, "records": len(records), "faults": faults}, as_json, text)
    if faults:
        raise SystemExit(1)
