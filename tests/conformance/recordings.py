"""The client's day as a recording: run in MLflow's own environment, read here."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.local.home import PROJECT
from tests.conformance import stock
from tests.conformance.compare import Answer

HERE = PROJECT / "tests" / "conformance"
# How a file travels differs on purpose (through the server, or to S3 and by redirects); what arrives is compared.
_TRANSPORT = ("/mlflow-artifacts/", "/server-info")


def run(python: Path, script: str, *arguments: str | Path, **extra: str) -> str:
    """What a script beside this file prints, under the Python given and with `extra` in its environment."""
    done = subprocess.run(
        [python, HERE / script, *map(str, arguments)],
        env=stock.quiet(PYTHONPATH=str(PROJECT / "shared"), **extra),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return done.stdout


def day(python: Path, url: str, recording: Path, **extra: str) -> dict[str, Answer]:
    """What the client saw and was answered in a day with the server at `url`.

    Steps by name; exchanges by their call and how many such there were before, for threads may change places.
    """
    run(python, "client_script.py", recording, MLFLOW_TRACKING_URI=url, **extra)
    recorded: dict[str, Any] = json.loads(recording.read_bytes())
    steps = {f"client: {step}": Answer(0, {"shown": shown}) for step, shown in recorded["steps"].items()}
    return steps | dict(_exchanges(recorded["exchanges"]))


def _exchanges(exchanges: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Answer]]:
    before: Counter[str] = Counter()
    for exchange in exchanges:
        call = re.sub(r"[0-9a-f]{32}", "*", exchange["call"])
        if not any(part in call for part in _TRANSPORT):
            before[call] += 1
            yield f"client {call} {before[call]}", Answer(exchange["status"], exchange["body"])
