"""What a command prints: for a program or for people."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO, Any

import click


class Stopped(click.ClickException):
    """A step that was stopped: people are told why, and --json prints what was found."""

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result
        context = click.get_current_context(silent=True)
        self._as_json = bool(context and context.params.get("as_json"))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it, as click does before it exits."""
        super().show(file)
        if self._as_json:
            click.echo(json.dumps(self.result, indent=2))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """`rows` under `head`, each column as wide as its widest cell."""
    cells = [list(head), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def when(at_ms: int) -> str:
    """A time for people, UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def show(value: Any, as_json: bool, text: str) -> None:  # noqa: FBT001 - the option as click gives it
    """Print `value` as JSON, or `text`."""
    click.echo(json.dumps(value, indent=2) if as_json else text)
