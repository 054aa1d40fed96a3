"""The tracker beside a stock `mlflow server`: round trips, capacity units and CPU of the calls that trainings make.

What DynamoDB is asked is counted, and holds on any machine. CPU is told for both, measured turn about in one run, the
least of a few rounds: the milliseconds are this machine's, the ratio counts. Answers are compared, too: a search must
find the same runs on both sides. `tracker_sides` says what is in the figures.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from bench.tracker_sides import SETTINGS, Ours, Side, Stock, both
from bench.workload import ROOT
from zeroloop.tracking.ids import SHARDS
from zeroloop.tracking.points import Point, pack_latest
from zeroloop.tracking.rules import Run

SEARCHED, HISTORY, PAGE = 10_000, 100_000, 25_000
IMPORT_MS, RESOLVER_MS, IMPORTS = 450, 153, 6
"""What an import may take, on a machine where that of Powertools' resolver alone took the second."""
WRITES, WRITING_RUNS, PARTITION_UNITS = 1_000, 50, 1_000

Call = Callable[[Side, str, int], Any]


class Operation(NamedTuple):
    """A call: what comes before it (its answer is handed to the call), how often it is made, and what is wanted.

    `ms` was asked for on a machine where the stock server took `stock_ms`; hence the ratio that is wanted too.
    """

    name: str
    prepare: Callable[[Side], str]
    call: Call
    n: int
    trips: int | None = None
    ms: float | None = None
    stock_ms: float | None = None
    rounds: int = 3


def main() -> None:
    """Print the tables."""
    with both() as (ours, stock):
        started = stock.cpu_seconds()
        operations = [*small(), *large({side: loaded(side) for side in (ours, stock)})]
        head = f"{'DynamoDB and CPU':<26}{'trips':>7}{'read u':>8}{'write u':>8}{'CPU ms':>9}{'stock':>9}{'x stock':>9}"
        print(f"{head}  wanted")
        for operation in operations:
            print(row(operation, ours, stock))
        hot = busy(ours)
    print("units: writes as the emulator bills them, reads (strongly consistent) by the items' sizes")
    yardstick = import_ms("aws_lambda_powertools.event_handler")
    print(f"importing Powertools' resolver alone: {yardstick:.0f} ms of CPU")
    for function in ("tracker", "registry"):
        ms = import_ms("app", ROOT / "functions" / function)
        share = IMPORT_MS / RESOLVER_MS
        wanted = {f"<= {IMPORT_MS} ms": ms <= IMPORT_MS, f"<= {share:.1f} x resolver": ms <= share * yardstick}
        print(f"importing functions/{function}: {ms:.0f} ms of CPU; {verdict(wanted)}")
    print(f"starting the stock server: {started * 1000:.0f} ms of CPU, its first migration among them")
    print(hot)


def row(operation: Operation, ours: Ours, stock: Side) -> str:
    """An operation's line in the table."""
    with ours.metered() as meter:
        thing = operation.prepare(ours)
        before = meter.calls, meter.read_units, meter.write_units
        for number in range(operation.n):
            operation.call(ours, thing, number)
        after = meter.calls, meter.read_units, meter.write_units
    trips, read, written = ((late - early) / operation.n for late, early in zip(after, before, strict=True))
    rounds = [[measured(side, operation) for side in (ours, stock)] for _ in range(operation.rounds)]
    mine, theirs = (min(ms for ms, _ in side) for side in zip(*rounds, strict=True))
    for (_, answer), (_, expected) in rounds:
        assert answer == expected, f"{operation.name}: {answer}, {expected}"  # noqa: S101 - or figures say nothing
    wanted = {}
    if operation.trips:
        wanted[f"<= {operation.trips} trips"] = trips <= operation.trips
    if operation.ms:
        wanted[f"<= {operation.ms} ms"] = mine <= operation.ms
    if operation.ms and operation.stock_ms:
        share = operation.ms / operation.stock_ms
        wanted[f"<= {share:.2f} x stock"] = mine <= share * theirs
    counts = f"{operation.name:<26}{trips:>7.1f}{read:>8.1f}{written:>8.1f}"
    return f"{counts}{mine:>9.2f}{theirs:>9.2f}{mine / theirs:>9.3f}  {verdict(wanted)}"


