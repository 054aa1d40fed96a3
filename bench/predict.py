"""What predict adds to the bare loop: p50 and p99 of a warm request in one process, side by side in one run.

The bare loop is the least that answers: the standard library's JSON, the same preprocessing, the interpreter itself,
JSON again. The handler adds all the rest: checks, lineup, assignment, receipt, and the log line with its record,
features and metrics. Both get the gateway's event and are timed call by call; the log goes to the null device by a
system call a line, as Lambda's runtime writes it. No API Gateway and no network in either: the ratio counts.

It is told twice. Turn about, a call of each with other sentences: both find the processor's caches as a server does,
full of something else. Alone, a block of each: then all that the bare loop touches stays in the first-level caches,
where nothing stays that does more, and that no server ever sees.
"""

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from json import dumps, loads
from typing import Any

import numpy as np

from bench.workload import CONTEXT, event, files, function, reviews
from zeroloop.inference.model import Model

ROUNDS, REQUESTS, BLOCK = 5, 2_000, 100
LIMIT = 2.0

Call = Callable[[dict[str, Any]], Any]
Times = dict[str, list[float]]


def main() -> None:
    """Print the table."""
    events = [event(text) for text in reviews(REQUESTS)]
    handler = function().lambda_handler
    calls: dict[str, Call] = {"bare loop": bare(Model(files())), "predict": lambda sent: handler(sent, CONTEXT)}
    with null_stdout():
        alone(calls, events)  # warm
        told = {"turn about": turn_about(calls, events * ROUNDS), "alone": alone(calls, events * ROUNDS)}
    print(f"{'one process':<24}{'p50 us':>9}{'p99 us':>9}{'x bare':>9}")
    for how, times in told.items():
        floor = np.median(times["bare loop"])
        for name, taken in times.items():
            p50, p99 = np.percentile(taken, [50, 99])
            print(f"{how:<12}{name:<12}{p50:>9.1f}{p99:>9.1f}{p50 / floor:>9.2f}")
    print(f"wanted: p50 at most {LIMIT} x bare, turn about; p99 is the neighbours' as much as ours\n")


def bare(model: Model) -> Call:
    """The least that could answer."""
    encoder, labels, interpreter = model.encoder, model.package.labels, model._runner._interpreter
    assert encoder  # noqa: S101 - it reads texts
    given, taken = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def call(sent: dict[str, Any]) -> str:
        asked = loads(sent["body"])
        interpreter.set_tensor(given, encoder.encode([asked["text"]], ["text"]))
        interpreter.invoke()
        score = float(interpreter.get_tensor(taken)[0, 0])
        return dumps({"prediction": labels[score >= 0.5], "confidence": score})

    return call


def turn_about(calls: dict[str, Call], events: list[dict[str, Any]]) -> Times:
    """Microseconds of each call; no sentence comes to two of them in a row."""
    times: Times = {name: [] for name in calls}
    for i in range(len(events)):
        for n, (name, call) in enumerate(calls.items()):
            times[name].append(timed(call, events[i - n * BLOCK]))
    return times


def alone(calls: dict[str, Call], events: list[dict[str, Any]]) -> Times:
    """Microseconds of each call, in blocks of one kind; each block's first tenth is for warming up."""
    times: Times = {name: [] for name in calls}
    for start in range(0, len(events), BLOCK):
        for name, call in calls.items():
            taken = [timed(call, sent) for sent in events[start : start + BLOCK]]
            times[name] += taken[BLOCK // 10 :]
    return times


def timed(call: Call, sent: dict[str, Any]) -> float:
    """Microseconds of a call."""
    started = time.perf_counter_ns()
    call(sent)
    return (time.perf_counter_ns() - started) / 1000


@contextlib.contextmanager
def null_stdout() -> Iterator[None]:
    """Standard output to nowhere, by a system call a write."""
    with (
        open(os.devnull, "wb", buffering=0) as null,  # noqa: PTH123 - a raw file
        contextlib.redirect_stdout(io.TextIOWrapper(null, write_through=True)),
    ):
        yield


if __name__ == "__main__":
    main()
