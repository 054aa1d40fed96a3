"""`zeroloop local ...`."""

import json
from pathlib import Path

import click
import msgspec

from cli.local import deployment, stack, tools
from cli.local.home import PROJECT, Home, Record
from zeroloop import clock

in_home = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    callback=lambda _context, _parameter, path: Home(path.resolve()),
    default=PROJECT / ".zeroloop",
    envvar="ZEROLOOP_HOME",
    show_envvar=True,
    help="Folder of this stack's state and logs.  [default: .zeroloop]",
)
as_json = click.option("--json", "in_json", is_flag=True, help="Print the record as JSON.")


@click.group()
def local() -> None:
    """The stack on this machine: the real template on an emulated AWS. No account, no Docker."""


@local.command()
@in_home
@click.option("--port", type=int, help="Port of the emulated AWS.  [default: 4566, or one that is free]")
@click.option("--iam", is_flag=True, help="Authorize routes by AWS_IAM and enforce policies; calls must be signed.")
@click.option("--uv", envvar="UV", help="The uv to use.  [default: the one on PATH]")
@as_json
def up(home: Home, port: int | None, uv: str | None, *, iam: bool, in_json: bool) -> None:
    """Start the stack, or bring it up to date; says at once when there is nothing to do."""
    _show(stack.up(home, uv=tools.find_uv(uv), port=port, iam=iam), in_json=in_json)


@local.command()
@in_home
@click.option("--purge", is_flag=True, help="Delete its tables and objects too.")
def down(home: Home, *, purge: bool) -> None:
    """Stop the stack; its tables and objects stay for the next `up`."""
    click.echo("stopped" if stack.down(home) else "was not running", err=True)
    if purge:
        stack.purge(home)


@local.command()
@in_home
@as_json
def status(home: Home, *, in_json: bool) -> None:
    """Say whether the stack runs, and where; exits with 1 if it doesn't."""
    _show(_running(home), in_json=in_json)


@local.command()
@in_home
@click.argument("function", required=False)
@click.option("--minutes", default=15, show_default=True, help="How far back.")
@click.option("--server", is_flag=True, help="The emulator's own log instead.")
def logs(home: Home, function: str | None, minutes: int, *, server: bool) -> None:
    """Show what the functions logged, or one of them."""
    if server:
        click.echo(home.log("ministack").read_text(errors="replace"), nl=False)
        return
    record = _running(home)
    chosen = {function: _named(record, function)} if function else record.functions
    lines = [line for word, name in chosen.items() for line in _lines(record, word, name, minutes)]
    for at, word, message in sorted(lines, key=lambda line: line[0]):
        click.echo(f"{clock.iso(at)}  {word:<10} {message.rstrip()}")


@local.command()
@in_home
@click.argument("function")
@click.argument("case")
def invoke(home: Home, function: str, case: str) -> None:
    """Invoke FUNCTION with events/FUNCTION/CASE.json and print its answer."""
    record = _running(home)
    event = PROJECT / "events" / function / f"{case}.json"
    if not event.exists():
        raise click.ClickException(f"there is no event {event.relative_to(PROJECT)}")
    answer = deployment.client("lambda", record.endpoint_url).invoke(
        FunctionName=_named(record, function), Qualifier="live", Payload=event.read_bytes()
    )
    click.echo(json.dumps(json.load(answer["Payload"]), indent=2))
    if "FunctionError" in answer:
        raise click.exceptions.Exit(1)


def _running(home: Home) -> Record:
    record = home.read()
    if not record or not stack.is_up(record):
        raise click.ClickException("the stack isn't running; `zeroloop local up` starts it.")
    return record


def _named(record: Record, function: str) -> str:
    if function not in record.functions:
        raise click.ClickException(f"there is no function {function}; there are {', '.join(record.functions)}")
    return record.functions[function]


def _lines(record: Record, word: str, function: str, minutes: int) -> list[tuple[int, str, str]]:
    client = deployment.client("logs", record.endpoint_url)
    since = clock.now_ms() - minutes * 60_000
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{function}", startTime=since)
    return [(event["timestamp"], word, event["message"]) for page in pages for event in page["events"]]


def _show(record: Record, *, in_json: bool) -> None:
    if in_json:
        click.echo(msgspec.json.format(msgspec.json.encode(record)).decode())
        return
    rows = {
        "API": record.api_url,
        "AWS": record.endpoint_url,
        "authorization": "AWS_IAM: sign calls (curl --aws-sigv4)" if record.iam else "none: loopback only",
        "functions": ", ".join(record.functions),
    }
    for name, value in rows.items():
        click.echo(f"{name:<14} {value}")