def verdict(wanted: dict[str, bool]) -> str:
    """Whether each target holds."""
    return ", ".join(f"{what} {'holds' if holds else 'DOES NOT HOLD'}" for what, holds in wanted.items())


def measured(side: Side, operation: Operation) -> tuple[float, Any]:
    """CPU milliseconds of a call, and what the last one answered that is compared."""
    thing, answer = operation.prepare(side), None
    if operation.n > 1:
        operation.call(side, thing, operation.n)
    before = side.cpu_seconds()
    for number in range(operation.n):
        answer = operation.call(side, thing, number)
    return (side.cpu_seconds() - before) / operation.n * 1000, answer


# -- calls of a training -----------------------------------------------------------------------------------------------


def small() -> list[Operation]:
    """Each on a run of its own."""
    run = filled(0)
    return [
        Operation("create_run", lambda _: "0", lambda side, experiment, _: bool(create_run(side, experiment)), 30),
        Operation("log_metric", run, log_metric, 50, trips=2, ms=4, stock_ms=11),
        Operation("log_batch, 100 of 1 key", run, batch(lambda _: "loss"), 20, trips=4, ms=5, stock_ms=35),
        Operation("log_batch, 100 keys", run, batch(lambda i: f"metric{i}"), 20, trips=4, ms=5, stock_ms=35),
        Operation("log_param", run, log_param, 30),
        Operation("get_run, 5 and 5", filled(5), get_run, 30, trips=1),
        Operation("get_run, 100 and 100", filled(100), get_run, 30, trips=1),
    ]


def create_run(side: Side, experiment: str) -> str:
    """Its id."""
    run = side.ask("POST", "runs/create", {"experiment_id": experiment, "start_time": 1, "run_name": "bench"})["run"]
    return str(run["info"]["run_id"])


def filled(n: int) -> Callable[[Side], str]:
    """What makes a run with `n` metrics and `n` params."""

    def prepare(side: Side) -> str:
        run = create_run(side, "0")
        if n:
            metrics = [{"key": f"metric{i}", "value": i / 7, "timestamp": 1, "step": i} for i in range(n)]
            params = [{"key": f"param{i}", "value": str(i / 7)} for i in range(n)]
            side.ask("POST", "runs/log-batch", {"run_id": run, "metrics": metrics, "params": params})
        return run

    return prepare


def log_metric(side: Side, run: str, number: int) -> None:
    """One point; each is later than the one before."""
    point = {"run_id": run, "key": "loss", "value": 1 / (number + 1), "timestamp": number, "step": number}
    side.ask("POST", "runs/log-metric", point)


def batch(key: Callable[[int], str]) -> Call:
    """100 points, each of the key that `key` says."""

    def call(side: Side, run: str, number: int) -> None:
        steps = enumerate(range(number * 100, number * 100 + 100))
        metrics = [{"key": key(i), "value": step / 7, "timestamp": step, "step": step} for i, step in steps]
        side.ask("POST", "runs/log-batch", {"run_id": run, "metrics": metrics})

    return call


def log_param(side: Side, run: str, number: int) -> None:
    """A new one."""
    side.ask("POST", "runs/log-parameter", {"run_id": run, "key": f"param{number}", "value": str(number)})


def get_run(side: Side, run: str, _: int) -> tuple[int, int]:
    """How many metrics and params the run has."""
    data = side.ask("GET", f"runs/get?run_id={run}")["run"]["data"]
    return len(data["metrics"]), len(data["params"])


# -- calls on much -----------------------------------------------------------------------------------------------------


class Loaded(NamedTuple):
    """An experiment of many runs, and a run of a long history."""

    experiment: str
    run: str


