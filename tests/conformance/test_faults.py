"""Faults of DynamoDB below the deployed tracker: what clients log is there, whole and once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.aws_chaos import Chaos
from tests.chaos_proxy import proxy
from tests.conformance import recordings
from tests.conformance.wire import over_http, read_json
from tests.local_stack import Local

pytestmark = pytest.mark.e2e

PROCESSES, STEPS = 2, 200
ALIAS = "live"


@pytest.fixture(name="chaos")
def _chaos(local: Local) -> Iterator[Chaos]:
    """One in five of the tracker's calls of DynamoDB is throttled or loses its answer, and some fail in other ways; the
    function as it was afterwards."""
    chaos = Chaos(11, throttle=0.12, lost_answer=0.08, conflict=0.03, server_error=0.03)
    client, name = local.aws("lambda"), local.record.functions["tracker"]
    before = client.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
    with proxy(local.record.endpoint_url, chaos) as url:
        variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        _publish(client, name, {**variables, "AWS_ENDPOINT_URL": url})
        yield chaos
        client.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=before)
        client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})


def _publish(client: Any, name: str, variables: dict[str, str]) -> None:
    client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    version = client.publish_version(FunctionName=name)["Version"]
    client.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)


def test_two_processes_log_to_one_run_through_faults(local: Local, python: Path, chaos: Chaos) -> None:
    url = local.record.api_url
    run_id = log_from_processes(python, url)
    assert chaos.injected.total() >= PROCESSES * 5, "there were hardly any faults"
    assert {fault for _, fault in chaos.injected} == {"throttle", "conflict", "server_error", "lost_answer"}
    check_exact(url, run_id)


def log_from_processes(python: Path, url: str) -> str:
    """A run that several processes have logged to at once: its id."""
    started = read_json(over_http(url), "POST", "runs/create", {"experiment_id": "0", "run_name": "faults"})
    run_id = str(started["run"]["info"]["run_id"])
    fast = {"MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0", "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0.1"}  # 2, 4, 8 s else

    def work(who: int) -> str:
        return recordings.run(
            python, "logging_script.py", run_id, str(who), str(STEPS), MLFLOW_TRACKING_URI=url, **fast
        )

    with ThreadPoolExecutor(PROCESSES) as pool:
        list(pool.map(work, range(PROCESSES)))
    return run_id


def check_exact(url: str, run_id: str) -> None:
    """Nothing lost, nothing twice, and the latest is what has the greatest step."""

    def history(key: str) -> list[tuple[int, int, float]]:
        answer = read_json(over_http(url), "GET", f"metrics/get-history?run_id={run_id}&metric_key={key}")
        return [(point["step"], point["timestamp"], point["value"]) for point in answer["metrics"]]

    for who in range(PROCESSES):
        logged = [step for step in range(STEPS) if step % 2 or step >= STEPS - 20]
        assert history(f"own-{who}") == [(step, step, step / 3) for step in logged]
    shared = [(-step, step, who + step / 7) for step in range(0, STEPS - 20, 2) for who in range(PROCESSES)]
    assert history("shared") == shared
    metrics = read_json(over_http(url), "GET", f"runs/get?run_id={run_id}")["run"]["data"]["metrics"]
    latest = {metric["key"]: (metric["step"], metric["value"]) for metric in metrics}
    assert latest == {
        **{f"own-{who}": (STEPS - 1, (STEPS - 1) / 3) for who in range(PROCESSES)},
        "shared": (0, float(PROCESSES - 1)),
    }
