"""The emulated AWS: MiniStack as a process of its own, on loopback."""

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import click
import urllib3

from cli import environment, progress
from cli.local.home import REGION, Home

DEFAULT_PORT = 4566


def start(ministack: Path, home: Home, port: int, *, iam: bool) -> int:
    """Start MiniStack on `port` and wait until it answers; its process id."""
    temporary = home.path / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    log = home.log("ministack")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as file:
        process = subprocess.Popen(  # noqa: S603 - a command of ours
            [ministack],
            cwd=temporary,
            env=_environment(home, temporary, port, iam=iam),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # it outlives this command, and Ctrl-C in its terminal
        )
    try:
        _wait_for(process, port, log)
    except BaseException:  # Ctrl-C too: nobody knows of this process yet
        process.terminate()
        raise
    process.returncode = 0  # or its destructor would warn that it still runs, as it should
    return process.pid


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    title = f"emulated AWS on port {port}"
    if not progress.wait(title, lambda: answers(port) or process.poll() is not None, seconds=60) or process.poll():
        raise progress.StepFailed(title, log, "If the port is taken, choose another with --port.")


def _environment(home: Home, temporary: Path, port: int, *, iam: bool) -> dict[str, str]:
    # Gap: functions inherit the emulator's environment, so it gets the least there is, and no AWS of the caller's.
    return environment.plain(
        TMPDIR=str(temporary),
        GATEWAY_PORT=str(port),
        BIND_HOST="127.0.0.1",  # gap: it listens on all interfaces otherwise
        IOT_MTLS_ENABLED="0",  # gap: the IoT listener ignores BIND_HOST
        MINISTACK_REGION=REGION,
        AUTH=str(iam).lower(),
        PERSIST_STATE="1",
        STATE_DIR=str(home.path / "state"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(home.path / "s3"),
    )


def stop(pid: int, port: int) -> None:
    """Stop the MiniStack that listens on `port`, and let it save its state."""
    # Gap: state is saved at a clean stop only, and so never with SIGKILL.
    os.kill(pid, signal.SIGTERM)
    if not progress.wait("stop, saving its state", lambda: not _alive(pid) and not answers(port), seconds=60):
        raise click.ClickException(f"process {pid} has not stopped; look at it, or end it with `kill -9 {pid}`.")


def answers(port: int) -> bool:
    """Whether a MiniStack listens there."""
    return bool(_health(port))


def _health(port: int) -> dict[str, Any]:
    try:
        answer = urllib3.request("GET", f"http://127.0.0.1:{port}/_ministack/health", timeout=5, retries=False)
        return dict(answer.json())
    except (urllib3.exceptions.HTTPError, ValueError):
        return {}


def _alive(pid: int) -> bool:
    try:
        ours, _ = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # another process started it
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return not ours


def choose_port(wanted: int | None, last: int | None) -> int:
    """The port that was asked for; else the last one, 4566, or any that is free."""
    if wanted:
        return wanted
    return next(port for port in (last, DEFAULT_PORT, _any_port()) if port and _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