def loaded(side: Side) -> Loaded:
    """The same on either side: each run of 5 metrics, 10 params and 5 tags; then one metric of 100,000 points."""
    chance = random.Random(1)  # noqa: S311 - the same for both
    experiment = side.ask("POST", "experiments/create", {"name": "searched"})["experiment_id"]
    side.load(experiment, [
        Run(
            run_id="", experiment_id="", name=f"run{i}", user="ada", start=i, status="FINISHED", artifact_uri="s3://b/a",
            params={f"param{k}": str(chance.random()) for k in range(10)},
            tags={f"mlflow.tag{k}": "v" * 30 for k in range(5)},
            latest={f"metric{k}": pack_latest(Point(i, i, chance.random())) for k in range(5)},
        )
        for i in range(SEARCHED)
    ])  # fmt: skip
    run = create_run(side, "0")
    side.load_points(run, "loss", [Point(step, step, step / 7) for step in range(HISTORY)])
    return Loaded(experiment, run)


def large(held: dict[Side, Loaded]) -> list[Operation]:
    """The search and the history.

    MLflow never has SQLite gather statistics, without which it orders by a metric the slow way; hence the search twice.
    """

    def analyzed(side: Side) -> str:
        if isinstance(side, Stock):
            side.analyze()
        return held[side].experiment

    return [
        Operation("search of 10,000, ordered", lambda side: held[side].experiment, search, 1, ms=300, stock_ms=1030),
        Operation("the same after ANALYZE", analyzed, search, 1, ms=300),
        Operation("history of 100,000", lambda side: held[side].run, history, 1, ms=500, stock_ms=6700, rounds=2),
    ]


def search(side: Side, experiment: str, _: int) -> list[str]:
    """Names of the first hundred by one metric, of those that another one filters."""
    asked = {"filter": "metrics.metric1 > 0.5", "order_by": ["metrics.metric2 DESC"], "max_results": 100}
    found = side.ask("POST", "runs/search", {"experiment_ids": [experiment], **asked})["runs"]
    return [run["info"]["run_name"] for run in found]


def history(side: Side, run: str, _: int) -> list[tuple[int, float]]:
    """Every point, in pages."""
    points: list[tuple[int, float]] = []
    token = ""
    while True:
        path = f"metrics/get-history?run_id={run}&metric_key=loss&max_results={PAGE}&page_token={quote(token)}"
        page = side.ask("GET", path)
        points += [(point["step"], point["value"]) for point in page["metrics"]]
        if not (token := page.get("next_page_token", "")):
            return points


# -- one busy experiment, and the start --------------------------------------------------------------------------------


def busy(ours: Ours) -> str:
    """What 1,000 metrics, logged one by one to the runs of one experiment, write to the partition that gets most."""
    experiment = ours.ask("POST", "experiments/create", {"name": "busy"})["experiment_id"]
    runs = [create_run(ours, experiment) for _ in range(WRITING_RUNS)]
    with ours.metered() as meter:
        for number in range(WRITES):
            log_metric(ours, runs[number % WRITING_RUNS], number)
    kinds = {kind: [units for pk, units in meter.written.items() if pk.startswith(kind)] for kind in ("LATEST", "HIST")}
    most = max(meter.written.values())
    told = "; ".join(f"{kind} {len(units)} partitions, at most {max(units):.0f}" for kind, units in kinds.items())
    return (
        f"{WRITES} log_metric to {WRITING_RUNS} runs of one experiment: {meter.write_units:.0f} units ({told}); evenly"
        f" over {SHARDS} shards it were {WRITES / SHARDS:.0f}, in a partition an experiment {meter.write_units:.0f}\n"
        f"in one second: {verdict({f'<= {PARTITION_UNITS} units a partition': most <= PARTITION_UNITS})}\n"
    )


def import_ms(module: str, *places: Path) -> float:
    """CPU milliseconds of an import in a new interpreter: the least of a few, after one that writes the .pyc files."""
    program = f"import time; started = time.process_time(); import {module}; print(time.process_time() - started)"
    environment = os.environ | SETTINGS | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "shared", *places)))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else each run compiles all, which no shipped layer does
    runs = [
        subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)  # noqa: S603
        for _ in range(IMPORTS)
    ]
    return min(float(run.stdout) for run in runs) * 1000


if __name__ == "__main__":
    main()
