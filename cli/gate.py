"""`zeroloop gate ...`: what a version must have shown before it serves."""

import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec

from cli.api import Api, on_stack, path
from cli.model import manifest
from cli.project import Place, evaluation, in_project
from cli.show import show, table
from zeroloop.errors import InvalidInput
from zeroloop.registry import gates


@click.group()
def gate() -> None:
    """What a version must have shown before it serves."""


@gate.command("check")
@in_project
def check_command(place: Place, *, as_json: bool) -> None:
    """Hold the evaluation against PROJECT's gates.toml, as the registry will; exits 1 if anything is missed."""
    result = checked(place)
    show(result, as_json, judged(result))
    if not result["passed"]:
        raise SystemExit(1)


def checked(place: Place) -> dict[str, Any]:
    """The verdict by the project's gates, beside each champion."""
    asked, found = _read(place.folder / "gates.toml"), evaluation(place)
    size = sum(file.size for file in manifest(place.package))
    verdicts = [gates.hold(asked, found, size, champion) for champion in found.comparisons or (None,)]
    checks = {check: None for verdict in verdicts for check in verdict.checks}
    result = {"passed": all(check.passed for check in checks), "checks": msgspec.to_builtins([*checks])}
    place.write("gate", result)
    return result


@gate.command("set")
@click.argument("name")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--reason", required=True, help="Why; the audit keeps it.")
@click.option("--none", "nothing", is_flag=True, help="Ask for nothing any more.")
@on_stack
def set_command(  # noqa: PLR0913 - click's form
    name: str, file: Path | None, reason: str, api: Api, *, nothing: bool, as_json: bool
) -> None:
    """Ask for the gates in FILE of every version of NAME that is to serve from now on."""
    if nothing is (file is not None):
        raise click.UsageError("name a FILE, or --none")
    asked = read_gates(file) if file else None
    lineup = set_gates(api, name, asked, reason)
    show(
        lineup,
        as_json,
        f"{name}: {f'the gates are those of {file}' if file else 'no gates'} (revision {lineup['revision']})",
    )


def set_gates(api: Api, name: str, asked: dict[str, Any] | None, reason: str) -> dict[str, Any]:
    """Ask for gates; what is asked already leaves no record."""
    return api.post(path("models", name, "gates"), {"gates": asked, "reason": reason}, repeat=True)


@gate.command("show")
@click.argument("name")
@click.argument("version", type=int, required=False)
@on_stack
def show_command(name: str, version: int | None, api: Api, *, as_json: bool) -> None:
    """Show the gates of NAME, or the verdict on its VERSION by today's gates and champion."""
    if version is None:
        asked = api.get(path("models", name, "gates"))
        show(asked, as_json, _lines(asked["gates"]))
        return
    found = api.get(path("models", name, "versions", version, "evaluation"))
    show(found, as_json, judged(found["verdict"]) if found["verdict"] else f"{name} has no gates")


def judged(verdict: dict[str, Any]) -> str:
    """A verdict, a line a check."""
    rows = [["ok" if one["passed"] else "MISSED", one["name"], one["says"]] for one in verdict["checks"]]
    return f"{table(['', 'asked', 'found'], rows)}\n{'passed' if verdict['passed'] else 'not passed'}"


def _lines(asked: dict[str, Any], before: str = "") -> str:
    lines = []
    for name, value in asked.items():
        lines += [_lines(value, f"{before}{name}.")] if isinstance(value, dict) else [f"{before}{name} = {value}"]
    return "\n".join(line for line in lines if line)


def read_gates(file: Path) -> dict[str, Any]:
    """The gates in a TOML file, as the API takes them."""
    return dict(msgspec.to_builtins(_read(file)))


def _read(file: Path) -> gates.Gates:
    try:
        return gates.read(tomllib.loads(file.read_text()))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"{file}: {error}") from error
    except InvalidInput as error:
        raise click.ClickException(f"{file}: {error.message}") from error
