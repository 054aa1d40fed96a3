"""What predict adds to the bare loop: p50 and p99 of a warm request in one process, side by side in one run.

The bare loop is the least that answers: the standard library's JSON, the same preprocessing, the interpreter itself,
JSON again. The handler adds all the rest: checks, lineup, assignment, receipt, and the log line with its record,
features and metrics. Both get the gateway's event, both are timed call by call, round about; the log goes to the null
device by a system call a line, as Lambda's runtime writes it. No API Gateway and no network in either: the ratio counts.
"""

import contextlib
import gc
import io
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from bench.workload import CONTEXT, event, files, function, reviews
from zeroloop.inference.model import Model

ROUNDS, REQUESTS = 9, 2_000
LIMIT = 2.0

Call = Callable[[dict[str, Any]], Any]


def main() -> None:
    """Print the table."""
    events = [event(text) for text in reviews(REQUESTS)]
    handler = function().lambda_handler
    calls: dict[str, Call] = {"bare loop": bare(Model(files())), "predict": lambda sent: handler(sent, CONTEXT)}
    times = measured(calls, events)
    floor = times["bare loop"][:, 0]
    print(f"{'one process':<14}{'p50 us':>9}{'p99 us':>9}{'x bare':>9}")
    for name, rounds in times.items():
        p50, p99 = rounds.min(axis=0)
        print(f"{name:<14}{p50:>9.1f}{p99:>9.1f}{np.median(rounds[:, 0] / floor):>9.2f}")
    print(f"wanted: p50 at most {LIMIT} x bare; p99 is the neighbours' as much as ours\n")


def bare(model: Model) -> Call:
    """The least that could answer."""
    encoder, labels, interpreter = model._encoder, model.package.labels, model._runner._interpreter
    given, taken = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def call(sent: dict[str, Any]) -> str:
        asked = json.loads(sent["body"])
        interpreter.set_tensor(given, encoder.encode([asked["text"]], ["text"]))
        interpreter.invoke()
        score = float(interpreter.get_tensor(taken)[0, 0])
        return json.dumps({"prediction": labels[score >= 0.5], "confidence": score})

    return call


def measured(calls: dict[str, Call], events: list[dict[str, Any]]) -> dict[str, Any]:
    """(rounds, 2) p50 and p99 in microseconds of each; the first round of each is for warming up."""
    times: dict[str, list[list[float]]] = {name: [] for name in calls}
    for _ in range(ROUNDS + 1):
        for name, call in calls.items():
            gc.collect()
            with null_stdout():
                times[name].append(np.percentile(timed(call, events), [50, 99]).tolist())
    return {name: np.array(rounds[1:]) for name, rounds in times.items()}


def timed(call: Call, events: list[dict[str, Any]]) -> list[float]:
    """Microseconds of each call."""
    taken = []
    for sent in events:
        started = time.perf_counter_ns()
        call(sent)
        taken.append((time.perf_counter_ns() - started) / 1000)
    return taken


@contextlib.contextmanager
def null_stdout() -> Iterator[None]:
    """Standard output to nowhere, by a system call a write."""
    with open(os.devnull, "wb", buffering=0) as null:  # noqa: PTH123 - a raw file
        with contextlib.redirect_stdout(io.TextIOWrapper(null, write_through=True)):
            yield


if __name__ == "__main__":
    main()
