"""Options that say a span of time: `--window 24h` until now, or `--from` and `--to`."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import click

from cli.ingest import EXAMPLE, minute
from cli.show import when
from zeroloop import clock

_UNITS_MS = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Window(NamedTuple):
    """From `start` to before `end`, ms since 1970."""

    start: int
    end: int

    def __str__(self) -> str:
        return f"{when(self.start)} to {when(self.end)} UTC"


def window(since: str | None, until: str | None, length: str) -> Window:
    """The window that options name; `since` wins over `length`."""
    end = minute(until) * 60_000 if until else clock.now_ms() + 1
    if since:
        start = minute(since) * 60_000
    else:
        found = re.fullmatch(r"([1-9]\d{0,5})([mhd])", length)
        if not found:
            raise click.BadParameter(f"{length!r} is no length like 60m, 24h or 7d", param_hint="--window")
        start = end - int(found[1]) * _UNITS_MS[found[2]]
    if start >= end:
        raise click.BadParameter("the window ends before it begins", param_hint="--from and --to")
    return Window(start, end)


def in_window(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a span of time, as `span`."""

    @click.option("--from", "since", help=f"From this minute on: {EXAMPLE}.")
    @click.option("--to", "until", help="To before this minute.  [default: now]")
    @click.option(
        "--window", "length", default="24h", show_default=True, help="Without --from, how long: 60m, 24h, 7d."
    )
    @wraps(command)
    def spanned(since: str | None, until: str | None, length: str, **rest: Any) -> Any:
        return command(span=window(since, until, length), **rest)

    return spanned
