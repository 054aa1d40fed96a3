"""`zeroloop audit ...`: whether the history is what was written, and a copy of it."""

import json
from pathlib import Path

import click

from cli import serving
from cli.api import Api, on_stack, path
from cli.show import show
from zeroloop.registry import audit as chain


@click.group()
def audit() -> None:
    """Check the audit chain of a model, or take a copy of it."""


@audit.command("verify")
@click.argument("name")
@on_stack
def verify_command(name: str, api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Recompute every hash and link of NAME's history; exits 1 if anything was changed, dropped or added."""
    revision = api.get(path("models", name, "lineup"))["revision"]
    records = serving.history(api, name)
    faults = chain.faults(records, revision)
    text = "\n".join(faults) if faults else f"{name}: {len(records)} records, the chain is whole"
    show({"model": name, "records": len(records), "faults": faults}, as_json, text)
    if faults:
        raise SystemExit(1)


@audit.command("export")
@click.argument("name")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default NAME.jsonl.")
@on_stack
def export_command(name: str, output: Path | None, api: Api, *, as_json: bool) -> None:
    """Write NAME's history as JSON lines, oldest first, and verify what was written; exits 1 as `verify` does.

    Each line is a record as it is stored: whoever has the file can verify the chain without us.
    """
    revision = api.get(path("models", name, "lineup"))["revision"]
    file = output or Path(f"{name}.jsonl")
    records = serving.history(api, name)
    file.write_bytes(b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in records))
    written = [json.loads(line) for line in file.read_bytes().split(b"\n")[:-1]]
    faults = chain.faults(written, revision)
    head = written[-1]["hash"] if written else chain.FIRST
    text = "\n".join(faults) if faults else f"{file}: {len(written)} records, the chain is whole and ends with {head}"
    told = {"model": name, "file": str(file), "records": len(written), "head": head, "faults": faults}
    show(told, as_json, text)
    if faults:
        raise SystemExit(1)
