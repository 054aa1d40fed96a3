"""The stock MLflow server: as a user would start it, with a database and artifacts in a folder of its own."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from cli import environment
from cli.local import tools
from cli.local.home import Home
from tests.conformance import wire
from tests.conformance.wire_cases import SEQUENCES
from zeroloop import clock

START_SECONDS = 120  # it imports for 20 s of processor time, and machines are busy


@pytest.fixture(scope="session", name="python")
def _python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python that has MLflow."""
    home = Home(tmp_path_factory.mktemp("conformance"))
    return tools.install("conformance", home, tools.find_uv(None)) / "python"


@pytest.fixture(scope="session", name="stock_url")
def _stock_url(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One stock server for the whole run."""
    with server(python.with_name("mlflow"), tmp_path_factory.mktemp("stock")) as url:
        yield url


@pytest.fixture(scope="session", name="stock_wire")
def _stock_wire(stock_url: str) -> dict[str, wire.Recording]:
    """What it answers to all raw requests."""
    return wire.play_all(wire.over_http(stock_url), SEQUENCES)


@contextmanager
def server(mlflow: Path, folder: Path) -> Iterator[str]:
    """The URL of a server that runs until the block ends."""
    port, log = _free_port(), folder / "log"
    command: list[str | Path] = [
        *(mlflow, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts"),
        *("--uvicorn-opts", f"--timeout-worker-healthcheck {START_SECONDS}"),  # or a slow start is ended and begun anew
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=quiet(HOME=str(folder)), stdout=output, stderr=output, start_new_session=True
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(process, url, log)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def quiet(**extra: str) -> dict[str, str]:
    """An environment in which MLflow speaks to nobody but its server, and starts nothing besides."""
    return environment.plain(
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        GIT_PYTHON_REFRESH="quiet",
        **extra,
    )


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = clock.monotonic() + START_SECONDS
    while not _healthy(url):
        if process.poll() is not None or clock.monotonic() > deadline:
            raise AssertionError(f"the stock server did not start:\n{log.read_text()[-2000:]}")
        clock.sleep(0.2)


def _healthy(url: str) -> bool:
    try:
        return urllib3.request("GET", url + "/health", timeout=5, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
