"""The two trackers that are measured: ours in this process over the emulated DynamoDB, and a stock `mlflow server`.

Ours is the deployed function, called with the gateway's events; signing and HTTP to DynamoDB are in its CPU. The stock
server has a database in a file and one worker; its CPU is that of its processes, asked by one kept connection.
"""

import importlib.util
import json
import os
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Protocol
from unittest import mock

import msgspec
import urllib3

from bench.peers.table import descendants
from bench.predict import null_stdout
from bench.workload import ROOT
from cli.local import server, tools
from cli.local.home import REGION, Home
from tests.aws_dynamodb_items import item_bytes
from tests.conformance import stock
from zeroloop import dynamo
from zeroloop.dynamo import Item
from zeroloop.signed import Session
from zeroloop.tracking import ids, rows
from zeroloop.tracking.points import Point, unpack_latest
from zeroloop.tracking.rules import Run

API = "/api/2.0/mlflow/"
EVENT = json.loads((ROOT / "events" / "tracker" / "create_run.json").read_text())
CONTEXT = SimpleNamespace(
    function_name="tracker", memory_limit_in_mb=512, invoked_function_arn="", aws_request_id="8c2e"
)
TABLE = "tracking"
READ_UNIT = 4096
ITEMS_A_BATCH, POINTS_A_BATCH = 25, 1_000
SETTINGS = {
    "AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": REGION,
    "TRACKING_TABLE": TABLE, "REGISTRY_TABLE": "registry", "ARTIFACTS_BUCKET": "artifacts", "ARTIFACT_ROOT": "s3",
    "DELETED_RUNS_DAYS": "0", "ADMISSION_FUNCTION": "admission", "MAX_PACKAGE_MEGABYTES": "200", "APPROVALS": "none",
}  # fmt: skip


class Side(Protocol):
    """A tracker that is asked and whose CPU is known."""

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer to a call by its path below the API's; RuntimeError unless it is 200."""

    def cpu_seconds(self) -> float:
        """What it has taken so far."""

    def load(self, experiment_id: str, runs: Sequence[Run]) -> None:
        """Write runs straight into its database; ids are given anew."""

    def load_points(self, run_id: str, key: str, points: Sequence[Point]) -> None:
        """Write a history in batches of 1,000, or straight into its database."""


