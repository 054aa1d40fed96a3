"""`zeroloop audit ...`: whether the history is what was written, and a copy of it."""

import json
from pathlib import Path
from typing import Any

import click
import msgspec

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


@audit.command("verify-file")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify_file_command(file: Path, *, as_json: bool) -> None:
    """Recompute every hash and link of what `export` wrote, without a stack; exits 1 as `verify` does.

    That no record was taken from the end is shown by the last hash, where it was kept elsewhere.
    """
    try:
        records = _read(file)
        found = {"records": len(records), "head": _head(records), "faults": chain.faults(records, len(records))}
    except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
        raise click.ClickException(f"{file} is not what `zeroloop audit export` wrote: {error}") from error
    if not records:
        raise click.ClickException(f"{file} is not what `zeroloop audit export` wrote: it holds no record")
    _told({"file": str(file), **found}, as_json=as_json)


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
    written = _read(file)
    told = {"model": name, "file": str(file), "records": len(written), "head": _head(written)}
    _told({**told, "faults": chain.faults(written, revision)}, as_json=as_json)


def _read(file: Path) -> list[dict[str, Any]]:
    *lines, rest = file.read_bytes().split(b"\n")
    if rest:
        raise ValueError("its last line was cut off")
    return [json.loads(line) for line in lines]


def _head(records: list[dict[str, Any]]) -> str:
    return str(records[-1]["hash"]) if records else chain.FIRST


def _told(found: dict[str, Any], *, as_json: bool) -> None:
    whole = f"{found['file']}: {found['records']} records, the chain is whole and ends with {found['head']}"
    show(found, as_json, "\n".join(found["faults"]) or whole)
    if found["faults"]:
        raise SystemExit(1)
