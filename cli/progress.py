"""Long steps: what runs, for how long, and on failure what its log says at the end. All on stderr."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import click

from zeroloop import clock

TAIL_LINES = 25


class StepFailed(click.ClickException):
    """A step that didn't work; says what to do."""

    def __init__(self, title: str, log: Path | None, advice: str) -> None:
        tail = f"\n{_tail(log)}\n(the whole log: {log})" if log and log.exists() else ""
        super().__init__(f"{title} failed.{tail}\n{advice}")


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show `title` and, on a terminal, the seconds as they pass; then how long it took."""
    started, done = clock.monotonic(), Event()
    ticker = Thread(target=_tick, args=(title, started, done), daemon=True)
    if sys.stderr.isatty():
        ticker.start()
    else:
        click.echo(f"{title} ...", err=True)
    try:
        yield
    finally:
        done.set()
        if ticker.is_alive():
            ticker.join()
    click.echo(f"{_over()}{title}: {clock.monotonic() - started:.1f} s", err=True)


def run(title: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str], advice: str) -> None:
    """Run `command` as a step, its output in `log`.

    Raises
    ------
    StepFailed
        It exited otherwise than with 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with step(title), log.open("w") as file:
        finished = subprocess.run(  # noqa: S603 - commands of ours
            command, check=False, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment
        )
    if finished.returncode:
        raise StepFailed(title, log, advice)


def wait(title: str, until: Callable[[], bool], *, seconds: float) -> bool:
    """Whether `until` came true within `seconds`."""
    deadline = clock.monotonic() + seconds
    with step(title):
        while not (ready := until()) and clock.monotonic() < deadline:
            clock.sleep(0.1)
    return ready


def _tick(title: str, started: float, done: Event) -> None:
    while not done.wait(0.5):
        click.echo(f"{_over()}{title}: {clock.monotonic() - started:.0f} s", err=True, nl=False)


def _over() -> str:
    """What writes over the line in place; nothing where lines can't be written over."""
    return "\r\x1b[K" if sys.stderr.isatty() else ""


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-TAIL_LINES:])