class Metered:
    """Stands before a session and adds up what DynamoDB would bill for its calls, and by partition what they write.

    Writes are billed as the emulator tells it (ReturnConsumedCapacity, which it rounds as AWS does); reads by the sizes
    of the items, since it tells one unit for a query of any size.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self.calls, self.read_units, self.write_units = 0, 0, 0.0
        self.written: Counter[str] = Counter()

    def call(self, service: str, target: str, body: dict[str, Any], *, timeout: float) -> bytes:
        """The answer of the session."""
        operation = target.rpartition(".")[2]
        self.calls += 1
        if operation == "Query":
            whole = {k: v for k, v in body.items() if k not in {"ProjectionExpression", "ExpressionAttributeNames"}}
            read = msgspec.json.decode(self._session.call(service, target, whole, timeout=timeout), type=dynamo._Found)
            self.read_units += _units(sum(map(_size, read.Items)))
        elif operation == "BatchGetItem":
            answer = self._session.call(service, target, body, timeout=timeout)
            got = msgspec.json.decode(answer, type=dynamo._Batch).Responses.get(TABLE, [])
            missing = len(body["RequestItems"][TABLE]["Keys"]) - len(got)
            self.read_units += sum(_units(_size(row)) for row in got) + missing
            return answer
        else:
            body = {**body, "ReturnConsumedCapacity": "TOTAL"}
            answer = self._session.call(service, target, body, timeout=timeout)
            told = msgspec.json.decode(answer)["ConsumedCapacity"]
            units = sum(one["CapacityUnits"] for one in (told if isinstance(told, list) else [told]))
            self.write_units += units
            actions = [next(iter(action.values())) for action in body.get("TransactItems", [])] or [body]
            for action in actions:
                self.written[action.get("Key", action.get("Item"))["pk"]["S"]] += units / len(actions)
            return answer
        return self._session.call(service, target, body, timeout=timeout)


def _size(row: dynamo._Row) -> int:
    return item_bytes(dynamo._encode_all(dynamo._plain(row)))


def _units(size: int) -> int:
    return max(1, -(-size // READ_UNIT))


class Ours:
    """The deployed function in this process."""

    def __init__(self, function: ModuleType) -> None:
        self._function = function
        self._session: Session = function.table._session
        self._spent = 0.0

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One event, one answer."""
        path, _, query = (API + path).partition("?")
        http = {**EVENT["requestContext"]["http"], "method": method, "path": path}
        event = {
            **EVENT, "rawPath": path, "rawQueryString": query, "body": None if body is None else json.dumps(body),
            "requestContext": {**EVENT["requestContext"], "http": http},
        }  # fmt: skip
        with null_stdout():
            started = time.process_time()
            answer = self._function.lambda_handler(event, CONTEXT)
            self._spent += time.process_time() - started
        if answer["statusCode"] != 200:
            raise RuntimeError(f"{method} {path}: {answer}")
        return json.loads(answer["body"])

    def cpu_seconds(self) -> float:
        """Of the handler alone."""
        return self._spent

    @contextmanager
    def metered(self) -> Iterator[Metered]:
        """The calls of the block are counted."""
        meter = self._function.table._session = Metered(self._session)
        try:
            yield meter
        finally:
            self._function.table._session = self._session

    def create_table(self) -> None:
        """As the template has it."""
        keys = {"pk": "HASH", "sk": "RANGE"}
        self._call("CreateTable", {
            "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in keys],
            "KeySchema": [{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        })  # fmt: skip

    def load(self, experiment_id: str, runs: Sequence[Run]) -> None:
        """By the rows that the tracker itself would write."""
        items: list[Item] = []
        for number, run in enumerate(runs):
            run_id = ids.new_id(experiment_id, f"{number % ids.SHARDS:02x}{number:022x}")
            mine = msgspec.structs.replace(run, run_id=run_id, experiment_id=experiment_id)
            place = ids.place(run_id)
            assert place  # noqa: S101 - made right above
            items += [*rows.run_rows(mine, place), *rows.latest_rows(mine, place)]
        for start in range(0, len(items), ITEMS_A_BATCH):
            some = items[start : start + ITEMS_A_BATCH]
            puts = [{"PutRequest": {"Item": dynamo._encode_all(item)}} for item in some]
            answer = self._call("BatchWriteItem", {"RequestItems": {TABLE: puts}})
            assert not answer["UnprocessedItems"]  # noqa: S101 - or fewer runs would be searched

    def load_points(self, run_id: str, key: str, points: Sequence[Point]) -> None:
        """By its own calls."""
        for start in range(0, len(points), POINTS_A_BATCH):
            metrics = [{"key": key, **point._asdict()} for point in points[start : start + POINTS_A_BATCH]]
            self.ask("POST", "runs/log-batch", {"run_id": run_id, "metrics": metrics})

    def _call(self, operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        return self._session.json("dynamodb", f"DynamoDB_20120810.{operation}", asked, timeout=60)


_POINT = "INSERT INTO {table} (run_uuid, key, timestamp, step, value, is_nan) VALUES (?, ?, ?, ?, ?, 0)"


class Stock:
    """A stock server, and the file of its database."""

    def __init__(self, url: str, database: Path, pids: Sequence[int]) -> None:
        self._pool = urllib3.connection_from_url(url, timeout=300, retries=False)
        self._path = database
        self._pids = pids

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """One request, one answer."""
        answer = self._pool.request(method, API + path, json=body)
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:300]!r}")
        return json.loads(answer.data)

    def cpu_seconds(self) -> float:
        """Of all its processes, since they began."""
        return sum(map(_ticks, self._pids)) / os.sysconf("SC_CLK_TCK")

    def load(self, experiment_id: str, runs: Sequence[Run]) -> None:
        """By SQL, what its own store would write."""
        of_run, params, tags, latest = [], [], [], []
        for number, run in enumerate(runs):
            run_id = f"{number:032x}"
            of_run.append(
                (run_id, run.name, run.user, run.status, run.start, "active", run.artifact_uri, experiment_id)
            )
            params += [(key, value, run_id) for key, value in run.params.items()]
            tags += [(key, value, run_id) for key, value in run.tags.items()]
            latest += [(run_id, key, *unpack_latest(data)) for key, data in run.latest.items()]
        with self._database() as database:
            database.executemany(
                "INSERT INTO runs (run_uuid, name, user_id, status, start_time, lifecycle_stage, artifact_uri,"
                " experiment_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                of_run,
            )
            database.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", params)
            database.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?)", tags)
            for table in ("metrics", "latest_metrics"):
                database.executemany(_POINT.format(table=table), latest)

    def load_points(self, run_id: str, key: str, points: Sequence[Point]) -> None:
        """By SQL."""
        with self._database() as database:
            database.executemany(_POINT.format(table="metrics"), [(run_id, key, *point) for point in points])
            database.execute(_POINT.format(table="latest_metrics"), (run_id, key, *points[-1]))

    def analyze(self) -> None:
        """Have SQLite gather what its planner knows of tables, as an administrator may."""
        with self._database() as database:
            database.execute("ANALYZE")

    def _database(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)


def _ticks(pid: int) -> int:
    """Of a process with its threads, those that have ended too."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return int(user) + int(system)


@contextmanager
def both() -> Iterator[tuple[Ours, Stock]]:
    """Both sides, empty, until the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder, "stack"))
        uv = tools.find_uv(os.environ.get("UV"))
        mlflow = tools.install("conformance", home, uv) / "mlflow"
        ministack = tools.install("stack", home, uv) / "ministack"
        others = set(descendants(os.getpid()))
        with stock.server(mlflow, Path(folder)) as url:
            pids = sorted(set(descendants(os.getpid())) - others)
            port = server._any_port()
            pid = server.start(ministack, home, port, iam=False)
            endpoint = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
            try:
                with mock.patch.dict(os.environ, SETTINGS | endpoint):
                    ours = Ours(_function())
                    ours.create_table()
                    yield ours, Stock(url, Path(folder, "mlflow.db"), pids)
            finally:
                os.kill(pid, signal.SIGKILL)  # a clean stop would save its state for 12 s
                os.waitpid(pid, 0)


def _function() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tracker_function", ROOT / "functions" / "tracker" / "app.py")
    assert spec and spec.loader  # noqa: S101, PT018
    function = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(function)
    return function
